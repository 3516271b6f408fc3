import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type CoordinatorClient,
  type CoordinatorClientOptions,
  CoordinatorError,
  openClient,
} from "../../src/coordinator/client.ts";
import {
  listJobs,
  readJob,
  submitDocument,
} from "../../src/coordinator/jobs.ts";
import {
  createJob,
  findJobs,
  readJobLog,
  readWorkflowState,
} from "../../src/coordinator/workflows.ts";
import { RunnerError } from "../../src/errors.ts";
import { triggerDocument } from "../../src/triggers/trigger_document.ts";
import {
  startCoordinator,
  type TestCoordinator,
  type Trouble,
} from "../helpers/coordinator.ts";
import { type Cut, startDroppingProxy } from "../helpers/dropping_proxy.ts";

const BODY = new TextEncoder().encode(
  JSON.stringify(triggerDocument([{ name: "a" }, { name: "b" }])),
);

function clientOf(
  coordinator: TestCoordinator,
  options: Partial<CoordinatorClientOptions> = {},
): CoordinatorClient {
  return openClient({
    url: coordinator.url,
    token: coordinator.jobToken,
    allowInsecureTransport: true,
    retry: { attempts: 6, delayMs: 1, factor: 1 },
    maskText: (text) => text,
    ...options,
  });
}

function submit(
  client: CoordinatorClient,
  { jobId }: TestCoordinator,
): Promise<readonly string[]> {
  return submitDocument(client, { jobId, body: BODY, startsAtOnce: true });
}

async function refusal(
  troubles: Trouble[],
  options: Partial<CoordinatorClientOptions> = {},
): Promise<{ message: string; code: string; requestCount: number }> {
  await using coordinator = startCoordinator({ troubles });
  const client = clientOf(coordinator, options);
  const { message, code } = await assertRejects(
    () => submit(client, coordinator),
    RunnerError,
  );
  return {
    message: message.replaceAll(coordinator.url, "URL"),
    code,
    requestCount: coordinator.requests.length,
  };
}

Deno.test("submitDocument() submits jobs once, despite transient failures", async () => {
  const waits: Trouble[][] = [
    [],
    [503, 503, 503],
    [503, 503, 503, "hang"],
    [408, 425, 429, 500, 502],
    ["lost"],
    ["lost", "hang", "lost"],
    [{ slowMs: 20 }],
  ];
  for (const troubles of waits) {
    await using coordinator = startCoordinator({ troubles });
    // A slow machine may exceed a short time limit more often.
    const hangs = troubles.includes("hang");
    const timeoutMs = hangs ? 300 : 60_000;
    await submit(clientOf(coordinator, { timeoutMs }), coordinator);
    assertEquals(coordinator.jobs.submitted, ["a", "b"], String(troubles));
    const bodies = new Set(coordinator.requests.map(({ body }) => body));
    assertEquals(bodies.size, 1);
    const { length } = coordinator.requests;
    const failureCount = troubles.filter((trouble) =>
      typeof trouble !== "object"
    ).length;
    if (hangs) assert(length > failureCount, `${length} requests`);
    else assertEquals(length, failureCount + 1);
  }
});

Deno.test("submitDocument() submits jobs once, despite dropped connections", async () => {
  const cuts: Cut[] = ["immediately", "before-response", "in-response"];
  await using coordinator = startCoordinator();
  await using proxy = startDroppingProxy(coordinator.port, cuts);
  const reasons: string[] = [];
  const client = clientOf(coordinator, {
    url: proxy.url,
    onRetry: (reason) => void reasons.push(reason),
  });
  await submit(client, coordinator);
  assertEquals(coordinator.jobs.submitted, ["a", "b"]);
  assertEquals(reasons.length, 3);
  for (const reason of reasons) assert(!reason.includes("http"), reason);
});

Deno.test("submitDocument() fails with the reason of the coordinator", async () => {
  assertEquals(
    await refusal(Array(9).fill(503), { retry: { attempts: 3, delayMs: 1 } }),
    {
      message:
        'Cannot submit triggers to "URL": it responded with 503 service_unavailable: not now (3 attempts)',
      code: "coordinator-failed",
      requestCount: 3,
    },
  );
  assertEquals(await refusal(Array(9).fill(400)), {
    message:
      'Cannot submit triggers to "URL": it responded with 400 service_unavailable: not now',
    code: "coordinator-failed",
    requestCount: 1,
  });
  assertEquals(
    await refusal(["hang"], { retry: { attempts: 1 }, timeoutMs: 50 }),
    {
      message:
        'Cannot submit triggers to "URL": it did not respond within 50 ms',
      code: "coordinator-failed",
      requestCount: 1,
    },
  );
  assertEquals((await refusal([403])).code, "coordinator-forbidden");
  assertEquals((await refusal([404])).requestCount, 1);
});

