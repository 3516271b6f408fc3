import { assertEquals } from "@std/assert";
import * as runnerlib from "@reactorcide/runnerlib";

Deno.test("mod.ts exports exactly what is promised", () => {
  assertEquals(Object.keys(runnerlib).sort(), [
    "Job",
    "PHASES",
    "RunnerError",
    "createRunner",
    "defaultRunner",
    "flushTriggers",
    "getJobResult",
    "git",
    "isJobRunning",
    "logNextJob",
    "processHost",
    "registerPlugin",
    "registerSecret",
    "registerSource",
    "runJob",
    "triggerJob",
    "triggerJobs",
    "withTriggers",
    "workflow",
  ]);
});
