import { assert, assertEquals, assertMatch } from "@std/assert";
import { startCli } from "../helpers/cli.ts";
import { openEvents } from "../helpers/event_stream.ts";
import { makeGate } from "../helpers/gate.ts";
import { until } from "../helpers/soon.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const JOB = `
steps:
  - name: build
    run: |
      echo first is s3cret-word
      read _ < "$GATE"
      echo second
`;

Deno.test("runnerlib ui shows a run of another process, and a browser that was away misses nothing", async () => {
  await using directory = await temporaryDirectory();
  const { path: cwd } = directory;
  await makeFiles(cwd, { "job.yaml": JOB });
  using gate = await makeGate(cwd);
  await using ui = startCli(["ui"], { cwd });
  await ui.sees("/\n");
  const url = ui.stdout.trim();
  if (Deno.build.os === "linux") {
    // Jobs of the same machine run first.
    await until(() => nicenessOf(ui.child.pid) > 0, "a low priority");
  }
  await using list = await openEvents(`${url}events`);
  await list.sees(({ event }) => event === "change", "an empty list");

  await using run = startCli(["run", "--job-file", "job.yaml"], {
    cwd,
    env: { GATE: gate.path, REACTORCIDE_SECRET_VALUES_LIST: "s3cret-word" },
  });
  await list.sees(() => list.events.length > 1, "the run in the list");
  const [address] = (await read(url)).match(/run\/[0-9a-f]+\//)!;
  let lastId: string;
  {
    await using events = await openEvents(`${url}${address}events`);
    const log = await events.sees(({ event }) => event === "log", "output");
    assertEquals(events.log, "first is [REDACTED]\n");
    assertMatch(await read(`${url}${address}content`), /running/);
    lastId = log.id;
  }
  await gate.open();
  assertEquals((await run.end()).code, 0);
  {
    await using events = await openEvents(`${url}${address}events`, lastId);
    await events.sees(({ event }) => event === "log-end", "the end");
    assertEquals(events.log, "second\n");
    assert(events.events.some(({ event }) => event === "change"));
  }
  assertMatch(await read(url + address), /<title>[^<]*: success<\/title>/);
  assertEquals(
    await read(`${url}${address}log/0.txt`),
    "first is [REDACTED]\nsecond\n",
  );

  ui.child.kill("SIGINT");
  const { code, stdout, stderr } = await ui.end();
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertMatch(stdout, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}\/\n$/);
});

Deno.test("runnerlib ui shows a killed run as interrupted, and a workflow with its jobs", async () => {
  await using directory = await temporaryDirectory();
  const { path: cwd } = directory;
  await makeFiles(cwd, {
    "job.yaml": "steps: [{ name: endless, run: 'echo begun; read _ < $GATE' }]",
    "w.yaml": `
name: two
jobs:
  a: { steps: [{ name: first, run: echo in a }] }
  b: { depends_on: [a], command: echo in b }
`,
  });
  // The step survives its runner and waits there.
  using gate = await makeGate(cwd);
  await using ui = startCli(["ui"], { cwd });
  await ui.sees("/\n");
  const url = ui.stdout.trim();
  await using run = startCli(["run", "--job-file", "job.yaml"], {
    cwd,
    env: { GATE: gate.path },
  });
  await using _ = { [Symbol.asyncDispose]: () => gate.open() };
  await run.sees("begun");
  const [address] = (await read(url)).match(/run\/[0-9a-f]+\//)!;
  const page = `${url}${address}content`;
  await using events = await openEvents(`${url}${address}events`);
  await events.sees(({ event }) => event === "log", "output");
  assertMatch(await read(page), /"title":"[^"]*: running"/);
  run.child.kill("SIGKILL");
  await events.sees(({ event }) => event === "log-end", "the end");
  assertMatch(await read(page), /"title":"[^"]*: interrupted"/);

  const workflow = await runMain(["workflow", "run", "w.yaml"], { cwd });
  assertEquals(workflow.code, 0, workflow.stderr);
  const list = await read(url);
  const [, two] = list.match(/<a href="(run\/[0-9a-f]+\/)">two<\/a>/)!;
  const jobs = await read(url + two);
  assertMatch(jobs, /<title>two: success<\/title>/);
  assertMatch(await read(`${url}${two}log/0.txt`), /in a\n/);
  const [, job] = jobs.match(/<a href="(\.\.\/[0-9a-f]+\/)">Steps of a</)!;
  assertMatch(await read(new URL(job, url + two).href), /first/);
});

Deno.test("runnerlib ui reports why it cannot start", async () => {
  await using directory = await temporaryDirectory();
  const { path: cwd } = directory;
  await makeFiles(cwd, { file: "" });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const rows: [args: string[], code: number, message: RegExp][] = [
    [["none"], 1, /Cannot show the runs in "none": no such file/i],
    [["file"], 1, /Cannot show the runs in "file": it is not a directory/],
    [["/"], 1, /it is the root of the file system/],
    [["--port", "x"], 2, /--port must be a number up to 65535, not "x"/],
    [["--port", "65536"], 2, /--port must be/],
    [["--port", String(port)], 1, /Cannot listen on port \d+: .*in use/i],
  ];
  for (const [args, code, message] of rows) {
    const result = await runMain(["ui", ...args], { cwd });
    assertEquals(result.code, code, args.join(" "));
    assertMatch(result.stderr, message);
  }
});

async function read(url: string): Promise<string> {
  const response = await fetch(url);
  assertEquals(response.status, 200);
  return await response.text();
}

/** The niceness of a process, the 19th field of its status. */
function nicenessOf(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[16]);
}
