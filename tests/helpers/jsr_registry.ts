/** A registry of packages on this machine: just enough for one test. */
export interface JsrRegistry extends AsyncDisposable {
  /** Value for the environment variable `JSR_URL`. */
  readonly url: string;
  /** Unknown requests. */
  readonly refused: readonly string[];
}

/** Options for {@linkcode startJsrRegistry}. */
export interface JsrRegistryOptions {
  /**
   * Time until the response to a request, in milliseconds.
   *
   * @default {0}
   */
  delayMs?: number;
}

interface Release {
  name: string;
  version: string;
  exports: Record<string, string>;
  files: Map<string, Uint8Array<ArrayBuffer>>;
}

/**
 * Starts a registry that accepts every upload.
 *
 * @param folders Folders of packages that it offers from the start.
 * @param options How fast it responds.
 * @returns The registry, which stops when it is disposed.
 */
export async function startJsrRegistry(
  folders: readonly URL[] = [],
  { delayMs = 0 }: JsrRegistryOptions = {},
): Promise<JsrRegistry> {
  const releases = new Map<string, Release>();
  const refused: string[] = [];
  const add = (release: Release) =>
    releases.set(`${release.name}@${release.version}`, release);
  for (const folder of folders) add(await readRelease(folder));

  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
  }, async (request) => {
    if (delayMs > 0) await delay(delayMs);
    const response = await respondToApi(request, releases, add) ??
      await respondToDownload(request, releases);
    if (response !== undefined) return response;
    refused.push(`${request.method} ${new URL(request.url).pathname}`);
    return notFound();
  });

  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    refused,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Lists the folders of the packages that stand in for those of `@std`. */
export async function listLinks(): Promise<URL[]> {
  const links = new URL("../../links/", import.meta.url);
  const folders: URL[] = [];
  for await (const { name, isDirectory } of Deno.readDir(links)) {
    if (isDirectory) folders.push(new URL(`${name}/`, links));
  }
  return folders;
}

/**
 * Responds to the requests of `deno publish`, in this order: whether the version
 * exists, whether the package exists, the upload, and its status.
 */
async function respondToApi(
  request: Request,
  releases: ReadonlyMap<string, Release>,
  add: (release: Release) => void,
): Promise<Response | undefined> {
  const { pathname } = new URL(request.url);
  if (pathname.startsWith("/api/publish_status/")) {
    return Response.json({ id: "1", status: "success", error: null });
  }
  const [, scope, name, version] = pathname.match(
    /^\/api\/scopes\/([^/]+)\/packages\/([^/]+)(?:\/versions\/([^/]+))?$/,
  ) ?? [];
  if (scope === undefined) return undefined;
  if (version === undefined) return Response.json({});
  if (request.method === "POST") {
    const archive = request.body!.pipeThrough(new DecompressionStream("gzip"));
    add(parseRelease(readTar(await new Response(archive).bytes())));
    return Response.json({ id: "1", status: "pending" });
  }
  return releases.has(`@${scope}/${name}@${version}`)
    ? Response.json({})
    : notFound();
}

async function respondToDownload(
  request: Request,
  releases: ReadonlyMap<string, Release>,
): Promise<Response | undefined> {
  const [, name, file] =
    new URL(request.url).pathname.match(/^\/(@[^/]+\/[^/]+)\/(.+)$/) ?? [];
  const versions = [...releases.values()].filter((item) => item.name === name);
  if (file === "meta.json" && versions.length > 0) {
    return Response.json({
      versions: Object.fromEntries(versions.map((item) => [item.version, {}])),
    });
  }
  for (const release of versions) {
    if (file === `${release.version}_meta.json`) {
      return Response.json(await getDescription(release));
    }
    const prefix = `${release.version}/`;
    const bytes = file.startsWith(prefix)
      ? release.files.get(file.slice(prefix.length))
      : undefined;
    if (bytes !== undefined) return new Response(bytes);
  }
  return undefined;
}

const descriptions = new WeakMap<Release, Promise<unknown>>();

function getDescription(release: Release): Promise<unknown> {
  const description = descriptions.get(release) ?? describeRelease(release);
  descriptions.set(release, description);
  return description;
}

async function describeRelease(release: Release): Promise<unknown> {
  const manifest: Record<string, { size: number; checksum: string }> = {};
  for (const [path, bytes] of release.files) {
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    manifest[`/${path}`] = {
      size: bytes.length,
      checksum: `sha256-${new Uint8Array(digest).toHex()}`,
    };
  }
  const moduleGraph2 = Object.fromEntries(
    release.files.entries().filter(([path]) => /\.[jt]s$/.test(path))
      .map((
        [path, bytes],
      ) => [`/${path}`, { dependencies: readImports(bytes) }]),
  );
  return { manifest, moduleGraph2, exports: release.exports };
}

/** An import with a literal specifier, and perhaps the type of the module. */
const IMPORT =
  /^(?:import|export) (type )?(?:[^;"]*? from )?"([^"]+)"(?: with \{\s*type: "(\w+)",?\s*\})?|import\(\s*"([^"]+)"/gm;

/** The position of an import only matters for messages. */
const RANGE = [[0, 0], [0, 0]];

/** Lets Deno load what a module imports before it has read the module. */
function readImports(bytes: Uint8Array): unknown[] {
  const text = new TextDecoder().decode(bytes).replaceAll(/^ \*.*$/gm, "");
  return [...text.matchAll(IMPORT)].map((
    [, isType, specifier, type, argument],
  ) =>
    argument === undefined
      ? {
        type: "static",
        kind: isType === undefined ? "import" : "importType",
        specifier,
        specifierRange: RANGE,
        importAttributes: type && { known: { type } },
      }
      : { type: "dynamic", argument, argumentRange: RANGE }
  );
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function readRelease(folder: URL): Promise<Release> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const read = async (prefix: string) => {
    for await (const entry of Deno.readDir(new URL(prefix || ".", folder))) {
      const path = prefix + entry.name;
      if (entry.isDirectory) await read(`${path}/`);
      else files.set(path, await Deno.readFile(new URL(path, folder)));
    }
  };
  await read("");
  return parseRelease(files);
}

function parseRelease(files: Release["files"]): Release {
  const config = new TextDecoder().decode(files.get("deno.json"));
  const { name, version, exports } = JSON.parse(config);
  return { name, version, exports, files };
}

/** Reads the files of an archive of short paths, in blocks of 512 bytes. */
function readTar(archive: Uint8Array<ArrayBuffer>): Release["files"] {
  const files: Release["files"] = new Map();
  for (let at = 0; at < archive.length && archive[at] !== 0;) {
    const text = (from: number, to: number) =>
      new TextDecoder().decode(archive.subarray(at + from, at + to))
        .replace(/\0.*$/s, "");
    const path = text(0, 100);
    const size = parseInt(text(124, 136), 8);
    files.set(path, archive.slice(at + 512, at + 512 + size));
    at += 512 * (1 + Math.ceil(size / 512));
  }
  return files;
}

function notFound(): Response {
  const body = { code: "notFound", message: "The resource does not exist" };
  return Response.json(body, { status: 404 });
}
