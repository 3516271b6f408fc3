import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runMain } from "../helpers/run_main.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

// deno-lint-ignore no-explicit-any
type Message = any;

const INITIALIZE = {
  jsonrpc: "2.0",
  id: "start",
  method: "initialize",
  params: {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "test", version: "1" },
  },
};

/** Sends lines, and returns the responses by their IDs. */
async function exchange(
  cwd: string,
  lines: readonly unknown[],
  args: readonly string[] = [],
): Promise<Message[]> {
  const stdin = lines
    .map((line) => typeof line === "string" ? line : JSON.stringify(line))
    .join("\n") + "\n";
  const { code, stdout, stderr } = await runMain(["mcp", ...args], {
    cwd,
    stdin,
    env: { API_TOKEN: "t0ken-of-the-user" },
  });
  assertEquals([code, stderr], [0, ""]);
  return stdout.trimEnd().split("\n").filter(Boolean).map((line) => {
    const message = JSON.parse(line);
    assertEquals(message.jsonrpc, "2.0");
    return message;
  });
}

function request(id: unknown, method: string, params?: unknown) {
  return { jsonrpc: "2.0", id, method, params };
}

function call(id: unknown, name: unknown, args?: unknown) {
  return request(id, "tools/call", { name, arguments: args });
}

/** A record that a job has written, with the log of its step. */
function forgedRecord(log: string): string {
  const time = new Date().toISOString();
  const record = [
    {
      event: "run.started",
      ...{ time, ms: 0, version: 1, kind: "job", id: "forged", name: "forged" },
      runner: { version: "0", deno: "2" },
      trace: {
        traceId: "1".repeat(32),
        spanId: "1".repeat(16),
        sampled: false,
      },
    },
    {
      event: "run.planned",
      ...{ time, ms: 0, steps: [{ dependsOn: [], name: "s" }] },
    },
    {
      event: "step.ended",
      ...{ time, ms: 1, step: "s", outcome: "success", conclusion: "success" },
      ...{ exitCode: 0, signal: null, startedAt: time, durationMs: 1 },
      ...{ attempts: [], log, tail: [] },
    },
  ];
  return record.map((event) => JSON.stringify(event)).join("\n");
}

Deno.test("mcp answers nothing but ping before it is initialized, and only once", async () => {
  await using directory = await temporaryDirectory();
  const responses = await exchange(directory.path, [
    request(1, "tools/list"),
    call(2, "list", {}),
    request(3, "ping"),
    request(4, "initialize", {}),
    INITIALIZE,
    INITIALIZE,
    request(5, "tools/list"),
    request(6, "resources/list"),
    { jsonrpc: "2.0", method: "notifications/unknown", params: {} },
  ]);
  const short = responses.map(({ id, error, result }) => [
    id,
    error?.code ?? Object.keys(result).join(),
  ]);
  assertEquals(short.sort(), [
    [1, -32600],
    [2, -32600],
    [3, ""],
    [4, -32602],
    [5, "tools"],
    [6, -32601],
    ["start", -32600],
    ["start", "protocolVersion,capabilities,serverInfo,instructions"],
  ]);
});

