import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Signal } from "../../src/report/collector.ts";
import { assertOtlp } from "../helpers/otlp_protos.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

const JOB = `
failure_policy: continue
steps:
  - name: build
    run: echo "$TRACEPARENT" > parent
  - name: flaky
    retry: { attempts: 2, delay: 0 }
    run: test -e tried || { touch tried; exit 3; }
  - name: broken
    run: echo s3cret-word; exit 9
`;

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";

interface Received {
  path: string;
  headers: Headers;
  body: Json;
}

/** Reports of the metric of active runs. */
function activeIn({ path, body }: Received): Json[] {
  if (path !== "/v1/metrics") return [];
  return body.resourceMetrics.flatMap(({ resource, scopeMetrics }: Json) =>
    scopeMetrics.flatMap(({ metrics }: Json) => metrics)
      .filter(({ name }: Json) => name === "cicd.pipeline.run.active")
      .map(({ sum }: Json) => ({ resource, ...sum.dataPoints[0] }))
  );
}

/**
 * A collector on loopback that answers as the test specifies. In the end, it checks
 * all that it has received. What runs report while they are active is in a list
 * of its own, because it depends on the time that they take.
 */
function collector(
  answer: (
    request: Request,
    ended: Promise<Response>,
  ) => Response | Promise<Response>,
): AsyncDisposable & {
  url: string;
  received: Received[];
  whileActive: Received[];
} {
  const received: Received[] = [];
  const whileActive: Received[] = [];
  const ended = Promise.withResolvers<Response>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      // A run that waits no longer ends its request.
      const body = await request.json().catch(() => undefined);
      if (body === undefined) return new Response();
      const one = { path: pathname, headers: request.headers, body };
      const isActive = activeIn(one).some(({ asInt }) => asInt === "1");
      (isActive ? whileActive : received).push(one);
      return await answer(request, ended.promise);
    },
  );
  const { port } = server.addr as Deno.NetAddr;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    whileActive,
    async [Symbol.asyncDispose]() {
      ended.resolve(new Response());
      await server.shutdown();
      for (const { path, body } of [...received, ...whileActive]) {
        assertOtlp(path.slice("/v1/".length) as Signal, body);
      }
    },
  };
}

async function run(
  env: Record<string, string>,
  cwd: string,
  { job = JOB, args = [] }: { job?: string; args?: string[] } = {},
) {
  await makeFiles(cwd, { "job.yaml": job });
  return await runMain(["run", "--job-file", "job.yaml", ...args], {
    cwd,
    env: { REACTORCIDE_SECRET_VALUES_LIST: "s3cret-word", ...env },
  });
}

function attributesOf({ attributes }: Json): Record<string, string> {
  return Object.fromEntries(
    attributes.map(({ key, value }: Json) => [
      key,
      value.stringValue ?? value.intValue,
    ]),
  );
}

/** A job that ends when there is a file. */
function untilFile(path: string): string {
  return `steps: [{ name: wait, run: "until test -e ${path}; do sleep 0.02; done" }]`;
}

