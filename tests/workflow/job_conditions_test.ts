import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { explainJobs } from "../../src/workflow/job_conditions.ts";
import type { LocalJob } from "../../src/workflow/local/local_job.ts";
import { runWorkflow } from "../../src/workflow/local/run_workflow.ts";
import { Random } from "../helpers/random.ts";

function job(
  name: string,
  dependsOn: string[] = [],
  more: Partial<LocalJob> = {},
): LocalJob {
  return { name, dependsOn, condition: "all_success", env: {}, ...more };
}

describe("explainJobs()", () => {
  it("explains which jobs start, wait, may run or are skipped", () => {
    const jobs = [
      job("lint"),
      job("test", ["lint"]),
      job("clean", ["test", "lint"], { condition: "always" }),
      job("notify", ["test", "lint"], { condition: "any_failed" }),
      job("page", ["notify"]),
      job("local", [], { disableRunLocal: true }),
      job("after", ["local"]),
      job("empty", ["lint"], { forEach: [] }),
      job("past", ["empty"]),
      job("never", [], { condition: "any_failed" }),
      job("alarm", ["local"], { condition: "any_failed" }),
    ];
    assertEquals(
      explainJobs(jobs).map(({ name, status, reason }) =>
        [name, status, reason].join(": ")
      ),
      [
        "lint: starts: ",
        "test: waits: after lint",
        "clean: waits: after test, lint, whatever their result",
        "notify: maybe: runs only if test or lint fails",
        "page: maybe: runs only if notify succeeds",
        "local: skipped: disable_run_local is set",
        'after: skipped: "local" was skipped',
        "empty: skipped: its for_each list is empty",
        "past: waits: after lint",
        "never: skipped: none of its dependencies failed",
        'alarm: skipped: none of its dependencies failed: "local" was skipped',
      ],
    );
  });

  it("agrees with runs, whichever jobs fail", async () => {
    const random = new Random();
    for (let round = 0; round < 60; round++) {
      const jobs = Array.from({ length: 1 + random.below(7) }, (_, at) =>
        job(
          `j${at}`,
          Array.from({ length: at }, (_, need) => `j${need}`)
            .filter(() => random.below(3) === 0),
          {
            condition: random.pick(["all_success", "any_failed", "always"]),
            disableRunLocal: random.below(6) === 0,
          },
        ));
      const explained = explainJobs(jobs);
      const everRan = new Set<string>();
      for (let failing = 0; failing < 2 ** jobs.length; failing++) {
        const results = await runWorkflow({ vars: {}, jobs }, {
          concurrency: 8,
          signal: new AbortController().signal,
          state: { earlier: new Map(), record: () => Promise.resolve() },
          executor: ({ node: { name } }) => {
            everRan.add(name);
            const isFailing = failing >> Number(name.slice(1)) & 1;
            return Promise.resolve({
              status: isFailing ? "failed" : "completed",
              exitCode: isFailing,
            });
          },
        });
        if (failing !== 0) continue;
        results.forEach(({ key, status, reason }, at) => {
          const { status: said, reason: why } = explained[at];
          const context = `seed ${random.seed}, round ${round}: ${key}`;
          const runs = said === "starts" || said === "waits";
          assertEquals(runs, status === "completed", context);
          if (said === "skipped") assertEquals(why, reason, context);
        });
      }
      for (const { name, status } of explained) {
        if (status !== "skipped") continue;
        assert(!everRan.has(name), `seed ${random.seed}, round ${round}`);
      }
    }
  });
});
