import { denoDirectory } from "../passed_variables.ts";
import { temporaryDirectory } from "../temporary_directory.ts";
import { createCertificate } from "./certificate.ts";
import { JobController } from "./job_controller.ts";
import { Node } from "./node.ts";
import { findObjectProblems } from "./object_problems.ts";
import { type ApiObject, ObjectStore } from "./object_store.ts";
import { serveExec } from "./serve_exec.ts";

/** Token with which clients log in. */
export const TOKEN = "token-of-the-test-cluster";

/** An API server on this machine, with a controller of Jobs and one node. */
export interface ApiServer extends AsyncDisposable {
  readonly store: ObjectStore;
  readonly node: Node;
  readonly controller: JobController;
  /** Address. */
  readonly url: string;
  /** Certificate of the authority that its certificate is signed by. */
  readonly ca: string;
  /** Absolute path of a configuration of kubectl. */
  readonly kubeconfig: string;
  /** Methods and paths of all requests. */
  readonly requests: string[];
  /**
   * The next stream of a log is cut after this many bytes, without a proper end;
   * each further one after twice as many.
   */
  cutLogsAfterBytes: number;
  /** Number of the next programs in containers whose end is not reported. */
  brokenExecCount: number;
  /** Breaks all connections, and refuses new ones until the server is up. */
  goDown(): Promise<void>;
  goUp(): void;
}

/**
 * Starts an API server of our own. It keeps objects and validates them by the
 * published schema; its node starts the containers of Pods as processes with
 * namespaces of their own.
 */
export async function startApiServer(): Promise<ApiServer> {
  const directory = await temporaryDirectory();
  const { ca, cert, key } = await createCertificate(directory.path);
  const store = new ObjectStore();
  const node = new Node(store, `${directory.path}/pods`, await denoDirectory());
  const controller = new JobController(store, node);
  const server = new Server(store, node, controller);
  let port = 0;
  let running: Deno.HttpServer<Deno.NetAddr>;
  let breaking = new AbortController();

  function goUp(): void {
    breaking = new AbortController();
    running = Deno.serve({
      hostname: "127.0.0.1",
      port,
      onListen: () => {},
      onError: () => new Response(null, { status: 500 }),
      signal: breaking.signal,
      cert,
      key,
    }, (request) => server.respond(request));
    port = running.addr.port;
  }

  goUp();
  const url = `https://127.0.0.1:${port}`;
  const kubeconfig = `${directory.path}/kubeconfig`;
  await Deno.writeTextFile(kubeconfig, configuration(url, ca));
  return Object.assign(server, {
    store,
    node,
    controller,
    url,
    ca,
    kubeconfig,
    async goDown() {
      server.breakStreams();
      breaking.abort();
      await running.finished;
    },
    goUp,
    async [Symbol.asyncDispose]() {
      controller[Symbol.dispose]();
      await node.stopAll();
      server.breakStreams();
      breaking.abort();
      await running.finished;
      await directory[Symbol.asyncDispose]();
    },
  });
}

function configuration(url: string, ca: string): string {
  return `apiVersion: v1
kind: Config
current-context: test
clusters: [{ name: test, cluster: { server: "${url}", certificate-authority-data: ${
    btoa(ca)
  } } }]
users: [{ name: test, user: { token: "${TOKEN}" } }]
contexts:
  - { name: test, context: { cluster: test, user: test, namespace: ci } }
  - { name: other, context: { cluster: test, user: test, namespace: other } }
`;
}

/** Kinds of objects, by resource. */
const KINDS: Readonly<Record<string, string>> = {
  jobs: "Job",
  pods: "Pod",
  secrets: "Secret",
  events: "Event",
};

const GROUPS = {
  "/api": { kind: "APIVersions", versions: ["v1"] },
  "/apis": {
    kind: "APIGroupList",
    groups: [{
      name: "batch",
      versions: [{ groupVersion: "batch/v1", version: "v1" }],
      preferredVersion: { groupVersion: "batch/v1", version: "v1" },
    }],
  },
  "/api/v1": {
    kind: "APIResourceList",
    groupVersion: "v1",
    resources: ["pods", "secrets", "events"].map(describeResource),
  },
  "/apis/batch/v1": {
    kind: "APIResourceList",
    groupVersion: "batch/v1",
    resources: [describeResource("jobs")],
  },
  "/version": { major: "1", minor: "35", gitVersion: "v1.35.0" },
} as const;

function describeResource(name: string) {
  return {
    name,
    singularName: name.slice(0, -1),
    namespaced: true,
    kind: KINDS[name],
    verbs: ["create", "delete", "get", "list", "update", "watch"],
  };
}

/** The object that a request refers to. */
interface Target {
  readonly resource: string;
  readonly name: string | undefined;
  readonly part: string | undefined;
  readonly query: URLSearchParams;
}

