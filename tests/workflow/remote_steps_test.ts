import { assertEquals, assertMatch } from "@std/assert";
import { readWorkflow } from "../../src/workflow/definition/read_workflow.ts";
import { localJob } from "../../src/workflow/local/local_job.ts";
import {
  remoteStepsProblem,
  withRemoteSteps,
} from "../../src/workflow/remote_steps.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Reads the only job of a workflow. */
async function jobOf(path: string, steps: string) {
  await makeFiles(path, {
    "w.yaml":
      `name: w\njobs:\n  a:\n    environment: { A: "1" }\n    steps: ${steps}\n`,
  });
  const { jobs } = await readWorkflow(path, "w.yaml", { onWarning: () => {} });
  return localJob(jobs[0]);
}

Deno.test("withRemoteSteps() passes the steps to a runner as written", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const run = "echo '$$' $HOME \"é\" \\\\\nEND\n";
  const job = await jobOf(
    path,
    `[{ name: one, env: { N: 010 }, retry: 2, run: ${JSON.stringify(run)} }]`,
  );
  const { command = "", env, steps, isWrapped } = withRemoteSteps(job);
  assertEquals([steps, isWrapped, env.A], [undefined, false, "1"]);
  await makeFiles(path, {
    runnerlib: '#!/bin/sh\necho "$* ${RUNNERLIB_STEPS-unset} $A"; cat\n',
  });
  await Deno.chmod(`${path}/runnerlib`, 0o755);
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", command],
    clearEnv: true,
    env: { ...env, PATH: `${path}:/usr/bin:/bin` },
  }).output();
  const [called, content] = new TextDecoder().decode(stdout).split("\n");
  assertEquals(called, "run --job-file=- unset 1");
  assertEquals(JSON.parse(content), {
    steps: [{ name: "one", env: { N: "010" }, retry: 2, run }],
  });
});

Deno.test("remoteStepsProblem() explains why steps cannot run remotely", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const problem = async (steps: string) =>
    remoteStepsProblem(await jobOf(path, steps));
  assertEquals(await problem("[{ name: one, run: make }]"), undefined);
  assertMatch(
    await problem(
      '[{ name: one, run: make, env: { A: "${secret:a:b:c}" } }]',
    ) ??
      "",
    /refer to secrets/,
  );
  assertMatch(
    await problem(`[{ name: one, run: ${"x".repeat(100_000)} }]`) ?? "",
    /larger than 98304 bytes/,
  );
});
