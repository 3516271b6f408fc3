import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { pushMetrics } from "../../src/report/push_metrics.ts";
import { readRecord, type RunRecord } from "../../src/report/run_record.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { recordLine, startedLine } from "../helpers/record_lines.ts";
import { runMain } from "../helpers/run_main.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const HOSTILE = 'a "name"/../ \\ of\n{two="lines"} ?#%2f 7';

interface Received {
  method: string;
  path: string;
  authorization: string | null;
  text: string;
}

/**
 * A fake push gateway on loopback, which responds to pushes as the test
 * specifies, and has no metrics of earlier runs.
 */
function gateway(
  answer: (ended: Promise<Response>) => Response | Promise<Response> = () =>
    new Response(),
): AsyncDisposable & { host: string; received: Received[] } {
  const received: Received[] = [];
  const ended = Promise.withResolvers<Response>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      if (request.method === "GET") return new Response("", { status: 404 });
      received.push({
        method: request.method,
        path: new URL(request.url).pathname,
        authorization: request.headers.get("authorization"),
        text: await request.text(),
      });
      return await answer(ended.promise);
    },
  );
  const { port } = server.addr as Deno.NetAddr;
  return {
    host: `127.0.0.1:${port}`,
    received,
    async [Symbol.asyncDispose]() {
      ended.resolve(new Response());
      await server.shutdown();
    },
  };
}

function run(name: string, durationMs: number): RunRecord {
  const started = startedLine({ name });
  const status = "failed";
  const ended = recordLine("run.ended", 1, { status, exitCode: 1, durationMs });
  return readRecord(`${started}\n${ended}`)!;
}

/** Pushes, and returns the warnings. */
async function push(url: string, name = "app"): Promise<string[]> {
  const warnings: string[] = [];
  await pushMetrics(run(name, 7_000), url, {
    allowInsecureTransport: false,
    onWarning: (message) => void warnings.push(message),
  });
  return warnings;
}

describe("pushMetrics()", () => {
  it("puts the metrics into the group of the pipeline", async () => {
    await using server = gateway();
    const { host, received } = server;
    for (const path of ["", "/", "/below/", "/metrics/job/other/team/a"]) {
      assertEquals(await push(`http://${host}${path}`), []);
    }
    assertEquals(received.map(({ method, path }) => `${method} ${path}`), [
      "PUT /metrics/job/app",
      "PUT /metrics/job/app",
      "PUT /below/metrics/job/app",
      "PUT /metrics/job/other/team/a",
    ]);
    assertMatch(
      received[0].text,
      /^cicd_pipeline_run_duration_seconds_sum\{.*\} 7$/m,
    );
  });

  it("sends a login as a header, and shows it nowhere", async () => {
    await using server = gateway(() => new Response("", { status: 401 }));
    const { host, received } = server;
    const [warning] = await push(`http://user:p%40ss-9912@${host}`);
    assertEquals(received[0].authorization, `Basic ${btoa("user:p@ss-9912")}`);
    assertMatch(
      warning,
      /Cannot push metrics to ".*it responded with status 401/,
    );
    assertEquals(/p(?:%40|@)ss/.test(warning), false, warning);
    const [refused] = await push("http://user:p%40ss-9912@gateway.invalid");
    assertMatch(refused, /plain HTTP would send the credentials unencrypted/);
    assertEquals(/p(?:%40|@)ss/.test(refused), false, refused);
  });

  it("keeps the groups of a real gateway apart, for any name", async () => {
    if (isProgramMissing("prometheus-pushgateway")) return;
    await using real = await realGateway();
    const names = ["app", HOSTILE, "..", ".", "a/b", "ü", " "];
    for (const name of names) {
      assertEquals(await push(`http://${real.host}`, name), [], name);
    }
    const response = await fetch(`http://${real.host}/api/v1/metrics`);
    const { status, data } = await response.json();
    assertEquals(status, "success");
    assertEquals(
      data.map(({ labels }: { labels: { job: string } }) => labels.job).sort(),
      names.toSorted(),
    );
    const metrics = await fetch(`http://${real.host}/metrics`);
    const text = await metrics.text();
    const counts = text.split("\n").filter((line) =>
      line.startsWith("cicd_pipeline_run_duration_seconds_count{")
    );
    assertEquals(counts.length, names.length);
    assert(counts.every((line) => line.endsWith("} 1")), text);
  });

  it("adds to what a real gateway has of the pipeline", async () => {
    if (isProgramMissing("prometheus-pushgateway")) return;
    await using real = await realGateway();
    const { host } = real;
    const own = `http://${host}/metrics/job/nightly/team@base64/YS9i`;
    for (const url of [`http://${host}`, own, `http://${host}/`, own]) {
      for (const name of ["app", HOSTILE]) {
        assertEquals(await push(url, name), []);
      }
    }
    assertEquals(await push(`http://${host}`), []);
    const text = await (await fetch(`http://${host}/metrics`)).text();
    const seen = text.split("\n").flatMap((line) => {
      const [, metric, labels, value] =
        /^cicd_pipeline_run_(errors_total|duration_seconds_\w+)\{(.*)\} (\d+)$/
          .exec(line) ?? [];
      if (metric === undefined) return [];
      const [, team = "–"] = /team="(.*?)"/.exec(labels) ?? [];
      const [, le = ""] = /le="(.*?)"/.exec(labels) ?? [];
      const name = labels.includes('name="app"') ? "app" : "hostile";
      return le === "" || le === "5" || le === "10" || le === "+Inf"
        ? [`${name} ${team} ${metric} ${le} ${value}`.replace("  ", " ")]
        : [];
    });
    const expected = (name: string, team: string, count: number) => [
      `${name} ${team} duration_seconds_bucket +Inf ${count}`,
      `${name} ${team} duration_seconds_bucket 10 ${count}`,
      `${name} ${team} duration_seconds_bucket 5 0`,
      `${name} ${team} duration_seconds_count ${count}`,
      `${name} ${team} duration_seconds_sum ${7 * count}`,
      `${name} ${team} errors_total ${count}`,
    ];
    assertEquals(
      seen.sort(),
      [
        ...expected("app", "–", 3),
        ...expected("hostile", "–", 2),
        ...expected("app", "a/b", 2),
        ...expected("hostile", "a/b", 2),
      ].sort(),
    );
  });

  it("sends only the metrics of the run if the response of the gateway is invalid", async () => {
    for (
      const answer of [
        "no JSON",
        "null",
        "[]",
        '{"data":{}}',
        '{"data":[null,{"labels":{"job":"app"},"cicd_pipeline_run_errors_total":7}]}',
        '{"data":[{"labels":{"job":"app"},"cicd_pipeline_run_errors_total":{"metrics":[{"labels":{"a":1,"b":"\\n"},"value":"x\\ny 1"}]}}]}',
      ]
    ) {
      let body = "";
      await using server = Deno.serve(
        { hostname: "127.0.0.1", port: 0, onListen() {} },
        async (request) => {
          if (request.method === "GET") return new Response(answer);
          body = await request.text();
          return new Response();
        },
      );
      assertEquals(await push(`http://127.0.0.1:${server.addr.port}`), []);
      assertMatch(body, /^cicd_pipeline_run_errors_total\{[^}]*\} 1$/m);
      assertEquals(body.match(/^cicd_pipeline_run_errors/gm)?.length, 1, body);
    }
  });
});

