import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type RunningCli, startCli } from "../helpers/cli.ts";
import { startCoordinator } from "../helpers/coordinator.ts";
import { startWorker, type Work } from "../helpers/coordinator_worker.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import { soon, until } from "../helpers/soon.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const CHAIN = `
name: CI
jobs:
  a: { command: a }
  b: { needs: a, command: b }
  c: { needs: b, command: c }
`;

/** A coordinator whose jobs end when the test decides. */
async function setUp(file = CHAIN) {
  const stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  await makeFiles(path, { "ci.yaml": file });
  const coordinator = stack.use(startCoordinator());
  const gates = new Map<string, PromiseWithResolvers<number>>();
  const gateOf = (name: string) => {
    const gate = gates.get(name) ?? Promise.withResolvers<number>();
    gates.set(name, gate);
    return gate;
  };
  const work: Work = async ({ name, log, isCancelled }) => {
    log("stdout", `${name} begins`);
    let code: number | undefined;
    void gateOf(name).promise.then((given) => code = given);
    await until(
      () => code !== undefined || isCancelled(),
      `the end of ${name}`,
    );
    log("stdout", `${name} ends`);
    return code ?? 143;
  };
  const worker = startWorker(coordinator, work);
  const start = (args: string[], env: Record<string, string> = {}) =>
    stack.use(startCli(args, {
      cwd: path,
      env: { ...coordinator.userEnv, ...env },
    }));
  return {
    path,
    coordinator,
    worker,
    /** Lets a job end. */
    end: (name: string, code = 0) => gateOf(name).resolve(code),
    run: (...args: string[]) =>
      start([
        ...["workflow", "run", "ci.yaml", "--executor", "coordinator"],
        ...["--source", "none", ...args],
      ]),
    attach: (id: string) => start(["workflow", "attach", id]),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Ends a runner without a chance to clean up. */
async function kill(runner: RunningCli): Promise<void> {
  runner.child.kill("SIGKILL");
  await runner.child.status;
}

/** Returns the ID in the advice of a runner. */
function idIn(text: string): string {
  return /workflow attach ([\w-]+)/.exec(text)?.[1] ?? "";
}

Deno.test("workflow attach follows a workflow whose runner was killed", async () => {
  await using setting = await setUp();
  const first = setting.run();
  await first.sees("a | a begins");
  const id = idIn(first.stderr);
  await kill(first);
  setting.end("a");
  await until(() => setting.worker.started.includes("b"), "the second job");
  const second = setting.attach(id);
  await second.sees("b | b begins");
  setting.end("b", 5);
  const { code, stdout, stderr } = await soon(second.end(), "the end");
  assertEquals(code, 5);
  assertEquals(stdout.trimEnd().split("\n"), [
    ...["a | a begins", "a | a ends", "b | b begins", "b | b ends"],
  ]);
  assertStringIncludes(stderr, '– c  skipped         –  "b" failed');
  assertEquals(setting.worker.started, ["a", "b"]);
  assertEquals(setting.worker.looseCount, 1);
});

Deno.test("workflow run --resume never submits a workflow twice, wherever its runner was killed", async () => {
  // The runner is killed while it waits for the response to one of its requests.
  const cases = [[0, "hang"], [0, "late"], [1, "late"]] as const;
  await Promise.all(cases.map(async ([at, waits]) => {
    await using setting = await setUp();
    const { coordinator } = setting;
    coordinator.troubles.push(
      ...Array.from({ length: at }, () => ({ slowMs: 0 })),
      waits === "hang" ? "hang" : "late",
    );
    const hint = `request ${at}, ${waits}`;
    const first = setting.run();
    await until(() => coordinator.requests.length > at, hint);
    if (waits === "late") {
      const { jobs } = coordinator;
      await until(() => [jobs.rows, jobs.workflows][at].length > 0, hint);
    }
    await kill(first);
    for (const name of ["a", "b", "c"]) setting.end(name);
    const { code, stderr } = await soon(setting.run("--resume").end(), hint);
    assertEquals(code, 0, `${hint}: ${stderr}`);
    assertEquals(setting.worker.started, ["a", "b", "c"], hint);
    assertEquals(coordinator.jobs.workflows.length, 1, hint);
    assertEquals(setting.worker.looseCount, 1, hint);
    assertEquals((await soon(setting.run("--resume").end(), hint)).code, 0);
    assertEquals(setting.worker.started.length, 3, hint);
  }));
});

Deno.test("workflow run --detach submits a workflow, and attach follows it from anywhere", async () => {
  await using setting = await setUp();
  const { code, stdout } = await soon(setting.run("--detach").end(), "the id");
  assertEquals(code, 0);
  const id = idIn(stdout);
  setting.end("a");
  await until(() => setting.worker.started.includes("b"), "the second job");
  await using elsewhere = await temporaryDirectory();
  await using far = startCli(["workflow", "attach", id], {
    cwd: elsewhere.path,
    env: setting.coordinator.userEnv,
  });
  await far.sees("b | b begins");
  const near = setting.attach(id);
  await near.sees("b | b begins");
  setting.end("b");
  setting.end("c");
  const ends = await soon(Promise.all([far.end(), near.end()]), "both ends");
  for (const { code, stdout, stderr } of ends) {
    assertEquals(code, 0, stderr);
    assertEquals(
      stdout.trimEnd().split("\n").sort(),
      ["a", "b", "c"].flatMap((name) => [
        `${name} | ${name} begins`,
        `${name} | ${name} ends`,
      ]),
    );
    assertStringIncludes(stderr, "✓ c  success");
  }
  assertEquals(setting.worker.started, ["a", "b", "c"]);
});

Deno.test("Ctrl-C cancels the workflow at the coordinator", async () => {
  await using setting = await setUp(`${CHAIN}  d: { command: d }\n`);
  setting.end("d");
  const runner = setting.run();
  await runner.sees("d: completed", "stderr");
  runner.child.kill("SIGINT");
  const { code, stderr } = await soon(runner.end(), "the end");
  assertEquals(code, 130);
  const { jobs } = setting.coordinator;
  assertEquals(jobs.rows.slice(1).map(({ status }) => status).sort(), [
    ...["cancelled", "completed"],
  ]);
  assertEquals(jobs.statusOf(jobs.workflows[0]), "cancelled");
  assertStringIncludes(stderr, "– a  cancelled");
  assert(!setting.worker.started.includes("b"));
});

Deno.test("a second Ctrl-C kills the jobs, and one during the submission leaves nothing behind", async () => {
  {
    await using setting = await setUp(
      "name: CI\njobs: { stubborn: { command: x } }\n",
    );
    const { coordinator } = setting;
    const runner = setting.run();
    await runner.sees("stubborn: running", "stderr");
    // Its worker does not notice the cancellation.
    coordinator.jobs.cancel =
      ((original) => (id, how) =>
        how === "kill" && original.call(coordinator.jobs, id, how))(
          coordinator.jobs.cancel,
        );
    runner.child.kill("SIGINT");
    await until(
      () => coordinator.requests.some(({ method }) => method === "PUT"),
      "the cancellation",
    );
    runner.child.kill("SIGINT");
    assertEquals((await soon(runner.end(), "the end")).code, 130);
    assert(coordinator.requests.some(({ path }) => path.endsWith("/kill")));
  }
  await using setting = await setUp();
  const { coordinator } = setting;
  // The document arrives, but the response does not.
  coordinator.troubles.push({ slowMs: 0 }, "late");
  const runner = setting.run();
  await until(() => coordinator.jobs.workflows.length > 0, "the document");
  runner.child.kill("SIGINT");
  const { code, stderr } = await soon(runner.end(), "the end");
  assertEquals(code, 130, stderr);
  const { jobs } = coordinator;
  await until(
    () => jobs.statusOf(jobs.workflows[0]) === "cancelled",
    "the cancellation",
  );

  await using other = await setUp();
  // The document has not arrived yet, and is not sent again.
  other.coordinator.troubles.push({ slowMs: 0 }, "hang");
  const second = other.run();
  await until(() => other.coordinator.requests.length > 1, "the document");
  second.child.kill("SIGINT");
  const cancelled = await soon(second.end(), "the end");
  assertEquals(cancelled.code, 130, cancelled.stderr);
  const id = idIn(cancelled.stderr);
  const again = await soon(other.attach(id).end(), "the answer");
  assertStringIncludes(again.stderr, "cancelled before it reached");
  assertEquals(other.coordinator.jobs.workflows, []);
});

Deno.test("workflow run --executor coordinator submits the commit that is checked out, if a remote has it", async () => {
  await using setting = await setUp("name: CI\njobs: { a: { command: a } }\n");
  const { path, coordinator } = setting;
  setting.end("a");
  const repository = await makeRepository(path);
  await repository.git("add", "ci.yaml");
  await repository.git("commit", "-q", "-m", "first");
  const run = async () =>
    await soon(
      startCli([
        ...["workflow", "run", "ci.yaml", "--executor", "coordinator"],
      ], { cwd: path, env: coordinator.userEnv }).end(),
      "the end",
    );
  const alone = await run();
  assertStringIncludes(alone.stderr, 'its repository has no remote "origin"');
  await using remote = await temporaryDirectory();
  await repository.git("init", "-q", "--bare", remote.path);
  await repository.git("remote", "add", "origin", remote.path);
  const unpushed = await run();
  assertEquals(await exists(`${path}/.reactorcide/workflow-state.json`), false);
  assertStringIncludes(
    unpushed.stderr,
    "is not on a branch of a remote; push it",
  );
  await repository.git("push", "-q", "origin", "HEAD:refs/heads/main");
  await repository.git("fetch", "-q", "origin");
  assertEquals(coordinator.requests, []);
  await Deno.writeTextFile(`${path}/more.txt`, "more");
  const { code, stderr } = await run();
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "without the uncommitted changes");
  const [{ job }] = coordinator.jobs.nodes;
  assertEquals(
    [job.source_type, job.source_url, job.source_ref],
    ["git", remote.path, await repository.git("rev-parse", "HEAD")],
  );
});
