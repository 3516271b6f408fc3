import { assert, assertEquals } from "@std/assert";
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
    "getWorkflowVars",
    "git",
    "isJobRunning",
    "logNextJob",
    "processHost",
    "registerPlugin",
    "registerSecret",
    "registerSource",
    "runJob",
    "setWorkflowOutput",
    "setWorkflowVar",
    "submitJob",
    "triggerJob",
    "triggerJobs",
    "withTriggers",
  ]);
});

Deno.test("submitJob is triggerJob", () => {
  assert(runnerlib.submitJob === runnerlib.triggerJob);
});