describe("a run with a push gateway", () => {
  it("pushes its metrics", async () => {
    await using directory = await temporaryDirectory();
    await using server = gateway();
    const cwd = `${directory.path}/app`;
    await Deno.mkdir(cwd);
    const url = `http://user:hunter22@${server.host}`;
    const { code, stderr } = await runMain(
      ["run", "--job-command=exit 3", `--report=prometheus=${url}`],
      { cwd },
    );
    assertEquals(code, 3);
    assertEquals(stderr.includes("hunter22"), false);
    assertEquals(server.received.map(({ path }) => path), [
      "/metrics/job/app",
    ]);
    assertEquals(await Array.fromAsync(Deno.readDir(cwd)), []);
  });

  for (
    const [name, answer, reason] of [
      [
        "fails",
        () => new Response("", { status: 500 }),
        "responded with status 500",
      ],
      [
        "redirects",
        () => new Response("", { status: 307, headers: { location: "/x" } }),
        "responded with status 307",
      ],
      [
        "never answers",
        (ended: Promise<Response>) => ended,
        "no response within",
      ],
    ] as const
  ) {
    it(`keeps its result when the gateway ${name}`, async () => {
      await using directory = await temporaryDirectory();
      await using server = gateway(answer);
      const { code, stderr } = await runMain([
        "run",
        "--job-command=true",
        `--report=prometheus=http://${server.host}`,
      ], { cwd: directory.path });
      assertEquals(code, 0);
      assertMatch(stderr, new RegExp(`Cannot push metrics to .*${reason}`));
      assertEquals(server.received.length, 1);
    });
  }

  it("accepts a URL only for the Prometheus format", async () => {
    await using directory = await temporaryDirectory();
    const { code, stderr } = await runMain(
      ["run", "--job-command=true", "--report=junit=http://localhost:1"],
      { cwd: directory.path },
    );
    assertEquals(code, 1);
    assertMatch(stderr, /report: must be table, json, .*, not "junit=http/);
  });
});

async function realGateway(): Promise<AsyncDisposable & { host: string }> {
  const socket = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  const host = `127.0.0.1:${port}`;
  const program = new Deno.Command("prometheus-pushgateway", {
    // Debian's package stores metrics in a directory of the system by default.
    args: [`--web.listen-address=${host}`, "--persistence.file="],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  for (let attempt = 0;; attempt++) {
    try {
      const response = await fetch(`http://${host}/-/ready`);
      await response.body?.cancel();
      break;
    } catch (error) {
      if (attempt === 200) {
        program.kill();
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    host,
    async [Symbol.asyncDispose]() {
      program.kill();
      await program.status;
    },
  };
}
