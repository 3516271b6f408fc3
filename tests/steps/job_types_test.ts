import { assertEquals } from "@std/assert";
import { Job } from "../../src/steps/job.ts";

// These tests pass if the type checker accepts this file.

Deno.test("Job.addStep() types the names and outputs of earlier steps", () => {
  const job = new Job("typed")
    .addStep("checkout", "git clone")
    .addStep("count", () => ({ n: 3 }))
    .addStep("later", async ({ print }) => {
      await print("soon");
      return "text";
    })
    .addStep("each", () => 5, { forEach: ["a", "b"] })
    .addStep("matrix", ["deno", "test"], {
      dependsOn: ["checkout"],
      matrix: { axes: { os: ["linux"] } },
    })
    .addStep("sees", ({ outputs }) => {
      const n: number = outputs.count.n;
      const text: string = outputs.later;
      const each: readonly number[] = outputs.each;
      const matrix: readonly Readonly<Record<string, string>>[] =
        outputs.matrix;
      // @ts-expect-error No step that this one depends on.
      outputs.checkout;
      return { n, text, each, matrix };
    }, { dependsOn: ["count", "later", "each", "matrix"] })
    .addStep("maybe", ({ outputs }) => {
      const n: number | undefined = outputs.count?.n;
      // @ts-expect-error The step may have failed without a value.
      outputs.count.n;
      return n;
    }, { dependsOn: ["count"], condition: "always" });
  assertEquals(job.steps.length, 7);
});

Deno.test("Job.addStep() rejects dependencies that were not added before", () => {
  const job = new Job("typed").addStep("test", "true");
  // @ts-expect-error There is no such step.
  job.addStep("build", "true", { dependsOn: ["tset"] });
  // @ts-expect-error There is no such step.
  job.addStep("deploy", () => 1, { dependsOn: ["build"] });
  assertEquals(job.steps.length, 3);
});
