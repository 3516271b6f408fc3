import { assertEquals, assertStringIncludes } from "@std/assert";
import { CLI, cliEnv, type CliResult, startCli } from "../helpers/cli.ts";
import { startCoordinator } from "../helpers/coordinator.ts";
import { startWorker, type WorkerJob } from "../helpers/coordinator_worker.ts";
import { soon } from "../helpers/soon.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const EIGHT = `
name: eight
vars: { base: 1 }
jobs:
  matrix:
    command: echo "item $ITEM"
    for_each: [x, "1.50"]
  version:
    command: |
      echo '{"outputs":{"number":"1.2"},"vars":{"v":[2]}}' > "$RC_WF_OUTPUT_FILE"
  build:
    needs: [matrix, version]
    command: |
      for part in '"base":1' '"v":[2]' '"version.number":"1.2"'; do
        case $RC_WF_VARS_JSON in *"$part"*) ;; *) exit 9 ;; esac
      done
  secret:
    command: echo "token $TOKEN"; for i in 1 2 3; do echo again $i; done
    environment: { TOKEN: s3cr3t-t0k3n-of-a-job }
    secret_env_names: [TOKEN]
  broken:
    command: echo it breaks; exit 3
  mend:
    needs: broken
    condition: any_failed
    command: echo mending
  never:
    needs: [broken, build]
    command: echo never
  report:
    needs: [never, mend]
    condition: always
    command: echo reporting
`;

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

/** What a run shows and leaves behind, but for its times. */
async function resultOf(path: string, { code, stdout, stderr }: CliResult) {
  const record = await Deno.readTextFile(
    `${path}/.reactorcide/workflow/run.jsonl`,
  );
  const events = record.trimEnd().split("\n").map((line) => JSON.parse(line));
  const ended = events.filter(({ event }) => event === "step.ended")
    .map(({ step, outcome, conclusion, exitCode, reason }) => ({
      ...{ step, outcome, conclusion, exitCode, reason },
    }))
    .sort((a, b) => a.step < b.step ? -1 : 1);
  const planned = events.find(({ event }) => event === "run.planned")?.steps;
  const last = events.at(-1);
  return {
    code,
    planned,
    ended,
    status: [last.event, last.status, last.exitCode],
    table: stderr.slice(stderr.indexOf("\n\n") + 2).split("\n")
      .filter((line) => /^[✓✗–] .* {2}/.test(line))
      .map((line) => line.replace(/ +[\d.]+s(?= {2}|$)/, " 0s")),
    log: stdout.split("\n")
      .filter((line) =>
        / \| (item|token|again|it breaks|mending|reporting)/.test(line)
      )
      .sort(),
    states: JSON.parse(
      await Deno.readTextFile(`${path}/.reactorcide/workflow-state.json`),
    ).jobs,
  };
}

/** How each job of a saved state has ended. */
function endsOf(
  jobs: Record<string, { status: string; exitCode: number | null }>,
) {
  return Object.entries(jobs)
    .map(([key, { status, exitCode }]) => [key, status, exitCode])
    .sort();
}

Deno.test("a workflow ends alike on this machine and at a coordinator", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "local/ci.yaml": EIGHT,
    "remote/ci.yaml": EIGHT,
  });
  await using coordinator = startCoordinator();
  startWorker(coordinator, (job) => runForReal(job, `${path}/worker`));
  const run = async (place: string, ...args: string[]) => {
    const cwd = `${path}/${place}`;
    await using cli = startCli(
      ["workflow", "run", "ci.yaml", "--source", "none", ...args],
      { cwd, env: coordinator.userEnv },
    );
    return await resultOf(cwd, await soon(cli.end(), place));
  };
  const [{ states: local, ...here }, { states: remote, ...there }] =
    await Promise.all([
      run("local"),
      run("remote", "--executor", "coordinator"),
    ]);
  assertEquals(there, here);
  assertEquals(here.code, 3);
  assertEquals(
    [here.table.length, here.ended.length, here.planned.length],
    [9, 9, 9],
  );
  assertEquals(endsOf(remote), endsOf(local));
  assertStringIncludes(here.log.join("\n"), "secret    | token [REDACTED]");
});
