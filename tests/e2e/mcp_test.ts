import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CLI, cliEnv } from "../helpers/cli.ts";
import { runNpmCode } from "../helpers/npm_program.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const SECRET = "s3cr3t-of-the-agent";

const FILES = {
  ".reactorcide/workflows/ci.yaml": `
name: ci
vars: { who: someone }
jobs:
  hello:
    command: echo "hello $RC_WF_VARS_JSON $API_TOKEN"
  broken: { command: echo it breaks; exit 3 }
`,
  "bad.yaml": "steps: 7\n",
};

/** Uses the server as a coding agent does, with the client of the protocol. */
const AGENT = `
import { Client } from "npm:@modelcontextprotocol/sdk@1.32.2/client/index.js";
import { StdioClientTransport } from "npm:@modelcontextprotocol/sdk@1.32.2/client/stdio.js";
const { command, args, env, cwd } = await new Response(Deno.stdin.readable).json();
async function withClient(more, use) {
  const client = new Client({ name: "agent", version: "1" });
  await client.connect(new StdioClientTransport({ command, args: [...args, ...more], env, cwd }));
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}
const call = async (client, name, args = {}) => {
  const { isError, structuredContent, content } = await client.callTool({ name, arguments: args });
  if (JSON.stringify(JSON.parse(content[0].text)) !== JSON.stringify(structuredContent)) throw new Error("differs");
  return [isError, structuredContent];
};
async function until(find) {
  const end = Date.now() + 60_000;
  for (;;) {
    const found = await find().catch(() => undefined);
    if (found) return found;
    if (Date.now() > end) throw new Error("Timed out waiting for " + find);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const readOnly = await withClient([], async (client) => ({
  server: client.getServerVersion().name,
  tools: (await client.listTools()).tools.map(({ name, annotations }) => [name, annotations.readOnlyHint]),
  run: await call(client, "run").catch(({ code }) => code),
  list: await call(client, "list"),
  bad: await call(client, "validate", { file: "bad.yaml" }),
  good: await call(client, "validate", { file: ".reactorcide/workflows/ci.yaml" }),
  none: await call(client, "result"),
}));
const running = await withClient(["--allow-run"], async (client) => {
  const workflow = { kind: "workflow", vars: { who: "agent" } };
  const run = await call(client, "run", workflow);
  const result = await call(client, "result");
  const log = await call(client, "log", { step: "hello" });
  const rest = await call(client, "log", { step: "hello", offset: log[1].offset });
  const only = await call(client, "run", { ...workflow, only: ["hello"] });
  const stop = new AbortController();
  const sleeping = client.callTool({ name: "run", arguments: {} }, undefined, { signal: stop.signal, onprogress: () => {} });
  const pid = await until(async () => Number(await Deno.readTextFile(cwd + "/pid")));
  stop.abort("enough");
  const cancelled = await sleeping.catch((error) => String(error));
  // The server ends it before the client leaves.
  await until(async () => !await Deno.stat("/proc/" + pid).catch(() => undefined));
  const listed = await call(client, "list");
  return { run, result, log, rest, only, cancelled, runs: listed[1].runs.length };
});
console.log(JSON.stringify({ readOnly, running }));
`;

Deno.test("the client of the protocol lists, validates, runs and reads results", async () => {
  await using directory = await temporaryDirectory();
  const { path: cwd } = directory;
  await makeFiles(cwd, {
    ...FILES,
    "job.yaml":
      `job_command: 'echo $$ > "${cwd}/new" && mv "${cwd}/new" "${cwd}/pid" && exec sleep 300'\n`,
  });
  const { code, output } = await runNpmCode(AGENT, {
    cwd,
    stdin: JSON.stringify({
      command: Deno.execPath(),
      args: ["run", "-A", "--no-check", "--quiet", CLI, "mcp"],
      env: cliEnv({ API_TOKEN: SECRET }),
      cwd,
    }),
  });
  assertEquals(code, 0, output);
  assert(!output.includes(SECRET), output);
  const { readOnly, running } = JSON.parse(
    output.split("\n").find((line) => line.startsWith('{"readOnly"'))!,
  );
  assertEquals(readOnly.server, "runnerlib");
  assertEquals(readOnly.tools, [
    ...["list", "validate", "result", "log"].map((name) => [name, true]),
  ]);
  // The server has no tool of this name.
  assertEquals(readOnly.run, -32602);
  const [, { definitions, runs }] = readOnly.list;
  assertEquals(
    definitions.map(({ kind, file }: Record<string, string>) => [kind, file]),
    [["job", "job.yaml"], ["workflow", ".reactorcide/workflows/ci.yaml"]],
  );
  assertEquals(runs, []);
  assertEquals(readOnly.bad[1].isValid, false);
  assertStringIncludes(readOnly.bad[1].problems.join("\n"), "bad.yaml:1");
  assertEquals(readOnly.good[1], { isValid: true, problems: [] });
  assertEquals(readOnly.none[0], true);

  const [isError, { exitCode, log }] = running.run;
  assertEquals([isError, exitCode], [true, 3]);
  assertStringIncludes(log, 'hello  | hello {"who":"agent"} [REDACTED]');
  const [, result] = running.result;
  assertEquals([result.status, result.exitCode], ["failed", 3]);
  assertEquals(
    result.steps.map(({ name, conclusion, exitCode, tail }: {
      [name: string]: unknown;
    }) => [
      ...[name, conclusion, exitCode],
      (tail as string[] | undefined)?.includes("it breaks"),
    ]),
    [
      ["hello", "success", 0, undefined],
      ["broken", "failed", 3, true],
    ],
  );
  assertStringIncludes(
    running.log[1].text,
    '\nhello {"who":"agent"} [REDACTED]\n',
  );
  assertEquals(running.rest[1].text, "");
  assertEquals(running.only[0], false);
  assertStringIncludes(running.cancelled, "enough");
  assert(running.runs > 0);
});