const PATH =
  /^\/(?:api\/v1|apis\/batch\/v1)\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/;

class Server {
  readonly requests: string[] = [];
  cutLogsAfterBytes = Infinity;
  brokenExecCount = 0;
  readonly #store: ObjectStore;
  readonly #node: Node;
  readonly #controller: JobController;
  readonly #streams = new Set<AbortController>();

  constructor(store: ObjectStore, node: Node, controller: JobController) {
    this.#store = store;
    this.#node = node;
    this.#controller = controller;
  }

  /** Breaks all responses that have not ended. */
  breakStreams(): void {
    for (const stream of this.#streams) stream.abort();
  }

  async respond(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    this.requests.push(`${request.method} ${pathname}`);
    if (request.headers.get("authorization") !== `Bearer ${TOKEN}`) {
      return respondError(401, "Unauthorized", "Unauthorized");
    }
    const group = GROUPS[pathname as keyof typeof GROUPS];
    if (group !== undefined) return Response.json(group);
    const [, namespace, resource, name, part] = PATH.exec(pathname) ?? [];
    if (!Object.hasOwn(KINDS, resource ?? "")) {
      return respondError(
        404,
        "NotFound",
        "the server could not find the requested resource",
      );
    }
    if (namespace !== "ci") {
      return respondError(403, "Forbidden", `${resource} is forbidden`);
    }
    const target = { resource, name, part, query: searchParams };
    switch (request.method) {
      case "POST":
        return name === undefined
          ? this.#create(target, await request.json())
          : respondError(405, "MethodNotAllowed", "method not allowed");
      case "PUT":
        return this.#replace(target, await request.json());
      case "DELETE":
        return this.#delete(target, await request.text());
      default:
        return this.#read(request, target);
    }
  }

  #read(request: Request, target: Target): Response {
    const { resource, name, part, query } = target;
    if (name === undefined) {
      return query.get("watch") === "true"
        ? this.#watch(target)
        : this.#list(target);
    }
    const object = this.#store.get(resource, name);
    if (object === undefined) return respondNotFound(target);
    if (part === undefined) return Response.json(object);
    const container = query.get("container") ?? "";
    const process = this.#node.container(name, container);
    if (process === undefined) {
      return respondError(
        400,
        "BadRequest",
        `container "${container}" in pod "${name}" is waiting to start: PodInitializing`,
      );
    }
    if (part === "exec") {
      return serveExec(request, process, this.brokenExecCount-- > 0);
    }
    const maxBytes = this.cutLogsAfterBytes;
    // A new stream repeats what was sent, and must be longer.
    this.cutLogsAfterBytes *= 2;
    return this.#stream(
      process.log.lines(
        BigInt(Date.parse(query.get("sinceTime") ?? "1970-01-01T00:00:00Z")) *
          1_000_000n,
        query.get("follow") === "true",
        query.get("timestamps") === "true",
      ),
      maxBytes,
    );
  }

  #create({ resource }: Target, object: ApiObject): Response {
    const { name } = object.metadata;
    const problems = [
      ...findObjectProblems(object),
      ...metadataProblems(object.metadata),
    ];
    if (problems.length > 0) {
      return respondError(422, "Invalid", `${name} is invalid: ${problems}`);
    }
    if (this.#store.get(resource, name) !== undefined) {
      return respondError(
        409,
        "AlreadyExists",
        `${resource} "${name}" already exists`,
      );
    }
    object.metadata.namespace = "ci";
    if (resource === "secrets") {
      object.data = { ...object.data };
      for (const [key, value] of Object.entries(object.stringData ?? {})) {
        if (!/^[-._a-zA-Z0-9]+$/.test(key)) {
          return respondError(422, "Invalid", `data[${key}] is invalid`);
        }
        const bytes = new TextEncoder().encode(String(value));
        object.data[key] = bytes.toBase64();
      }
      delete object.stringData;
      if (JSON.stringify(object.data).length > 1024 * 1024) {
        return respondError(422, "Invalid", "the Secret is too large");
      }
    }
    const created = this.#store.create(resource, object);
    this.#controller.onCreate(resource, created);
    return Response.json(this.#store.get(resource, name) ?? created, {
      status: 201,
    });
  }

  /** Only some fields of a Job can be changed. */
  #replace(target: Target, object: ApiObject): Response {
    const { resource, name = "" } = target;
    const present = this.#store.get(resource, name);
    if (present === undefined) return respondNotFound(target);
    const { resourceVersion } = object.metadata;
    if (resourceVersion !== present.metadata.resourceVersion) {
      return respondError(409, "Conflict", "the object has been modified");
    }
    const fixed = (spec: ApiObject) =>
      JSON.stringify({ ...spec, activeDeadlineSeconds: 0 });
    if (fixed(object.spec) !== fixed(present.spec)) {
      return respondError(422, "Invalid", "the template is immutable");
    }
    const { activeDeadlineSeconds } = object.spec;
    return Response.json(this.#store.update(resource, name, (job) => {
      job.spec.activeDeadlineSeconds = activeDeadlineSeconds;
    }));
  }

  #delete(target: Target, text: string): Response {
    const { resource, name = "" } = target;
    const object = this.#store.get(resource, name);
    if (object === undefined) return respondNotFound(target);
    const options = text === "" ? {} : JSON.parse(text);
    if (resource === "pods") {
      this.#controller.deletePod(name, options.gracePeriodSeconds);
    } else this.#controller.delete(resource, name);
    return Response.json(object);
  }

  #list({ resource, query }: Target): Response {
    const matches = createSelector(query);
    const items = this.#store.list(resource).filter(matches);
    return Response.json({
      kind: `${KINDS[resource]}List`,
      apiVersion: resource === "jobs" ? "batch/v1" : "v1",
      metadata: { resourceVersion: String(this.#store.version) },
      items,
    });
  }

  #watch({ resource, query }: Target): Response {
    const queue = this.#store.since(Number(query.get("resourceVersion")));
    if (queue === undefined) {
      const object = createStatus(410, "Expired", "too old resource version");
      return Response.json({ type: "ERROR", object });
    }
    const matches = createSelector(query);
    const store = this.#store;
    let isOver = false;
    let wake = Promise.withResolvers<void>();
    const listening = store.listen((event) => {
      queue.push(event);
      wake.resolve();
    });
    const seconds = Number(query.get("timeoutSeconds") ?? 60);
    const end = () => {
      isOver = true;
      listening[Symbol.dispose]();
      clearTimeout(timer);
      wake.resolve();
    };
    const timer = setTimeout(end, seconds * 1_000);
    async function* events() {
      const encoder = new TextEncoder();
      const line = (event: unknown) =>
        encoder.encode(`${JSON.stringify(event)}\n`);
      while (!isOver) {
        for (let event; (event = queue!.shift());) {
          if (event.resource !== resource || !matches(event.object)) continue;
          yield line({ type: event.type, object: event.object });
        }
        const metadata = { resourceVersion: String(store.version) };
        yield line({ type: "BOOKMARK", object: { metadata } });
        await wake.promise;
        wake = Promise.withResolvers();
      }
    }
    return this.#stream(events(), Infinity, end);
  }

  /** Sends bytes until the connection is broken on purpose. */
  #stream(
    parts: AsyncGenerator<Uint8Array>,
    maxBytes: number,
    onEnd: () => void = () => {},
  ): Response {
    const broken = new AbortController();
    this.#streams.add(broken);
    const breaking = Promise.withResolvers<never>();
    breaking.promise.catch(() => {});
    broken.signal.onabort = () => breaking.reject(new Error("broken"));
    let left = maxBytes;
    const end = () => {
      this.#streams.delete(broken);
      void parts.return(undefined);
      onEnd();
    };
    const stream = new ReadableStream({
      async pull(controller) {
        try {
          const next = await Promise.race([parts.next(), breaking.promise]);
          if (next.done) {
            end();
            return controller.close();
          }
          controller.enqueue(next.value.subarray(0, left));
          left -= next.value.length;
          if (left <= 0) throw new Error("cut");
        } catch (error) {
          end();
          controller.error(error);
        }
      },
      cancel: end,
    });
    return new Response(stream, {
      headers: { "content-type": "application/json" },
    });
  }
}

