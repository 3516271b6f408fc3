/**
 * Tests code that nobody has read yet: the trusted CI code decides what is run,
 * the code of the pull request gets no secret.
 *
 * `runnerlib exec examples/pull_request.ts CI_REPOSITORY SOURCE_REPOSITORY`
 *
 * @module
 */
import { Job, runJob } from "@reactorcide/runnerlib";

const [ciSourceUrl, sourceUrl] = Deno.args;

const job = new Job("pull-request")
  .addStep("test", "sh ../ci/run_tests.sh", { untrusted: true })
  .addStep("report", 'echo "reporting with $REPORT_TOKEN"', {
    dependsOn: ["test"],
    condition: "always",
  });

const { exitCode } = await runJob(job, {
  ciSource: { type: "git", url: ciSourceUrl },
  source: { type: "git", url: sourceUrl },
  env: { REPORT_TOKEN: "r3p0rt-t0k3n" },
  secrets: { envNames: ["REPORT_TOKEN"] },
});
Deno.exit(exitCode);
