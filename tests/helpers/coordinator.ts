import { CoordinatorJobs, type JobRow } from "./coordinator_jobs.ts";
import { hasReservedKey } from "./trigger_decoder.ts";
import type { ParentJob } from "./trigger_rules.ts";

/** Failure of the coordinator for a request. */
export type Trouble =
  /** Answers with this status, and does nothing. */
  | number
  /** Never answers. */
  | "hang"
  /** Processes the request, and answers with 502 as a proxy does. */
  | "lost"
  /** Redirects the request with this status. */
  | { redirect: number; to: string }
  /** Answers 201 without creating anything. */
  | "nothing"
  /** Answers after this time. */
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
  /** Id of the job that the job token belongs to. */
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
}

const JOB_ID = "0b5c8f6e-93a1-4f0a-9d1a-2f3c4d5e6f70";
const JOB_TOKEN = "1f".repeat(32);
const READ_TOKEN = "2e".repeat(32);

/** Starts a coordinator with the REST API that jobs use. */
export function startCoordinator(
  options: CoordinatorOptions = {},
): TestCoordinator {
  const troubles = [...options.troubles ?? []];
  const requests: SeenRequest[] = [];
  const { parent = EVENT_JOB } = options;
  const jobs = new CoordinatorJobs(JOB_ID, options.jobs ?? [], parent);
  const closed = new AbortController();

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
    const trouble = troubles.shift();
    if (typeof trouble === "number") return passing(trouble);
    if (trouble === "hang") return await never(closed.signal);
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
    if (isObject) await after(trouble.slowMs, closed.signal);
    const answer = answerTo(seen, search, token);
    if (trouble !== "lost") return answer;
    await answer.body?.cancel();
    return passing(502);
  }

  function answerTo(
    seen: SeenRequest,
    search: string,
    authorization: string,
  ): Response {
    const [, id, rest = ""] =
      /^\/api\/v1\/jobs(?:\/([^/?]+))?(\/[^?]*)?/.exec(seen.path) ??
        ["", "?"];
    if (id === "?") return refusal(404, "not_found", "no such path");
    const mayRead = authorization === `Bearer ${READ_TOKEN}`;
    if (!mayRead && authorization !== `Bearer ${JOB_TOKEN}`) {
      const words = options.repeatsToken ? ` ${seen.token}` : "";
      return refusal(401, "unauthorized", `token is not valid${words}`);
    }
    if (rest === "/triggers") return submit(seen, id, mayRead);
    if (seen.method !== "GET") return new Response("no", { status: 405 });
    // Every reading path refuses the token of a job.
    if (!mayRead) return refusal(403, "forbidden", "missing capability");
    if (id === undefined) {
      return Response.json(jobs.page(new URLSearchParams(search)));
    }
    const row = jobs.rows.find((job) => job.job_id === id);
    return row ? Response.json(row) : refusal(404, "not_found", "unknown job");
  }

  function submit(seen: SeenRequest, id: string, mayRead: boolean): Response {
    if (seen.method !== "POST") return new Response("no", { status: 405 });
    if (id !== JOB_ID && !jobs.rows.some((job) => job.job_id === id)) {
      return refusal(404, "not_found", "unknown job");
    }
    if (mayRead || id !== JOB_ID) {
      return refusal(403, "forbidden", "missing capability");
    }
    try {
      if (hasReservedKey(seen.body)) {
        return refusal(500, "internal_error", "internal error");
      }
      const ids = jobs.submit(seen.body);
      return Response.json({ created_job_ids: ids, count: ids.length }, {
        status: 201,
      });
    } catch (error) {
      jobs.refusals.push(String(error));
      return refusal(400, "invalid_input", "invalid trigger payload");
    }
  }

  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    handle,
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  return {
    url,
    port: server.addr.port,
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

/** Requests an immediate retry, so that tests need not wait. */
function passing(status: number): Response {
  return Response.json(
    { error: "service_unavailable", message: "not now" },
    { status, headers: { "retry-after": "0" } },
  );
}

function never(closed: AbortSignal): Promise<Response> {
  return new Promise((resolve) =>
    closed.addEventListener("abort", () => resolve(new Response("late")))
  );
}

function after(ms: number, closed: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    closed.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
