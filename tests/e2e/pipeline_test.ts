import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { cliEnv, REPOSITORY } from "../helpers/cli.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Runs a TypeScript pipeline that imports the package by its public name. */
async function runPipeline(cwd: string, source: string, check = "--no-check") {
  await makeFiles(cwd, { "pipeline.ts": source });
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--config",
      `${REPOSITORY}/deno.json`,
      check,
      "pipeline.ts",
    ],
    cwd,
    clearEnv: true,
    env: cliEnv(),
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

describe("a pipeline", () => {
  it("runs a job with its own plugin, as in the design", async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout, stderr } = await runPipeline(
      directory.path,
      `
import { type Plugin, type PluginContext, registerPlugin, runJob } from "@reactorcide/runnerlib";

class CustomBuildPlugin implements Plugin {
  readonly name = "custom_build";
  readonly priority = 50;

  supportedPhases() {
    return ["pre_execution", "post_execution"] as const;
  }

  preExecution(context: PluginContext) {
    console.log("Setting up custom build environment...");
    context.env.BUILD_ID = "42";
  }

  postExecution(context: PluginContext) {
    if (context.exitCode === 0) console.log("Build succeeded! Uploading artifacts...");
  }
}

registerPlugin(new CustomBuildPlugin());

const { exitCode } = await runJob({
  command: "echo building $BUILD_ID && pwd",
  sourceDir: "/job/src",
  artifactsDir: "/job/artifacts",
});
Deno.exit(exitCode);
`,
      "--check",
    );
    assertEquals(code, 0, stderr);
    assertEquals(
      stdout,
      `Setting up custom build environment...
building 42
${await Deno.realPath(directory.path)}/job/src
Build succeeded! Uploading artifacts...
`,
    );
  });

  it("triggers follow-up jobs, which are written if the job succeeds", async () => {
    await using directory = await temporaryDirectory();
    const source = (command: string) => `
import { runJob, triggerJob, triggerJobs } from "@reactorcide/runnerlib";
triggerJobs([
  { name: "build-linux", env: { PLATFORM: "linux" } },
  { name: "build-macos", env: { PLATFORM: "macos" }, dependsOn: ["build-linux"] },
]);
triggerJob("deploy-staging", { dependsOn: ["build-macos"], condition: "any_failed", timeoutSeconds: 60 });
const result = await runJob({ command: ${JSON.stringify(command)} });
Deno.exit(result.exitCode);
`;
    const file = `${directory.path}/job/triggers.json`;
    const failed = await runPipeline(directory.path, source("exit 5"));
    assertEquals(failed.code, 5);
    assertStringIncludes(
      failed.stderr,
      "Follow-up jobs discarded because the job failed: build-linux, build-macos, deploy-staging",
    );
    for (let round = 0; round < 2; round++) {
      const { code, stderr } = await runPipeline(
        directory.path,
        source("true"),
      );
      assertEquals(code, 0, stderr);
      const { operation_id, ...document } = JSON.parse(
        await Deno.readTextFile(file),
      );
      assertEquals(typeof operation_id, "string");
      assertEquals(document, {
        type: "trigger_job",
        trigger_type: "runnerlib",
        jobs: [
          {
            job_name: "build-linux",
            depends_on: [],
            condition: "all_success",
            env: { PLATFORM: "linux" },
          },
          {
            job_name: "build-macos",
            depends_on: ["build-linux"],
            condition: "all_success",
            env: { PLATFORM: "macos" },
          },
          {
            job_name: "deploy-staging",
            depends_on: ["build-macos"],
            condition: "any_failed",
            env: {},
            timeout: 60,
          },
        ],
      });
    }
  });

  it("that is terminated by a signal ends its job first", async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout } = await runPipeline(
      directory.path,
      `
import { runJob } from "@reactorcide/runnerlib";
const job = runJob({ command: "kill -TERM $PPID; sleep 1000" });
const { status, exitCode } = await job;
console.log(status);
Deno.exit(exitCode);
`,
    );
    assertEquals([code, stdout], [143, "cancelled\n"]);
  });

  it("warns about follow-up jobs that it queues and never submits", async () => {
    await using directory = await temporaryDirectory();
    const { code, stderr } = await runPipeline(
      directory.path,
      `
import { flushTriggers, runJob, triggerJob } from "@reactorcide/runnerlib";

triggerJob("build");
await flushTriggers();
const { exitCode } = await runJob({ command: "true" });
if (exitCode === 0) triggerJob("deploy");
Deno.exit(exitCode);
`,
    );
    assertEquals(code, 0, stderr);
    assertEquals(stderr.match(/never submitted: (.*?)\./g), [
      "never submitted: deploy.",
    ]);
  });
});
