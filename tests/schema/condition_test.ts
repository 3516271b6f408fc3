import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Condition, Job } from "@reactorcide/runnerlib";
import { stepProblem } from "../../src/plugins/sandbox/changes.ts";
import { readWorkflow } from "../../src/workflow/definition/read_workflow.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

const SPELLINGS: Record<string, boolean> = {
  "": true,
  "all_success": true,
  " all_success(needs) ": true,
  "any_failed": true,
  "any_failed(needs)\n": true,
  "always": true,
  "\talways()": true,
  "Always": false,
  "always(needs)": false,
  "all success": false,
  "constructor": false,
};

/** Every entrance for a condition: it takes one, or rejects. */
const ENTRANCES: Record<string, (condition: string) => Promise<unknown>> = {
  "addStep()": async (condition) => {
    await using test = await testRunner();
    const job = new Job("j").addStep("a", "true").addStep("b", "true", {
      dependsOn: ["a"],
      condition: condition as Condition,
    });
    return await test.runner.runJob(job);
  },
  "triggerJob()": async (condition) => {
    await using test = await testRunner();
    test.runner.triggerJob("x", { condition: condition as Condition });
  },
  "a job file": async (condition) => {
    await using test = await testRunner();
    await makeFiles(test.path, {
      "job.yaml": `steps: [{name: a, run: "true"}, {name: b, run: "true", ` +
        `needs: a, condition: ${JSON.stringify(condition)}}]`,
    });
    return await test.runner.runJob({ jobFile: "job.yaml" });
  },
  "a workflow file": async (condition) => {
    await using directory = await temporaryDirectory();
    const text = JSON.stringify(condition);
    await makeFiles(directory.path, {
      "w.yaml": `name: w\njobs: {a: {command: x, condition: ${text}}}`,
    });
    return await readWorkflow(directory.path, "w.yaml");
  },
  "a plugin": (condition) => {
    const problem = stepProblem({ name: "a", run: "true", condition });
    return problem === undefined
      ? Promise.resolve()
      : Promise.reject(new Error(problem));
  },
};

Deno.test("every entrance accepts the same conditions", async () => {
  for (const [name, enter] of Object.entries(ENTRANCES)) {
    for (const [condition, isAccepted] of Object.entries(SPELLINGS)) {
      if (isAccepted) await enter(condition);
      else {
        const error = await assertRejects(() => enter(condition), Error);
        assert(error.message.includes("condition"), `${name}: ${error}`);
      }
    }
  }
  assertEquals(Object.keys(ENTRANCES).length, 5);
});
