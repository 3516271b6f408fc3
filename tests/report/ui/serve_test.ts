import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type RunServer, serveRuns } from "../../../src/report/ui/serve.ts";
import { openEvents } from "../../helpers/event_stream.ts";
import { recordLine, startedLine } from "../../helpers/record_lines.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

const END = recordLine("run.ended", 900, {
  status: "failed",
  exitCode: 3,
  durationMs: 900,
});

/** A run that began now, so that new logs can be its own. */
function startedNow(fields: object = {}): string {
  return startedLine({ time: new Date().toISOString(), ...fields });
}

const STEP = [
  recordLine("step.queued", 1, { step: "build" }),
  recordLine("step.started", 2, { step: "build", attempt: 1 }),
].join("\n");

function ended(step: string, fields: object = {}): string {
  return recordLine("step.ended", 800, {
    step,
    outcome: "success",
    conclusion: "success",
    exitCode: 0,
    signal: null,
    startedAt: new Date().toISOString(),
    durationMs: 10,
    attempts: [],
    ...fields,
  });
}

/** A server in this process, over a directory of files. */
async function serving(files: Record<string, string>) {
  const directory = await temporaryDirectory();
  await makeFiles(directory.path, files);
  const closing = new AbortController();
  const { signal } = closing;
  const server: RunServer = serveRuns({
    directory: directory.path,
    port: 0,
    signal,
  });
  return {
    ...server,
    path: directory.path,
    async [Symbol.asyncDispose]() {
      closing.abort();
      await server.finished;
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function textOf(url: string): Promise<string> {
  return await (await fetch(url)).text();
}

async function addressOf(url: string, name: string): Promise<string> {
  const list = await textOf(url);
  const [, run] = list.match(`<a href="(run/[0-9a-f]{32}/)">${name}</a>`) ?? [];
  assert(run !== undefined, list);
  return url + run;
}

/** Sends a request as no client library would. */
async function ask(
  url: string,
  { method = "GET", target, headers = {} }: {
    method?: string;
    target?: string;
    headers?: Record<string, string>;
  } = {},
): Promise<{ status: number; text: string }> {
  const { hostname, port, host, pathname } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const lines = Object.entries({ Host: host, Connection: "close", ...headers })
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${value}\r\n`);
  await connection.write(
    new TextEncoder().encode(
      `${method} ${target ?? pathname} HTTP/1.1\r\n${lines.join("")}\r\n`,
    ),
  );
  const text = await new Response(connection.readable).text();
  return { status: Number(text.split(" ")[1]), text };
}

Deno.test({
  name: "serveRuns() listens on one address of this machine only",
  // On other systems, 127.0.0.2 is not an address of this machine.
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using server = await serving({});
    const port = Number(new URL(server.url).port);
    await assertRejects(
      () => Deno.connect({ hostname: "127.0.0.2", port }),
      Deno.errors.ConnectionRefused,
    );
  },
});

describe("serveRuns()", () => {
  it("refuses other hosts, other origins, other paths and other methods", async () => {
    await using server = await serving({ "a.jsonl": `${startedLine()}\n` });
    const { url } = server;
    const { host, origin, pathname } = new URL(url);
    const port = host.split(":")[1];
    const rows: [number, Parameters<typeof ask>[1]][] = [
      [200, {}],
      [200, { headers: { Host: `localhost:${port}` } }],
      [200, { headers: { Origin: origin, "Sec-Fetch-Site": "same-origin" } }],
      [200, { headers: { "Sec-Fetch-Site": "none" } }],
      [403, { headers: { Host: `example.com:${port}` } }],
      [403, { headers: { Host: "127.0.0.1" } }],
      [403, { headers: { Host: `127.0.0.1.example.com:${port}` } }],
      [403, { target: `http://example.com:${port}${pathname}` }],
      [403, { headers: { Origin: "http://example.com" } }],
      [403, { headers: { Origin: "null" } }],
      [403, { headers: { Origin: `https://${host}` } }],
      [403, { headers: { Origin: `http://127.0.0.1:1` } }],
      [403, { headers: { "Sec-Fetch-Site": "cross-site" } }],
      [403, { headers: { "Sec-Fetch-Site": "same-site" } }],
      [404, { target: "/" }],
      [404, { target: "/content" }],
      [404, { target: `${pathname.slice(0, -2)}/` }],
      [404, { target: `${pathname.slice(0, -1)}x/` }],
      [404, { target: `/${"A".repeat(43)}/` }],
      [404, { target: `${pathname}run/${"0".repeat(32)}/` }],
      [404, { target: `${pathname}../../etc/passwd` }],
      [404, { target: `${pathname}run/..%2f..%2fetc%2fpasswd/` }],
      [405, { method: "POST", headers: { "Content-Length": "0" } }],
      [405, { method: "OPTIONS" }],
      [405, { method: "DELETE" }],
    ];
    for (const [status, request] of rows) {
      const answer = await ask(url, request);
      assertEquals(answer.status, status, JSON.stringify(request));
      assertEquals(/access-control-/i.test(answer.text), false);
      assertEquals(answer.text.includes("Runs in"), status === 200);
    }
  });

  it("answers each request with headers that keep other pages out", async () => {
    await using server = await serving({ "a.jsonl": `${startedLine()}\n` });
    const run = await addressOf(server.url, "job");
    for (const url of [server.url, run, `${run}content`, `${run}none`]) {
      const { headers, body } = await fetch(url);
      await body?.cancel();
      const policy = headers.get("content-security-policy")!;
      assertStringIncludes(policy, "default-src 'none'");
      assertStringIncludes(policy, "frame-ancestors 'none'");
      assertEquals(policy.includes("unsafe"), false);
      assertEquals(headers.get("x-content-type-options"), "nosniff");
      assertEquals(headers.get("cross-origin-resource-policy"), "same-origin");
      assertMatch(headers.get("cache-control")!, /no-store/);
      const head = await fetch(url, { method: "HEAD" });
      assertEquals([
        head.headers.get("content-security-policy"),
        await head.text(),
      ], [policy, ""]);
    }
  });

  it("assigns each server its own path", async () => {
    await using one = await serving({});
    await using other = await serving({});
    const path = new URL(one.url).pathname;
    assertMatch(path, /^\/[\w-]{43}\/$/);
    assertEquals((await ask(other.url, { target: path })).status, 404);
  });

  it("lists records wherever they are, the latest first", async () => {
    const at = (day: string) => `2026-01-${day}T00:00:00.000Z`;
    await using server = await serving({
      "job/artifacts/run.jsonl": `${
        startedLine({ name: "a", time: at("01") })
      }\n${END}\n`,
      "before.jsonl": `${startedLine({ name: "b", time: at("03") })}\n`,
      ".reactorcide/workflow/ci/jobs/x/job/artifacts/run.jsonl": `${
        startedLine({ name: "c", time: at("02") })
      }\n`,
      "other.jsonl": '{"a":1}\n',
      "later.jsonl": `${startedLine({ version: 99 })}\n`,
      "node_modules/x.jsonl": `${startedLine({ name: "d" })}\n`,
    });
    const list = await textOf(server.url);
    assertEquals(
      Array.from(list.matchAll(/<a href="run[^>]*>(\w)</g), ([, name]) => name),
      ["b", "c", "a"],
    );
    assertMatch(list, /<td class="failed"><span[^>]*>✗<\/span>failed<\/td>/);
  });

  it("distinguishes an active run from a killed one", async () => {
    await using server = await serving({
      "killed.jsonl": `${startedLine({ name: "killed" })}\n${STEP}\n`,
      "running.jsonl": `${startedLine({ name: "alive" })}\n${STEP}\n`,
    });
    using file = await Deno.open(`${server.path}/running.jsonl`);
    file.lockSync(true);
    const killed = await textOf(await addressOf(server.url, "killed"));
    assertStringIncludes(killed, "<title>killed: interrupted</title>");
    assertStringIncludes(killed, "the record ends while it runs");
    const alive = await addressOf(server.url, "alive");
    const text = await textOf(alive);
    assertStringIncludes(text, "<title>alive: running</title>");
    assertStringIncludes(text, '<span class="running"><span class="mark"');
    await using events = await openEvents(`${alive}events`);
    const { id } = await events.sees(() => true, "the first event");
    file.unlockSync();
    await events.sees(
      (event) => event.event === "change" && event.id !== id,
      "the end",
    );
    assertStringIncludes(await textOf(alive), "alive: interrupted");
  });

  it("resumes a log where a browser has read to, byte by byte", async () => {
    await using server = await serving({
      "run.jsonl": `${startedNow({ name: "a" })}\n${STEP}\n`,
      "logs/.build.log.partial": "one\ntwo\nthr",
    });
    const { path } = server;
    const record = await Deno.open(`${path}/run.jsonl`, {
      append: true,
      read: true,
    });
    record.lockSync(true);
    const log = `${path}/logs/.build.log.partial`;
    const add = (text: string) =>
      Deno.writeTextFile(log, text, { append: true });
    const run = await addressOf(server.url, "a");
    let lastId: string;
    {
      await using events = await openEvents(`${run}events`);
      const last = await events.sees(({ event }) => event === "log", "a line");
      assertEquals(last.data, {
        step: 0,
        name: "build",
        pieces: [["one\ntwo\n"]],
      });
      lastId = last.id;
    }
    await add("ee\n\x1b[31mfour\x1b[0m\n");
    {
      await using events = await openEvents(`${run}events`, lastId);
      const last = await events.sees(({ event }) => event === "log", "a line");
      assertEquals(events.log, "three\nfour\n");
      assertEquals(events.events.map(({ event }) => event), ["log"]);
      assertEquals(last.data.pieces, [["three\n"], ["four", "fg-1"], ["\n"]]);
      lastId = last.id;
    }
    await add("five without an end");
    await Deno.rename(log, `${path}/logs/build.log`);
    await record.write(new TextEncoder().encode(`${ended("build")}\n`));
    {
      await using events = await openEvents(`${run}events`, lastId);
      await events.sees(({ event }) => event === "log-end", "the end");
      assertEquals(events.log, "five without an end");
    }
    record.close();
    for (const wrong of ["", "x", "0-1~9@9", `${"0".repeat(16)}-1~7@99999`]) {
      await using events = await openEvents(`${run}events`, wrong);
      await events.sees(({ event }) => event === "change", "the first event");
    }
    assertEquals(
      await textOf(`${run}log/0.txt`),
      "one\ntwo\nthree\n\x1b[31mfour\x1b[0m\nfive without an end",
    );
  });

  it("follows the next run in the place of the first", async () => {
    await using server = await serving({
      "run.jsonl": `${startedLine({ name: "a", id: "first" })}\n`,
    });
    const run = await addressOf(server.url, "a");
    await using events = await openEvents(`${run}events`);
    await events.sees(({ event }) => event === "change", "the first event");
    await Deno.remove(`${server.path}/run.jsonl`);
    await Deno.writeTextFile(
      `${server.path}/run.jsonl`,
      `${startedLine({ name: "b", id: "second" })}\n`,
    );
    await events.sees(
      ({ data }) => data.isNew === true && events.events.length > 1,
      "the second run",
    );
    await events.sees(
      ({ event }) => event === "change" && events.events.length > 1,
      "it",
    );
    assertStringIncludes(await textOf(run), "<title>b: interrupted</title>");
  });

  it("ends while browsers listen", async () => {
    const server = await serving({ "a.jsonl": `${startedLine()}\n` });
    await using events = await openEvents(`${server.url}events`);
    await events.sees(({ event }) => event === "change", "the list");
    await server[Symbol.asyncDispose]();
  });
});

describe("records of a hostile job", () => {
  it("lead nowhere else: neither links, nor pipes, nor names of logs", async () => {
    await using outside = await temporaryDirectory();
    const secret = "not-of-this-directory";
    await makeFiles(outside.path, {
      "run.jsonl": `${startedLine({ name: secret })}\n`,
      "logs/build.log": secret,
      "passwd": secret,
    });
    const logs = [
      `${outside.path}/logs/build.log`,
      "../../logs/build.log",
      "job/artifacts/../../.env",
      ".env",
      "linked/logs/build.log",
      "logs/link.log",
      "logs/pipe.log",
      "logs/old.log",
      "logs/\0.log",
    ];
    const record = [
      startedNow({ name: "good" }),
      ...logs.map((log, at) => ended(`step ${at}`, { log })),
    ].join("\n");
    await using server = await serving({
      "good.jsonl": `${record}\n`,
      ".env": secret,
      "linked": `-> ${outside.path}`,
      "link.jsonl": `-> ${outside.path}/run.jsonl`,
      "dir.jsonl/": "",
      "logs/link.log": `-> ${outside.path}/passwd`,
      "logs/old.log": secret,
      "huge.jsonl": `${startedLine({ name: "huge" })}\n`,
      "many.jsonl": [
        startedLine({ name: "many" }),
        ...Array.from({ length: 10_001 }, (_, at) => ended(`step ${at}`)),
        "",
      ].join("\n"),
      "line.jsonl": `${startedLine({ name: "line" })}\n${"[".repeat(9e6)}`,
    });
    const { path } = server;
    for (const name of ["pipe.jsonl", "logs/pipe.log"]) {
      const { success } = await new Deno.Command("mkfifo", {
        args: [`${path}/${name}`],
      }).output();
      assert(success);
    }
    await Deno.utime(`${path}/logs/old.log`, 1, 1);
    await Deno.truncate(`${path}/huge.jsonl`, 2 ** 40);
    const list = await textOf(server.url);
    assertEquals(list.includes(secret), false);
    assertEquals(list.match(/<a href="run/g)?.length, 4);
    const run = await addressOf(server.url, "good");
    assertEquals((await textOf(run)).includes(secret), false);
    for (const at of [...logs.keys(), 99]) {
      const response = await fetch(`${run}log/${at}`);
      assertEquals(response.status, 404, logs[at]);
      assertEquals((await response.text()).includes(secret), false);
    }
    for (
      const [name, problem] of [
        ["huge", "it is larger than"],
        ["many", "it has more than 10000 steps"],
        ["line", "a line is longer than"],
      ]
    ) {
      const page = await textOf(await addressOf(server.url, name));
      assertStringIncludes(page, problem);
    }
  });

  it("are shown as text", async () => {
    const hostile = "</script><script>document.title='taken'</script>";
    await using server = await serving({
      [`${"<b>".repeat(3)}.jsonl`]: [
        startedLine({ name: hostile }),
        ended(hostile, {
          outcome: "failed",
          conclusion: "failed",
          tail: [hostile],
        }),
        "",
      ].join("\n"),
    });
    const list = await textOf(server.url);
    const [, run] = list.match(/href="(run[^"]*)"/)!;
    for (const text of [list, await textOf(server.url + run)]) {
      assertEquals(text.match(/<script/g)?.length, 1);
      assertEquals(text.includes("<b><b>"), false);
    }
  });
});
