import { GIT_ENV } from "./git_repository.ts";

/** Faults of a server; each number is decremented by a request. */
export interface GitServerFaults {
  /** Number of requests whose connection is broken. */
  dropped?: number;
  /** Number of packs that are cut off after their first bytes. */
  cut?: number;
  /** A status code, and how many requests get it. */
  status?: [code: number, count: number];
  /** Whether requests with a filter fail. */
  refusesFilter?: boolean;
  /** Whether requests with a depth fail. */
  refusesDepth?: boolean;
  /** Whether the server uses the old protocol, which serves only tips. */
  speaksOldProtocol?: boolean;
  /** Requested ID, and the ID whose objects are sent instead. */
  swapped?: [from: string, to: string];
  /** Required user and password. */
  login?: string;
  /** IDs of missing objects in Git LFS. */
  lostObjects?: readonly string[];
  /** URL of another server to which all requests are redirected. */
  redirectTo?: string;
  /** URL of another server for the objects in Git LFS. */
  objectsAt?: string;
}

/** An HTTP server for the repositories in a directory. */
export interface GitServer extends AsyncDisposable {
  /** URL with a trailing slash. */
  readonly url: string;
  /** Method, path and query of each request. */
  readonly requests: readonly string[];
  /** Headers of each request. */
  readonly headers: readonly Headers[];
  /** Faults from now on. */
  faults: GitServerFaults;
}

/** Starts a server that injects faults into the responses of git. */
export function startGitServer(root: string): GitServer {
  const requests: string[] = [];
  const headers: Headers[] = [];
  const state: { faults: GitServerFaults } = { faults: {} };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, onError: refuse },
    async (request) => {
      const { pathname, search } = new URL(request.url);
      requests.push(`${request.method} ${pathname}${search}`);
      headers.push(request.headers);
      const body = await request.bytes();
      return injectFault(request, body, state.faults) ??
        await respondLfs(root, request, body, state.faults) ??
        await respond(root, request, body, state.faults);
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    requests,
    headers,
    get faults() {
      return state.faults;
    },
    set faults(faults) {
      state.faults = faults;
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function injectFault(
  request: Request,
  body: Uint8Array,
  faults: GitServerFaults,
): Response | undefined {
  const text = new TextDecoder("latin1").decode(body);
  const { login } = faults;
  const given = request.headers.get("authorization");
  if (login !== undefined && given !== encodeLogin(login)) {
    return new Response("Who are you?", {
      status: 401,
      headers: { "www-authenticate": "Basic" },
    });
  }
  if (faults.redirectTo !== undefined) {
    const { pathname, search } = new URL(request.url);
    const location = new URL(pathname + search, faults.redirectTo);
    return new Response("Elsewhere", {
      status: 307,
      headers: { location: location.href },
    });
  }
  if ((faults.dropped ?? 0) > 0) {
    faults.dropped!--;
    return createBrokenResponse();
  }
  if (faults.status !== undefined && faults.status[1] > 0) {
    faults.status[1]--;
    return new Response("No", { status: faults.status[0] });
  }
  const isRefused = faults.refusesFilter && /filter /.test(text) ||
    faults.refusesDepth && /deepen /.test(text);
  return isRefused ? new Response("No", { status: 400 }) : undefined;
}

function encodeLogin(login: string): string {
  return `Basic ${new TextEncoder().encode(login).toBase64()}`;
}

/** Ignores errors of responses that are broken on purpose. */
function refuse(): Response {
  return new Response(null, { status: 500 });
}

/** Creates a truncated response. */
function createBrokenResponse(start = new Uint8Array()): Response {
  let isStarted = false;
  const stream = new ReadableStream({
    pull(controller) {
      if (isStarted || start.length === 0) controller.error(new Error("gone"));
      else controller.enqueue(start);
      isStarted = true;
    },
  });
  return new Response(stream, {
    headers: { "content-type": "application/x-git-upload-pack-result" },
  });
}

/** Serves the objects that `git-lfs` keeps in the repository. */
async function respondLfs(
  root: string,
  request: Request,
  body: Uint8Array,
  { lostObjects = [], objectsAt }: GitServerFaults,
): Promise<Response | undefined> {
  const { pathname, href } = new URL(request.url);
  const [, repository, action] = /^(.*)\/info\/lfs\/(.*)$/.exec(pathname) ?? [];
  if (action === undefined) return undefined;
  if (action !== "objects/batch") {
    const oid = action.replace("object/", "");
    const folders = `${oid.slice(0, 2)}/${oid.slice(2, 4)}`;
    const objects = `${root}${repository}/lfs/objects`;
    return new Response(await Deno.readFile(`${objects}/${folders}/${oid}`));
  }
  const { objects } = JSON.parse(new TextDecoder().decode(body));
  const entries = objects.map(({ oid, size }: { oid: string; size: number }) =>
    lostObjects.includes(oid)
      ? { oid, size, error: { code: 404, message: "Object does not exist" } }
      : {
        oid,
        size,
        actions: {
          download: {
            href: objectsAt ?? href.replace("objects/batch", `object/${oid}`),
          },
        },
      }
  );
  return Response.json({ transfer: "basic", objects: entries }, {
    headers: { "content-type": "application/vnd.git-lfs+json" },
  });
}

async function respond(
  root: string,
  request: Request,
  body: Uint8Array<ArrayBuffer>,
  faults: GitServerFaults,
): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const protocol = request.headers.get("git-protocol");
  let sent = request.headers.get("content-encoding") === "gzip"
    ? await new Response(
      new Blob([body]).stream().pipeThrough(new DecompressionStream("gzip")),
    ).bytes()
    : body;
  if (faults.swapped !== undefined) {
    const text = new TextDecoder("latin1").decode(sent);
    sent = new TextEncoder().encode(text.replaceAll(...faults.swapped));
  }
  const child = new Deno.Command("git", {
    args: ["http-backend"],
    clearEnv: true,
    env: {
      ...GIT_ENV,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: decodeURIComponent(pathname),
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers.get("content-type") ?? "",
      ...protocol === null || faults.speaksOldProtocol
        ? {}
        : { GIT_PROTOCOL: protocol },
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  // Git need not read what it is not interested in.
  await writer.write(sent).then(() => writer.close()).catch(() => {});
  const { stdout } = await child.output();
  return createResponse(stdout, faults);
}

function createResponse(
  output: Uint8Array<ArrayBuffer>,
  faults: GitServerFaults,
): Response {
  const end = indexOfBlankLine(output);
  const headers = new Headers();
  let status = 200;
  for (
    const line of new TextDecoder().decode(output.subarray(0, end)).split(
      "\r\n",
    )
  ) {
    const [name, value] = line.split(": ");
    if (name === "Status") status = Number.parseInt(value);
    else if (value !== undefined) headers.set(name, value);
  }
  const body = output.subarray(end + 4);
  if ((faults.cut ?? 0) > 0 && containsPack(body)) {
    faults.cut!--;
    return createBrokenResponse(body.slice(0, body.length / 2));
  }
  return new Response(body, { status, headers });
}

function indexOfBlankLine(bytes: Uint8Array): number {
  return bytes.findIndex((byte, at) =>
    byte === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13
  );
}

function containsPack(body: Uint8Array): boolean {
  return new TextDecoder("latin1").decode(body.subarray(0, 4_096))
    .includes("PACK");
}