Deno.test("submitDocument() fails if the coordinator starts nothing", async () => {
  assertEquals(await refusal(["nothing"]), {
    message:
      'Cannot submit triggers to "URL": it accepted the document and started no job',
    code: "coordinator-failed",
    requestCount: 1,
  });
});

Deno.test("submitDocument() reports a refused connection", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}`;
  listener.close();
  await using coordinator = startCoordinator();
  const client = clientOf(coordinator, {
    url,
    retry: { attempts: 2, delayMs: 1 },
  });
  const { message } = await assertRejects(
    () => submit(client, coordinator),
    RunnerError,
  );
  assertEquals(
    message,
    `Cannot submit triggers to "${url}": tcp connect error: Connection refused (2 attempts)`,
  );
});

Deno.test("a client follows redirects only within the coordinator", async () => {
  await using other = startCoordinator();
  await using coordinator = startCoordinator();
  const path = `/api/v1/jobs/${coordinator.jobId}/triggers`;
  coordinator.troubles.push({ redirect: 307, to: path });
  await submit(clientOf(coordinator), coordinator);
  assertEquals(coordinator.jobs.submitted, ["a", "b"]);
  for (const redirect of [301, 302, 303, 307, 308]) {
    const to = redirect < 307 ? path : other.url + path;
    const { message, requestCount } = await refusal([{ redirect, to }]);
    assert(
      message.includes(`it responded with ${redirect}, a redirect`),
      message,
    );
    assertEquals(requestCount, 1);
  }
  const lost = await refusal([{ redirect: 307, to: "http://[" }]);
  assert(
    lost.message.endsWith("a redirect without a valid location"),
    lost.message,
  );
  const around: Trouble[] = Array(5).fill({ redirect: 308, to: path });
  const { message } = await refusal(around);
  assert(message.endsWith("it redirected more than 3 times"), message);
  assertEquals(other.requests, []);
});

Deno.test("a client prints neither its token nor a secret", async () => {
  await using coordinator = startCoordinator({ repeatsToken: true });
  const client = clientOf(coordinator, {
    token: "not-the-token-of-anybody",
    maskText: (text) => text.replaceAll("valid", "***"),
  });
  const { message } = await assertRejects(
    () => submit(client, coordinator),
    RunnerError,
  );
  assertEquals(
    message,
    `Cannot submit triggers to "${coordinator.url}": it responded with 401 unauthorized: token is not *** [REDACTED]`,
  );
});

Deno.test("a client stops immediately when its signal is aborted", async () => {
  for (const troubles of [["hang"], [503]] as Trouble[][]) {
    await using coordinator = startCoordinator({ troubles });
    const stop = new AbortController();
    const client = clientOf(coordinator, {
      signal: stop.signal,
      onRetry: () => stop.abort(),
    });
    const submitted = assertRejects(
      () => submit(client, coordinator),
      DOMException,
    );
    while (coordinator.requests.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    stop.abort();
    await submitted;
    assertEquals(coordinator.jobs.submitted, []);
  }
});

Deno.test("openClient() requires https, and no credentials in the URL", () => {
  const options = { token: "t0ken", maskText: (text: string) => text };
  const wrong: [url: string, message: string][] = [
    [
      "http://host",
      "allow it with REACTORCIDE_ALLOW_INSECURE_TRANSPORT=true, " +
      "--allow-insecure-transport or createRunner({ allowInsecureTransport: true })",
    ],
    ["ftp://host", "it is not an https URL"],
    ["nonsense", "it is not a URL"],
    ["https://user:hidden@host", "its URL contains user info"],
    ["https://host/?a=1", "its URL contains a query or a fragment"],
  ];
  for (const [url, message] of wrong) {
    const error = assertThrows(
      () => openClient({ ...options, url }),
      RunnerError,
      message,
    );
    assertEquals(error.code, "invalid-config");
    assert(!error.message.includes("hidden"), error.message);
  }
  const urls = ["https://host", "https://host/", "https://host//"];
  for (const url of urls) {
    assertEquals(openClient({ ...options, url }).url, "https://host");
  }
  assertEquals(
    openClient({ ...options, url: "https://host/at/" }).url,
    "https://host/at",
  );
  assertThrows(
    () => openClient({ ...options, token: "a\nb", url: "https://host" }),
    RunnerError,
    "its token is malformed",
  );
});

Deno.test("a client reads a response again that a proxy has cut", async () => {
  await using coordinator = startCoordinator({ troubles: ["short", "cut"] });
  const client = clientOf(coordinator, { token: coordinator.userToken });
  assertEquals(await listJobs(client, {}), []);
  assertEquals(coordinator.requests.length, 3);
});

Deno.test("createJob() sends its request once, and says whether it may have arrived", async () => {
  const job = {
    name: "a",
    description: "one of a kind",
    job_command: "true",
    source_type: "copy",
    source_path: ".",
  } as const;
  const troubles: [Trouble, boolean][] = [
    ["lost", true],
    ["cut", true],
    [503, true],
    [403, false],
  ];
  for (const [trouble, isTransient] of troubles) {
    await using coordinator = startCoordinator({ troubles: [trouble] });
    const client = clientOf(coordinator, { token: coordinator.userToken });
    const error = await assertRejects(
      () => createJob(client, job),
      CoordinatorError,
    );
    assertEquals([error.isTransient, coordinator.requests.length], [
      isTransient,
      1,
    ]);
    const found = await findJobs(client, job.description);
    assertEquals(found.length, coordinator.jobs.rows.length);
  }
});

/** Answers every request with a text. */
async function withAnswer(
  text: string,
  use: (client: CoordinatorClient) => Promise<unknown>,
): Promise<unknown> {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => new Response(text),
  );
  return await use(openClient({
    url: `http://127.0.0.1:${server.addr.port}`,
    token: "token",
    allowInsecureTransport: true,
    retry: { attempts: 1 },
    maskText: (text) => text,
  }));
}