Deno.test("mcp reports messages of any other shape, and continues", async () => {
  await using directory = await temporaryDirectory();
  const wrong = [
    "{",
    "[]",
    "7",
    "null",
    `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
    `{"jsonrpc":"2.0","id":${'{"a":'.repeat(50_000)}1${
      "}".repeat(50_000)
    },"method":"ping"}`,
    request(2, "ping", { text: "x".repeat(2 * 1024 * 1024) }),
    [INITIALIZE],
    { ...INITIALIZE, jsonrpc: "1.0" },
    request(null, "ping"),
    request(1.5, "ping"),
    request({}, "ping"),
    request([1], "ping"),
    request(undefined, 7 as unknown as string),
    { jsonrpc: "2.0", id: 1, result: {} },
    request(1, "ping", []),
    request(1, "ping", "x"),
    "\u0000",
  ];
  const responses = await exchange(directory.path, [
    ...wrong,
    "",
    INITIALIZE,
    request(9, "ping"),
  ]);
  assertEquals(responses.length, wrong.length + 2);
  const errors = responses.slice(0, -2).map(({ error }) => error.code);
  assertEquals(new Set(errors), new Set([-32700, -32600]));
  assertEquals(responses.at(-1), { jsonrpc: "2.0", id: 9, result: {} });
});

Deno.test("mcp refuses wrong arguments, and paths out of its directory", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "outside/secret.yaml": "job_command: echo leaked\n",
    "outside/logs/s.log": "leaked\n",
    "at/job.yaml": "job_command: echo ran > ran\n",
    "at/run.jsonl": forgedRecord(`${path}/outside/logs/s.log`),
  });
  await Deno.symlink(`${path}/outside`, `${path}/at/link`);
  await Deno.symlink(`${path}/outside/logs`, `${path}/at/logs`);
  const wrong: [name: unknown, args: unknown, part: string][] = [
    ["validate", { file: "../outside/secret.yaml" }, "outside"],
    ["validate", { file: `${path}/outside/secret.yaml` }, "outside"],
    ["validate", { file: "link/secret.yaml" }, "outside"],
    ["run", { file: "link/secret.yaml" }, "outside"],
    ["run", { file: "a\0b" }, "NUL"],
    ["run", { file: ["job.yaml"] }, "must be a string"],
    ["run", { file: "x".repeat(5_000) }, "must be a string"],
    ["run", { kind: "pipeline" }, "must be"],
    ["run", { only: "x" }, "must be a list"],
    ["run", { only: [1] }, "must be a list"],
    ["run", { kind: "workflow", vars: { a: 1 } }, "must map names to strings"],
    [
      "run",
      { kind: "workflow", vars: { "a=b": "c" } },
      "must map names to strings",
    ],
    ["run", { kind: "job", vars: { a: "b" } }, "is for workflows"],
    ["run", { command: "id" }, "does not exist"],
    ["list", { "--json": true }, "does not exist"],
    ["log", {}, "is required"],
    ["log", { step: "s", offset: -1 }, "whole number"],
    ["log", { step: "s", offset: "1" }, "whole number"],
    ["log", { step: "s" }, "has no log"],
    ["log", { step: "other" }, "has no step"],
    ["result", { run: "../../etc/passwd" }, "not in the list"],
  ];
  const calls = [
    ...wrong.map(([name, args], id) => call(id, name, args)),
    call("a", "constructor", {}),
    call("b", ["list"], {}),
    call("c", "list", []),
    call("d", "toString", {}),
  ];
  const byId = new Map<unknown, Message>();
  // A server takes a limited number of calls at the same time.
  for (let at = 0; at < calls.length; at += 10) {
    const responses = await exchange(
      `${path}/at`,
      [INITIALIZE, ...calls.slice(at, at + 10)],
      ["--allow-run"],
    );
    for (const message of responses) byId.set(message.id, message);
  }
  for (const [id, [name, args, part]] of wrong.entries()) {
    const { result } = byId.get(id);
    const hint = JSON.stringify([name, args, result]);
    assert(result.isError, hint);
    assertStringIncludes(result.structuredContent.error, part, hint);
    assert(!hint.includes("leaked"), hint);
  }
  for (const id of ["a", "b", "c", "d"]) {
    assertEquals(byId.get(id).error.code, -32602, id);
  }
  // None of these calls has run anything.
  assertEquals(await exists(`${path}/at/ran`), false);
  assertEquals(await exists(`${path}/at/job`), false);
});

Deno.test("mcp runs nothing without --allow-run, and masks what it shows", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "job.yaml": "description: uses t0ken-of-the-user\njob_command: touch ran\n",
    "run.jsonl": forgedRecord("logs/s.log"),
    "logs/s.log": "the job wrote t0ken-of-the-user itself\n",
  });
  const [, list, run, log] = await exchange(path, [
    INITIALIZE,
    call(1, "list"),
    call(2, "run", {}),
    call(3, "log", { step: "s" }),
  ]).then((all) => all.sort((a, b) => String(a.id) > String(b.id) ? 1 : -1))
    .then(([first, second, third, start]) => [start, first, second, third]);
  assertEquals(run.error.code, -32602);
  const text = JSON.stringify([list, log]);
  assertStringIncludes(text, "uses [REDACTED]");
  assertStringIncludes(text, "the job wrote [REDACTED] itself");
  assert(!text.includes("t0ken"));
  assertEquals(await exists(`${path}/ran`), false);
});

Deno.test("mcp ends what it runs when its input ends, and answers calls that only read", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, { "job.yaml": "job_command: sleep 300; touch ran\n" });
  const responses = await exchange(path, [
    INITIALIZE,
    call(1, "run", {}),
    call(2, "list", {}),
    call(1, "run", {}),
  ], ["--allow-run"]);
  assertEquals(
    responses.map(({ id, error }) => [id, error?.code]).toSorted(),
    // The ID of a call that runs is taken.
    [[1, -32600], [2, undefined], ["start", undefined]],
  );
  assertEquals(await exists(`${path}/ran`), false);
});

Deno.test("mcp needs a client and a directory", async () => {
  await using directory = await temporaryDirectory();
  const { path: cwd } = directory;
  const alone = await runMain(["mcp"], { cwd });
  assertEquals(alone.code, 2);
  const none = await runMain(["mcp", "none"], { cwd, stdin: "" });
  assertEquals(none.code, 1);
  assertStringIncludes(none.stderr, 'Cannot serve "none"');
});
