/**
 * A job that asks for the next one: `runnerlib exec examples/follow_up.ts`.
 *
 * @module
 */
import { runJob, triggerJob } from "@reactorcide/runnerlib";

triggerJob("deploy-staging", {
  env: { DEPLOY_TARGET: "staging" },
  jobCommand: "./deploy.sh",
});
triggerJob("verify", {
  dependsOn: ["deploy-staging"],
  jobCommand: "./verify.sh",
});

const { exitCode, triggers } = await runJob({
  command: "echo testing",
  cwd: "/job",
});
console.log(`next: ${triggers.map(({ name }) => name).join(", ")}`);
Deno.exit(exitCode);
