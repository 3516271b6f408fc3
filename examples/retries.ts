/**
 * Steps that fail at first, or take too long:
 * `runnerlib exec examples/retries.ts`.
 *
 * @module
 */
import { Job, runJob } from "@reactorcide/runnerlib";

const job = new Job("flaky")
  .addStep(
    "download",
    "if [ -e .tried ]; then echo downloaded; else touch .tried; exit 75; fi",
    { retry: { attempts: 3, delayMs: 10, exitCodes: [75] } },
  )
  .addStep("hang", "sleep 60", { timeoutMs: 200, required: false })
  .addStep("report", "echo done", {
    dependsOn: ["download", "hang"],
    condition: "always",
  });

const { steps, exitCode } = await runJob(job, { cwd: "/job" });
for (const { name, conclusion, attempts, exitCode } of steps) {
  console.log(`${name}: ${conclusion}, attempts ${attempts}, code ${exitCode}`);
}
Deno.exit(exitCode);
