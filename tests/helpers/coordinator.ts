import { CoordinatorJobs, type JobRow } from "./coordinator_jobs.ts";
import { hasReservedKey } from "./trigger_decoder.ts";
import type { ParentJob } from "./trigger_rules.ts";

/** Failure of the coordinator for a request. */
export type Trouble =
  /** Responds with this status, and does nothing. */
  | number
  /** Never responds. */
  | "hang"
  /** Processes the request, and responds with 502 as a proxy does. */
  | "lost"
  /** Redirects the request with this status. */
  | { redirect: number; to: string }
  /** Responds with 201 without creating anything. */
  | "nothing"
  /** Cuts the connection in the middle of the response. */
  | "cut"
  /** Ends the response too early, as if it were complete. */
  | "short"
  /** Processes the request, and never responds. */
  | "late"
  /** Gets the request twice, as from a proxy that repeats it. */
  | "twice"
  /** Responds after this time. */
  | { slowMs: number };

/** Options for {@linkcode startCoordinator}. */
export interface CoordinatorOptions {
  /** Failures of the first requests, in order. */
  troubles?: Trouble[];
  /** Existing jobs. */
  jobs?: JobRow[];
  /** Whether refusals quote the token of the request. */
  repeatsToken?: boolean;
  /** The job that submits; by default one that an event started. */
  parent?: ParentJob;
  /** Whether the test leaves orphans in the queue on purpose. */
  hasOrphans?: boolean;
  /** Chooses the failure of a request. */
  chooseTrouble?: (request: SeenRequest) => Trouble | undefined;
  /** Whether it has no store for logs. */
  hasNoLogs?: boolean;
}

const EVENT_JOB: ParentJob = {
  profile: {},
  ciRepository: "https://git.example/ci.git",
};

/** A received request. */
export interface SeenRequest {
  method: string;
  path: string;
  token: string;
  body: string;
}

/** A coordinator that runs in this process and listens on a socket. */
export interface TestCoordinator extends AsyncDisposable {
  /** Its address. */
  readonly url: string;
  /** Its port. */
  readonly port: number;
  /** ID of the job that the job token belongs to. */
  readonly jobId: string;
  /** Token that may only submit triggers of its job. */
  readonly jobToken: string;
  /** Token that may read jobs. */
  readonly readToken: string;
  /** Variables that a worker gives to a job. */
  readonly env: Record<string, string>;
  /** All received requests. */
  readonly requests: SeenRequest[];
  /** Its jobs. */
  readonly jobs: CoordinatorJobs;
  /** Failures of the next requests. */
  readonly troubles: Trouble[];
  /** Token of a user, with all capabilities. */
  readonly userToken: string;
  /** Variables with which a user follows workflows. */
  readonly userEnv: Record<string, string>;
  /** Lines of logs, by the ID of the job and the stream. */
  readonly logs: Map<string, LogLine[]>;
  /** Stops listening; connections are refused until it is restarted. */
  stop(): Promise<void>;
  /** Listens again on the same port. */
  restart(): void;
}

/** A line of a log as the coordinator returns it. */
export interface LogLine {
  timestamp: string;
  stream: string;
  level: string;
  message: string;
}

const JOB_ID = "0b5c8f6e-93a1-4f0a-9d1a-2f3c4d5e6f70";
const JOB_TOKEN = "1f".repeat(32);
const READ_TOKEN = "2e".repeat(32);
const USER_TOKEN = "3d".repeat(32);

