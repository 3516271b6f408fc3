import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Job } from "../../src/steps/job.ts";
import { testRunner } from "../helpers/test_runner.ts";

const ITEMS = ["a", "b", "c", "d"];

describe("a step with several items", () => {
  it("runs no more of them at once than max_parallel allows", async () => {
    await using test = await testRunner();
    let running = 0;
    let most = 0;
    const both = Promise.withResolvers<void>();
    const result = await test.runner.runJob(
      new Job("x").addStep("test", async () => {
        most = Math.max(most, ++running);
        if (running === 2) both.resolve();
        await both.promise;
        running--;
      }, { forEach: ITEMS, maxParallel: 2 }),
      { limits: { concurrency: 8 } },
    );
    assertEquals([result.status, most], ["success", 2]);
  });

  it("cancels the other items when one fails, with fail_fast", async () => {
    await using test = await testRunner();
    const outcomes = async (failFast: boolean) => {
      const started = Promise.withResolvers<void>();
      const { steps } = await test.runner.runJob(
        new Job("x")
          .addStep("test", async ({ env, signal }) => {
            if (env.ITEM === "b") {
              await started.promise;
              throw new Error("no");
            }
            if (env.ITEM !== "a") return;
            started.resolve();
            if (!failFast) return;
            await new Promise((resolve) =>
              signal.addEventListener("abort", resolve)
            );
          }, { forEach: ITEMS, maxParallel: 2, failFast })
          .addStep("other", "true"),
        { limits: { concurrency: 3 }, failurePolicy: "continue" },
      );
      return steps.map(({ outcome, reason }) =>
        outcome === "skipped" ? `skipped: ${reason}` : outcome
      );
    };
    assertEquals(await outcomes(true), [
      "cancelled",
      "failed",
      'skipped: "test[1]" failed',
      'skipped: "test[1]" failed',
      "success",
    ]);
    assertEquals(await outcomes(false), [
      "success",
      "failed",
      "success",
      "success",
      "success",
    ]);
  });
});
