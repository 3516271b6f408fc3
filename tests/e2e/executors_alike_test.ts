import { assertEquals } from "@std/assert";
import { readRunResult, WORKFLOW } from "../helpers/alike.ts";
import { CLI, cliEnv, startCli } from "../helpers/cli.ts";
import { startCoordinator } from "../helpers/coordinator.ts";
import { startWorker, type WorkerJob } from "../helpers/coordinator_worker.ts";
import { startApiServer } from "../helpers/kubernetes/api_server.ts";
import { missingForPods } from "../helpers/kubernetes/missing.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Runs a job as a worker does, by the command line of this package. */
async function runForReal(
  { name, command, env, log }: WorkerJob,
  directory: string,
) {
  const path = `${directory}/${name}`;
  await makeFiles(path, {
    "bin/runnerlib": `#!/bin/sh
exec "${Deno.execPath()}" run -A --no-check "${CLI}" "$@"
`,
  });
  await Deno.chmod(`${path}/bin/runnerlib`, 0o755);
  const base = cliEnv();
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", command],
    cwd: path,
    clearEnv: true,
    env: {
      ...base,
      ...env,
      PATH: `${path}/bin:${base.PATH}`,
      RC_WF_OUTPUT_FILE: `${path}/workflow-output.json`,
    },
    stdin: "null",
  }).output();
  for (const [stream, bytes] of Object.entries({ stdout, stderr })) {
    const lines = new TextDecoder().decode(bytes).split("\n").slice(0, -1);
    if (lines.length > 0) log(stream as "stdout" | "stderr", ...lines);
  }
  const output = await Deno.readTextFile(`${path}/workflow-output.json`)
    .catch(() => undefined);
  return { exit_code: code, output };
}

/** Runs the workflow, and returns its output and its files. */
async function runAt(
  path: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
) {
  await makeFiles(path, { "ci.yaml": WORKFLOW });
  await using cli = startCli(
    ["workflow", "run", "ci.yaml", "--source", "none", ...args],
    { cwd: path, env },
  );
  const result = await cli.end();
  return {
    shown: result.stdout + result.stderr,
    ...await readRunResult(path, result),
  };
}

async function atCoordinator(path: string) {
  await using coordinator = startCoordinator();
  startWorker(coordinator, (job) => runForReal(job, `${path}/worker`));
  const args = ["--executor", "coordinator"];
  return await runAt(`${path}/coordinator`, args, coordinator.userEnv);
}

/** Returns `undefined` if this machine cannot run Pods. */
async function onKubernetes(path: string) {
  if (await missingForPods() !== undefined) return undefined;
  await using server = await startApiServer();
  const args = ["--executor", "kubernetes", "--image", "image:1"];
  const env = { KUBECONFIG: server.kubeconfig };
  return await runAt(`${path}/cluster`, args, env);
}

Deno.test("a workflow ends the same way on this machine, at a coordinator and on Kubernetes", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const [local, remote, placed] = await Promise.all([
    runAt(`${path}/local`),
    atCoordinator(path),
    onKubernetes(path),
  ]);
  assertEquals(local.code, 3);
  assertEquals(
    [local.table.length, local.ended.length, local.planned.length],
    [10, 10, 10],
  );
  assertEquals(
    local.log.map((line) => line.replace(/ +\|/g, " |")),
    [
      "broken | it breaks",
      "build | built with $(HOME) $$ 1 $$(HOME) $$",
      "flaky | first | try of steps",
      "flaky | first | try of steps",
      "flaky | second | second step",
      "matrix[0] | item x",
      "matrix[1] | item 1.50",
      "mend | mending",
      "report | reporting",
      "secret | again 1",
      "secret | again 2",
      "secret | again 3",
      "secret | token [REDACTED]",
    ],
  );
  const { shown: _, ...expected } = local;
  for (const other of [remote, placed]) {
    if (other === undefined) continue;
    const { shown, ...result } = other;
    assertEquals(result, expected, shown);
  }
});