/** Starts a coordinator with the REST API that jobs use. */
export function startCoordinator(
  options: CoordinatorOptions = {},
): TestCoordinator {
  const troubles = [...options.troubles ?? []];
  const requests: SeenRequest[] = [];
  const { parent = EVENT_JOB } = options;
  const jobs = new CoordinatorJobs(JOB_ID, options.jobs ?? [], parent);
  const closed = new AbortController();
  const logs = new Map<string, LogLine[]>();

  async function handle(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const token = request.headers.get("authorization") ?? "";
    const seen: SeenRequest = {
      method: request.method,
      path: pathname + search,
      token: token.replace(/^Bearer /, ""),
      body: await request.text(),
    };
    requests.push(seen);
    const trouble = troubles.shift() ?? options.chooseTrouble?.(seen);
    if (typeof trouble === "number") return createTransientResponse(trouble);
    if (trouble === "hang") return await respondLate(closed.signal);
    if (trouble === "nothing") {
      return Response.json({ created_job_ids: [], count: 0 }, { status: 201 });
    }
    const isObject = typeof trouble === "object";
    if (isObject && "redirect" in trouble) {
      return new Response(null, {
        status: trouble.redirect,
        headers: { location: trouble.to },
      });
    }
    if (isObject) await waitUnlessClosed(trouble.slowMs, closed.signal);
    if (trouble === "twice") {
      await respond(seen, search, token).body?.cancel();
    }
    const response = respond(seen, search, token);
    if (trouble === "cut" || trouble === "short") {
      return await shorten(response, trouble);
    }
    if (trouble === "late") return await respondLate(closed.signal);
    if (trouble !== "lost") return response;
    await response.body?.cancel();
    return createTransientResponse(502);
  }

  function respond(
    seen: SeenRequest,
    search: string,
    authorization: string,
  ): Response {
    const [, what, id, rest = ""] =
      /^\/api\/v1\/(jobs|workflows)(?:\/([^/?]+))?(\/[^?]*)?/
        .exec(seen.path) ?? ["", "?"];
    if (what === "?") {
      return refusal(404, "not_found", "the path does not exist");
    }
    const [, presented = ""] = /^Bearer (.*)$/.exec(authorization) ?? [];
    if (![JOB_TOKEN, READ_TOKEN, USER_TOKEN].includes(presented)) {
      const words = options.repeatsToken ? ` ${seen.token}` : "";
      return refusal(401, "unauthorized", `token is not valid${words}`);
    }
    const isUser = presented === USER_TOKEN;
    if (rest === "/triggers") return submit(seen, id, presented);
    if (seen.method === "GET") {
      // Every reading path refuses the token of a job.
      return presented === JOB_TOKEN
        ? refusal(403, "forbidden", "missing capability")
        : read(what, { id, rest }, new URLSearchParams(search));
    }
    if (!isUser) return refusal(403, "forbidden", "missing capability");
    return what === "jobs"
      ? changeJob(seen, id, rest)
      : changeWorkflow(seen, id, rest);
  }

  function read(
    what: string,
    { id, rest }: { id: string | undefined; rest: string },
    query: URLSearchParams,
  ): Response {
    if (id === undefined) {
      return Response.json(
        what === "jobs" ? jobs.page(query) : jobs.workflowPage(query),
      );
    }
    if (what === "workflows") {
      const instance = jobs.workflows.find((one) => one.workflow_id === id);
      return instance
        ? Response.json(jobs.summary(instance))
        : refusal(404, "not_found", "unknown workflow");
    }
    const row = jobs.rows.find((job) => job.job_id === id);
    if (row === undefined) return refusal(404, "not_found", "unknown job");
    return rest === "/logs" ? readLog(id, query) : Response.json(row);
  }

  function readLog(id: string, query: URLSearchParams): Response {
    if (options.hasNoLogs) {
      return refusal(503, "service_unavailable", "service unavailable");
    }
    const stream = query.get("stream") ?? "combined";
    if (!["stdout", "stderr"].includes(stream)) {
      throw new Error("The combined log may change its order");
    }
    const lines = logs.get(`${id} ${stream}`);
    return lines ? Response.json(lines) : refusal(404, "not_found", "no logs");
  }

  function changeJob(
    { method, body }: SeenRequest,
    id: string | undefined,
    rest: string,
  ): Response {
    try {
      if (method === "POST" && id === undefined) {
        return Response.json(jobs.create(body), { status: 201 });
      }
      const how = rest === "/kill" ? "kill" : "cancel";
      const isKnown = method === "PUT" && rest === "/cancel" ||
        method === "POST" && rest === "/kill";
      if (!isKnown || id === undefined) {
        return new Response("no", { status: 405 });
      }
      if (!jobs.cancel(id, how)) throw new Error("not cancellable");
      return Response.json(jobs.rows.find((job) => job.job_id === id));
    } catch (error) {
      jobs.refusals.push(String(error));
      return refusal(400, "invalid_input", "invalid input");
    }
  }

  function changeWorkflow(
    { method }: SeenRequest,
    id: string | undefined,
    rest: string,
  ): Response {
    if (method !== "PUT" || rest !== "/cancel") {
      return new Response("no", { status: 405 });
    }
    const instance = jobs.workflows.find((one) => one.workflow_id === id);
    if (instance === undefined) {
      return refusal(404, "not_found", "unknown workflow");
    }
    jobs.cancelWorkflow(instance);
    return Response.json(jobs.summary(instance));
  }

  function submit(
    seen: SeenRequest,
    id: string | undefined,
    presented: string,
  ): Response {
    if (seen.method !== "POST") return new Response("no", { status: 405 });
    if (id !== JOB_ID && !jobs.rows.some((job) => job.job_id === id)) {
      return refusal(404, "not_found", "unknown job");
    }
    const isOwn = presented === JOB_TOKEN && id === JOB_ID;
    if (!isOwn && presented !== USER_TOKEN) {
      return refusal(403, "forbidden", "missing capability");
    }
    try {
      if (hasReservedKey(seen.body)) {
        return refusal(500, "internal_error", "internal error");
      }
      const ids = jobs.submit(seen.body, id);
      return Response.json({ created_job_ids: ids, count: ids.length }, {
        status: 201,
      });
    } catch (error) {
      jobs.refusals.push(String(error));
      return refusal(400, "invalid_input", "invalid trigger payload");
    }
  }

  const listen = (port: number) =>
    Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, handle);
  let server = listen(0);
  const { port } = server.addr;
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    jobId: JOB_ID,
    jobToken: JOB_TOKEN,
    readToken: READ_TOKEN,
    env: {
      REACTORCIDE_COORDINATOR_URL: url,
      REACTORCIDE_API_TOKEN: JOB_TOKEN,
      REACTORCIDE_JOB_ID: JOB_ID,
      ...parent.profile === undefined ? {} : { REACTORCIDE_CI: "true" },
    },
    requests,
    jobs,
    troubles,
    userToken: USER_TOKEN,
    userEnv: {
      REACTORCIDE_COORDINATOR_URL: url,
      REACTORCIDE_API_TOKEN: USER_TOKEN,
      REACTORCIDE_ALLOW_INSECURE_TRANSPORT: "true",
      REACTORCIDE_COORDINATOR_POLL: "50ms",
    },
    logs,
    stop: () => server.shutdown(),
    restart: () => void (server = listen(port)),
    async [Symbol.asyncDispose]() {
      closed.abort();
      await server.shutdown();
      const { orphans } = jobs;
      if (orphans.length > 0 && !options.hasOrphans) {
        throw new Error(`${orphans.length} orphans are in the queue`);
      }
    },
  };
}

function refusal(status: number, error: string, message: string): Response {
  return Response.json({ error, message }, { status });
}

/** Cuts a response in the middle, with or without an error. */
async function shorten(
  response: Response,
  how: "cut" | "short",
): Promise<Response> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const half = bytes.subarray(0, bytes.length / 2);
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(half);
      controller.close();
    },
  });
  return new Response(body, {
    status: response.status,
    headers: how === "cut" ? { "content-length": `${bytes.length}` } : {},
  });
}

/** Creates a response that asks for an immediate retry. */
function createTransientResponse(status: number): Response {
  return Response.json(
    { error: "service_unavailable", message: "not now" },
    { status, headers: { "retry-after": "0" } },
  );
}

function respondLate(closed: AbortSignal): Promise<Response> {
  return new Promise((resolve) =>
    closed.addEventListener("abort", () => resolve(new Response("late")))
  );
}

function waitUnlessClosed(ms: number, closed: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    closed.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
