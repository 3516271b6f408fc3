/**
 * Steps that hand values on, as typed properties or in a shell:
 * `runnerlib exec examples/outputs.ts`.
 *
 * @module
 */
import { Job, runJob } from "@reactorcide/runnerlib";

const job = new Job("release")
  .addStep("version", () => ({ tag: "1.2.3" }))
  .addStep("digest", 'echo "sum=abc" >> "$REACTORCIDE_OUTPUT"')
  .addStep("image", async ({ outputs, run }) => {
    await run(`echo building ${outputs.version.tag}`);
    return { name: `app:${outputs.version.tag}` };
  }, { dependsOn: ["version"] })
  .addStep(
    "publish",
    'echo "publishing $REACTORCIDE_OUTPUT_IMAGE_NAME, $REACTORCIDE_OUTPUT_DIGEST_SUM"',
    { dependsOn: ["image", "digest"] },
  );

const { exitCode } = await runJob(job, { cwd: "/job" });
Deno.exit(exitCode);