Deno.test("a client refuses responses of other shapes, however deep", async () => {
  const id = crypto.randomUUID();
  const workflow = { workflow_id: id, name: "w", status: "running" };
  const nested = (depth: number) =>
    `${JSON.stringify(workflow).slice(0, -1)},"children":[`.repeat(depth) +
    "]}".repeat(depth);
  const wrong = [
    nested(100_000),
    JSON.stringify({
      ...workflow,
      children: Array.from({ length: 10_001 }, () => workflow),
    }),
    ...[
      { children: {} },
      { children: [null] },
      { children: [{ ...workflow, parent_job_id: 1 }] },
      { status: ["running"] },
      { trigger_operation_id: {} },
    ].map((part) => JSON.stringify({ ...workflow, ...part })),
    "[]",
    "null",
  ];
  for (const text of wrong) {
    await assertRejects(
      () => withAnswer(text, (client) => readWorkflowState(client, id)),
      RunnerError,
      "its response is not a workflow",
      text.slice(0, 200),
    );
  }
  const deep = await withAnswer(
    nested(1_000),
    (client) => readWorkflowState(client, id),
  );
  assertEquals((deep as typeof workflow).workflow_id, id);
  for (const text of ["{}", "[[]]", '[{"timestamp":"","message":1}]', "7"]) {
    await assertRejects(
      () => withAnswer(text, (client) => readJobLog(client, id, "stdout")),
      RunnerError,
      "its response is not a log",
    );
  }
  await assertRejects(
    () => withAnswer("{}", (client) => readJob(client, id)),
    RunnerError,
    `Cannot read job "${id}" from "http://127.0.0.1`,
  );
  for (const jobs of ["[[]]", '[{"job_id":1}]', "7", "{}"]) {
    await assertRejects(
      () => withAnswer(`{"jobs":${jobs}}`, (client) => listJobs(client, {})),
      RunnerError,
      "its response is not a list of jobs",
    );
  }
});

Deno.test("a client puts no id into a path that could lead elsewhere", async () => {
  for (const id of ["../jobs", "a/b", "..", "", "%2e%2e", "a?b", "a\n"]) {
    await assertRejects(
      () => withAnswer("{}", (client) => readJobLog(client, id, "stdout")),
      RunnerError,
      "is not a UUID",
    );
  }
});