describe("a run with an OpenTelemetry collector", () => {
  it("exports a span for itself and for each attempt, below its parent", async () => {
    await using directory = await temporaryDirectory();
    await using server = collector(() => new Response("{}"));
    const { code } = await run({
      OTEL_EXPORTER_OTLP_ENDPOINT: `${server.url}/`,
      OTEL_EXPORTER_OTLP_HEADERS: "x-team=blue%20sky,authorization=Bearer tok",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=ci",
      OTEL_SERVICE_NAME: "my-ci",
      TRACEPARENT: `00-${TRACE_ID}-${PARENT}-01`,
    }, directory.path);
    assertEquals(code, 9);
    assertEquals(server.received.map(({ path }) => path).sort(), [
      "/v1/metrics",
      "/v1/traces",
    ]);
    const { body, headers } = server.received
      .find(({ path }) => path === "/v1/traces")!;
    assertEquals(headers.get("x-team"), "blue sky");
    assertEquals(headers.get("authorization"), "Bearer tok");
    assertEquals(JSON.stringify(body).includes("s3cret-word"), false);
    const [{ resource, scopeSpans: [{ spans }] }] = body.resourceSpans;
    const facts = attributesOf(resource);
    assertEquals(facts["service.name"], "my-ci");
    assertEquals(facts["deployment.environment.name"], "ci");
    const [whole, ...attempts] = spans;
    assertEquals([whole.traceId, whole.parentSpanId], [TRACE_ID, PARENT]);
    assertEquals(attributesOf(whole)["cicd.pipeline.result"], "failure");
    assertEquals(
      attempts.map((span: Json) =>
        `${span.name} ${attributesOf(span)["cicd.pipeline.task.run.result"]}`
      ).sort(),
      ["broken failure", "build success", "flaky failure", "flaky success"],
    );
    for (const span of attempts) {
      assertEquals([span.traceId, span.parentSpanId], [TRACE_ID, whole.spanId]);
      assert(BigInt(span.startTimeUnixNano) <= BigInt(span.endTimeUnixNano));
    }
    const build = attempts.find(({ name }: Json) => name === "build");
    const seen = await Deno.readTextFile(`${directory.path}/job/src/parent`)
      .catch(() => Deno.readTextFile(`${directory.path}/parent`));
    assertEquals(seen.trim(), `00-${TRACE_ID}-${build.spanId}-01`);
  });

  it("lets programs continue the span of its caller if nothing is exported", async () => {
    await using directory = await temporaryDirectory();
    const TRACEPARENT = `00-${TRACE_ID}-${PARENT}-00`;
    await run({ TRACEPARENT }, directory.path);
    const seen = await Deno.readTextFile(`${directory.path}/job/src/parent`)
      .catch(() => Deno.readTextFile(`${directory.path}/parent`));
    assertEquals(seen.trim(), TRACEPARENT);
  });

  it("exports no spans of a trace that is not sampled", async () => {
    await using directory = await temporaryDirectory();
    await using server = collector(() => new Response("{}"));
    await run({
      OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
      TRACEPARENT: `00-${TRACE_ID}-${PARENT}-00`,
    }, directory.path);
    assertEquals(server.received.map(({ path }) => path), ["/v1/metrics"]);
  });

  for (
    const [name, answer, reason] of [
      [
        "fails",
        () => new Response("no", { status: 500 }),
        "responded with status 500",
      ],
      [
        "is busy",
        () =>
          new Response("", { status: 429, headers: { "retry-after": "60" } }),
        "responded with status 429",
      ],
      [
        "sends it elsewhere",
        (request: Request) =>
          Response.redirect(new URL("/elsewhere", request.url), 307),
        "responded with status 307",
      ],
      [
        "never answers",
        (_request: Request, ended: Promise<Response>) => ended,
        "no response within 50 ms",
      ],
    ] as const
  ) {
    it(`keeps its result when a collector ${name}`, async () => {
      await using directory = await temporaryDirectory();
      await using server = collector(answer);
      const { code, stderr } = await run({
        OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
        // A response may take longer on a busy machine.
        ...reason.endsWith("50 ms") ? { OTEL_EXPORTER_OTLP_TIMEOUT: "50" } : {},
      }, directory.path);
      assertEquals(code, 9);
      assertMatch(stderr, new RegExp(`Cannot export traces to .*${reason}`));
      assertEquals(
        server.received.some(({ path }) => path === "/elsewhere"),
        false,
      );
    });
  }

  it("keeps its result if there is no collector", async () => {
    await using directory = await temporaryDirectory();
    const { code, stderr } = await run({
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://user:hunter22@127.0.0.1:1",
    }, directory.path);
    assertEquals(code, 9);
    assertMatch(stderr, /Cannot export traces to "http:.*127\.0\.0\.1:1/);
    assertEquals(stderr.includes("hunter22"), false);
  });

  it("explains the failure if the collector expects gRPC", async () => {
    await using directory = await temporaryDirectory();
    await using server = collector(() => new Response("", { status: 415 }));
    const { code, stderr } = await run({
      OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "grpc",
    }, directory.path);
    assertEquals(code, 9);
    assertMatch(stderr, /Cannot export traces .* 415\. .*"grpc".* 4318$/m);
    assertMatch(stderr, /Cannot export metrics .* 415$/m);
  });

  for (const timeout of ["-5", "-Infinity", "0", "soon", "1e999"]) {
    it(`exports within its own limit when the timeout is ${timeout}`, async () => {
      await using directory = await temporaryDirectory();
      await using server = collector(() => new Response("{}"));
      const { code } = await run({
        OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
        OTEL_EXPORTER_OTLP_TIMEOUT: timeout,
      }, directory.path);
      assertEquals([code, server.received.length], [9, 2]);
    });
  }

  it("reports that it is active, again and again until it ends", async () => {
    await using directory = await temporaryDirectory();
    await using server = collector(async () => {
      const isRepeated = server.whileActive.length === 2;
      if (isRepeated) await Deno.writeTextFile(`${directory.path}/go`, "");
      return new Response("{}");
    });
    const { code } = await run(
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
        OTEL_METRIC_EXPORT_INTERVAL: "1",
        OTEL_RESOURCE_ATTRIBUTES: "service.instance.id=pod",
      },
      directory.path,
      { job: untilFile(`${directory.path}/go`) },
    );
    assertEquals(code, 0);
    const reports = [...server.whileActive, ...server.received]
      .flatMap(activeIn);
    assertEquals(reports.map(({ asInt }) => asInt), ["1", "1", "0"]);
    const [{ startTimeUnixNano, resource }] = reports;
    for (const [index, report] of reports.entries()) {
      assertEquals(report.startTimeUnixNano, startTimeUnixNano);
      assertEquals(report.resource, resource);
      assertEquals(
        attributesOf(report)["cicd.pipeline.run.state"],
        "executing",
      );
      const before = reports[index - 1]?.timeUnixNano ?? startTimeUnixNano;
      assert(BigInt(before) <= BigInt(report.timeUnixNano));
    }
    const facts = attributesOf(resource);
    // Runs with the attributes of the same environment are different series.
    assertMatch(facts["service.instance.id"], /^[0-9a-f]{16}$/);
    assertEquals(facts["cicd.pipeline.run.id"], undefined);
  });

  it("ends while a collector has not responded to a report that it is active", async () => {
    await using directory = await temporaryDirectory();
    await using server = collector(async (_request, ended) => {
      const isFirst = server.received.length === 0;
      await Deno.writeTextFile(`${directory.path}/go`, "");
      return isFirst ? await ended : new Response("{}");
    });
    const { code, stderr } = await run(
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
      },
      directory.path,
      { job: untilFile(`${directory.path}/go`) },
    );
    assertEquals([code, stderr.includes("Cannot export")], [0, false]);
    const values = [...server.whileActive, ...server.received]
      .flatMap(activeIn).map(({ asInt }) => asInt);
    assertEquals(values, ["1", "0"]);
  });

  it("shows no part of invalid headers and URLs", async () => {
    await using directory = await temporaryDirectory();
    for (
      const [headers, url] of [
        ["authorization=Bearer%0Aabc%2Bdef-9912", "http://127.0.0.1:1"],
        ["my abc+def-9912=x", "http://127.0.0.1:1"],
        ["", "http://user:abc+def-9912@[bad"],
        ["", "http://[bad/?key=abc+def-9912"],
      ]
    ) {
      const { code, stderr } = await run({
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_EXPORTER_OTLP_HEADERS: headers,
      }, directory.path);
      assertEquals(code, 9);
      assertMatch(stderr, /Cannot export traces to/);
      assertEquals(stderr.includes("def-9912"), false, stderr);
    }
  });

  it("sends credentials over plain HTTP to its own machine only", async () => {
    await using directory = await temporaryDirectory();
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector.invalid:4318",
      OTEL_EXPORTER_OTLP_HEADERS: "api-key=abc-def-9912",
    };
    const refused = await run(env, directory.path);
    assertMatch(refused.stderr, /plain HTTP would send the credentials/);
    const tenant = await run(
      { ...env, OTEL_EXPORTER_OTLP_HEADERS: "x-scope-orgid=blue" },
      directory.path,
    );
    const allowed = await run(
      { ...env, REACTORCIDE_ALLOW_INSECURE_TRANSPORT: "true" },
      directory.path,
    );
    for (const { stderr } of [tenant, allowed]) {
      assertMatch(stderr, /Cannot export traces to/);
      assertEquals(stderr.includes("plain HTTP"), false, stderr);
    }
  });

  it("exports nothing if OpenTelemetry is disabled", async () => {
    await using directory = await temporaryDirectory();
    await using server = collector(() => new Response("{}"));
    await run({
      OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
      OTEL_SDK_DISABLED: "true",
    }, directory.path);
    assertEquals(server.received, []);
  });
});