function createSelector(
  query: URLSearchParams,
): (object: ApiObject) => boolean {
  const labels = parseSelector(query.get("labelSelector"));
  const fields = parseSelector(query.get("fieldSelector"));
  return (object) =>
    labels.every(([name, value]) => object.metadata.labels?.[name] === value) &&
    fields.every(([path, value]) =>
      path.split(".").reduce((at, name) => at?.[name], object) === value
    );
}

function parseSelector(selector: string | null): [string, string][] {
  return (selector ?? "").split(",").filter(Boolean).map((term) => {
    const [name, value] = term.split("=");
    return [name, value];
  });
}

const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** Rules that the published schema does not contain. */
function metadataProblems({ name, labels = {} }: ApiObject): string[] {
  return [
    ...(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(name)
      ? []
      : [`name "${name}"`]),
    ...Object.entries(labels).filter(([, value]) =>
      !LABEL_VALUE.test(String(value))
    ).map(([key]) => `label "${key}"`),
  ];
}

function respondNotFound({ resource, name }: Target): Response {
  return respondError(404, "NotFound", `${resource} "${name}" not found`);
}

function createStatus(code: number, reason: string, message: string) {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    code,
  };
}

function respondError(code: number, reason: string, message: string): Response {
  return Response.json(createStatus(code, reason, message), { status: code });
}
