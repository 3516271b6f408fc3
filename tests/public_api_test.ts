import { assertEquals } from "@std/assert";
import * as runnerlib from "@reactorcide/runnerlib";

Deno.test("mod.ts exports exactly what is promised", () => {
  assertEquals(Object.keys(runnerlib).sort(), [
    "Job",
    "PHASES",
    "RunnerError",
    "changedFiles",
    "commitsBetween",
    "createRunner",
    "defaultRunner",
    "fileAtRef",
    "flushTriggers",
    "getJobResult",
    "gitInfo",
    "isJobRunning",
    "logNextJob",
    "processHost",
    "registerPlugin",
    "registerSecret",
    "registerSource",
    "runJob",
    "setWorkflowOutput",
    "setWorkflowVar",
    "triggerJob",
    "triggerJobs",
    "withTriggers",
    "workflowVars",
  ]);
});