/** All log records that a collector got, in the order of their times. */
function logRecords(received: readonly Received[]): Json[] {
  return received.filter(({ path }) => path === "/v1/logs")
    .flatMap(({ body }) => body.resourceLogs)
    .flatMap(({ scopeLogs }: Json) => scopeLogs)
    .flatMap(({ logRecords }: Json) => logRecords);
}

describe("a run that exports the output of steps", () => {
  it("sends each line with its span, masked and without terminal sequences", async () => {
    await using directory = await temporaryDirectory();
    await using server = collector(() => new Response("{}"));
    const { code } = await run(
      { OTEL_EXPORTER_OTLP_ENDPOINT: server.url },
      directory.path,
      {
        job: `
failure_policy: continue
steps:
  - name: flaky
    retry: { attempts: 2, delay: 0 }
    run: |
      printf '\\033[31mred\\033[0m\\nno end'
      test -e tried || { touch tried; exit 3; }
  - name: broken
    run: printf 's3cret-word and s3cret\\000-word\\n'; exit 9
`,
        args: ["--otel-logs"],
      },
    );
    assertEquals(code, 9);
    const text = JSON.stringify(server.received);
    assertEquals(text.includes("s3cret-word"), false);
    const { body: traces } = server.received
      .find(({ path }) => path === "/v1/traces")!;
    const [{ resource, scopeSpans: [{ spans }] }] = traces.resourceSpans;
    const spanIds = new Map(spans.map((span: Json) => [
      `${span.name} ${attributesOf(span)["runnerlib.step.attempt"]}`,
      span.spanId,
    ]));
    const lines = logRecords(server.received).map((record: Json) => {
      const facts = attributesOf(record);
      const step = facts["cicd.pipeline.task.name"];
      const attempt = facts["runnerlib.step.attempt"];
      assertEquals(record.traceId, spans[0].traceId);
      assertEquals(record.spanId, spanIds.get(`${step} ${attempt}`));
      assertMatch(record.timeUnixNano, /^\d{19}$/);
      return `${step} ${attempt} ${record.severityText}: ${record.body.stringValue}`;
    });
    assertEquals(
      lines.sort(),
      [
        "broken 1 ERROR: failed: exit code 9",
        "broken 1 INFO: [REDACTED] and [REDACTED]",
        'flaky 1 WARN: attempt 1 failed: Step "flaky" ended with exit code 3',
        "flaky 1 INFO: no end",
        "flaky 1 INFO: red",
        "flaky 2 INFO: no end",
        "flaky 2 INFO: red",
      ].sort(),
    );
    const { body: logs } = server.received
      .find(({ path }) => path === "/v1/logs")!;
    assertEquals(
      attributesOf(logs.resourceLogs[0].resource)["cicd.pipeline.run.id"],
      attributesOf(resource)["cicd.pipeline.run.id"],
    );
  });

  it("sends the output of a command, also to a separate collector", async () => {
    await using directory = await temporaryDirectory();
    await using server = collector(() => new Response("{}"));
    const { code, stdout } = await runMain(
      ["run", "--otel-logs", "--stderr=separate", "--job-command"].concat(
        "echo out; echo err >&2",
      ),
      {
        cwd: directory.path,
        env: {
          OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${server.url}/v1/logs?x=1`,
          OTEL_EXPORTER_OTLP_LOGS_HEADERS: "x-team=blue",
        },
      },
    );
    assertEquals([code, stdout], [0, "out\n"]);
    const [{ headers }] = server.received;
    assertEquals(headers.get("x-team"), "blue");
    assertEquals(server.received.length, 1);
    assertEquals(
      logRecords(server.received).map((record: Json) => [
        attributesOf(record)["log.iostream"],
        record.body.stringValue,
      ]).sort(),
      [["stderr", "err"], ["stdout", "out"]],
    );
  });

  it("sends nothing unless the caller has chosen a collector", async () => {
    await using directory = await temporaryDirectory();
    await using server = collector(() => new Response("{}"));
    const job = `otel_logs: true\n${JOB}`;
    const without = await run({}, directory.path, { job });
    assertEquals(without.stderr.includes("otel"), false, without.stderr);
    for (
      const [name, value] of [
        ["OTEL_LOGS_EXPORTER", "none"],
        ["OTEL_SDK_DISABLED", "true"],
      ]
    ) {
      await run(
        { OTEL_EXPORTER_OTLP_ENDPOINT: server.url, [name]: value },
        directory.path,
        { job },
      );
    }
    assertEquals(logRecords(server.received), []);
    await run(
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
        REACTORCIDE_OTEL_LOGS: "true",
      },
      directory.path,
    );
    assert(logRecords(server.received).length > 0);
  });

  for (
    const [name, answer, reason] of [
      [
        "fails",
        () => new Response("", { status: 503 }),
        "responded with status 503",
      ],
      [
        "never answers",
        (_request: Request, ended: Promise<Response>) => ended,
        "no response within 50 ms",
      ],
    ] as const
  ) {
    it(`keeps its result and counts the lines when a collector ${name}`, async () => {
      await using directory = await temporaryDirectory();
      await using server = collector(answer);
      const { code, stderr } = await run(
        {
          OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
          ...reason.endsWith("50 ms")
            ? { OTEL_EXPORTER_OTLP_TIMEOUT: "50" }
            : {},
        },
        directory.path,
        {
          job: "steps: [{ name: loud, run: 'seq 50000; exit 9' }]",
          args: ["--otel-logs"],
        },
      );
      assertEquals(code, 9);
      assertMatch(
        stderr,
        new RegExp(`Cannot export 50001 lines of logs to .*${reason}`),
      );
      assert(
        server.received.filter(({ path }) => path === "/v1/logs").length <= 3,
      );
    });
  }
});

const WORKFLOW = `
name: ship
jobs:
  build:
    steps:
      - { name: compile, run: 'echo "$TRACEPARENT"' }
  test:
    depends_on: [build]
    command: echo "$TRACESTATE"; echo s3cret-word; exit 9
  deploy:
    depends_on: [test]
    command: "true"
`;

async function runShip(
  env: Record<string, string>,
  cwd: string,
  args: string[] = [],
) {
  await makeFiles(cwd, { ".reactorcide/workflows/ship.yaml": WORKFLOW });
  return await runMain(["workflow", "run", "--source", "none", ...args], {
    cwd,
    env: { REACTORCIDE_SECRET_VALUES_LIST: "s3cret-word", ...env },
  });
}

/** All spans that a collector got, by their names. */
function spansIn(received: readonly Received[]): Map<string, Json> {
  return new Map(
    received.filter(({ path }) => path === "/v1/traces")
      .flatMap(({ body }) => body.resourceSpans)
      .flatMap(({ scopeSpans }: Json) => scopeSpans)
      .flatMap(({ spans }: Json) => spans)
      .map((span: Json) => [span.name, span]),
  );
}

describe("a workflow with an OpenTelemetry collector", () => {
  it("exports a span for itself and for each job, which the runs of jobs join", async () => {
    await using directory = await temporaryDirectory();
    await using server = collector(() => new Response("{}"));
    const { code, stdout } = await runShip({
      OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
      OTEL_EXPORTER_OTLP_HEADERS: "x-team=blue",
      TRACEPARENT: `00-${TRACE_ID}-${PARENT}-01`,
      TRACESTATE: "vendor=1",
    }, directory.path);
    assertEquals(code, 9);
    assertEquals(
      JSON.stringify(server.received).includes("s3cret-word"),
      false,
    );
    assert(
      server.received.every(({ headers }) => headers.get("x-team") === "blue"),
    );
    const spans = spansIn(server.received);
    const parents = Array.from(spans.values(), ({ name, parentSpanId }) => {
      const parent = spans.values().find(({ spanId }) =>
        spanId === parentSpanId
      );
      return `${name} < ${parent?.name ?? parentSpanId}`;
    });
    assertEquals(
      parents.sort(),
      [
        `RUN ship < ${PARENT}`,
        "build < RUN ship",
        "test < RUN ship",
        "RUN build < build",
        "compile < RUN build",
        "RUN test < test",
      ].sort(),
    );
    assertEquals(
      [...new Set(Array.from(spans.values(), ({ traceId }) => traceId))],
      [TRACE_ID],
    );
    const results = (name: string) => {
      const facts = attributesOf(spans.get(name));
      return facts["cicd.pipeline.result"] ??
        facts["cicd.pipeline.task.run.result"];
    };
    assertEquals(results("RUN ship"), "failure");
    assertEquals([results("build"), results("test")], ["success", "failure"]);
    assertMatch(
      stdout,
      new RegExp(`00-${TRACE_ID}-${spans.get("compile").spanId}-01`),
    );
    assertMatch(stdout, /vendor=1/);
    assertEquals(
      server.received.filter(({ path }) => path === "/v1/metrics")
        .map(({ body }) =>
          attributesOf(body.resourceMetrics[0].resource)["cicd.pipeline.name"]
        ).sort(),
      ["build", "ship", "test"],
    );
  });

  it("exports with --otel, and without a record", async () => {
    await using directory = await temporaryDirectory();
    await using server = collector(() => new Response("{}"));
    const { code } = await runShip(
      {
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${server.url}/v1/traces`,
        OTEL_METRICS_EXPORTER: "none",
      },
      directory.path,
      ["--record", "off", "--otel", "--only", "build"],
    );
    assertEquals(code, 0);
    const spans = spansIn(server.received);
    assertEquals([...spans.keys()].sort(), [
      "RUN build",
      "RUN ship",
      "build",
      "compile",
    ]);
  });

  it("delays no job because of a collector", async () => {
    await using directory = await temporaryDirectory();
    const sent = Promise.withResolvers<void>();
    await using server = collector(async () => {
      if (spansIn(server.received).has("RUN ship")) sent.resolve();
      // Jobs that waited would reach the time limit before the workflow ends.
      await sent.promise;
      return new Response("{}");
    });
    const { code, stderr } = await runShip({
      OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
    }, directory.path);
    assertEquals(code, 9);
    assertEquals(stderr.includes("Cannot export"), false, stderr);
  });

  it("warns once about a failing collector, and keeps its result", async () => {
    await using directory = await temporaryDirectory();
    await using server = collector(() => new Response("no", { status: 500 }));
    const { code, stderr } = await runShip({
      OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
    }, directory.path);
    assertEquals(code, 9);
    assertEquals(stderr.match(/Cannot export traces/g)?.length, 1, stderr);
  });

  it("gives the jobs one trace if nothing is exported", async () => {
    await using directory = await temporaryDirectory();
    const { code } = await runShip({}, directory.path);
    assertEquals(code, 9);
    const base = `${directory.path}/.reactorcide/workflow`;
    const traces = await Promise.all(
      ["", "/jobs/build/job/artifacts", "/jobs/test/job/artifacts"].map(
        async (place) => {
          const text = await Deno.readTextFile(`${base}${place}/run.jsonl`);
          return JSON.parse(text.slice(0, text.indexOf("\n"))).trace;
        },
      ),
    );
    const [whole, ...jobs] = traces;
    for (const job of jobs) {
      assertEquals(
        [job.traceId, job.parentSpanId],
        [whole.traceId, whole.spanId],
      );
    }
  });
});
