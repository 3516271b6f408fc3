import { type Condition, Job } from "@reactorcide/runnerlib";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { stepProblem } from "../../src/plugins/sandbox/changes.ts";
import { decimalPattern, integerPattern } from "../../src/schema/scalars.ts";
import { readWorkflow } from "../../src/workflow/definition/read_workflow.ts";
import { Random } from "../helpers/random.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

Deno.test("integerPattern() matches exactly the numbers of a range", () => {
  const random = new Random();
  const ranges = [[0, 0], [0, 9], [1, 100], [1, 255], [80, 1_024], [99, 101]];
  for (let round = 0; round < 50; round++) {
    const minimum = random.below(500);
    ranges.push([minimum, minimum + random.below(2_000)]);
  }
  for (const [minimum, maximum] of ranges) {
    const pattern = new RegExp(`^${integerPattern(minimum, maximum)}$`);
    for (let value = 0; value < 3_000; value++) {
      const isInside = value >= minimum && value <= maximum;
      const where = `${value} of ${minimum}-${maximum}, seed ${random.seed}`;
      assertEquals(pattern.test(`${value}`), isInside, where);
      assertEquals(pattern.test(`00${value}`), isInside, where);
    }
  }
});

Deno.test("decimalPattern() also matches fractions", () => {
  const pattern = new RegExp(`^${decimalPattern(1, 10)}$`);
  for (const right of ["1", "1.0", "1.99", "9.999", "10", "10.0", "010"]) {
    assertEquals(pattern.test(right), true, right);
  }
  for (
    const wrong of ["0", "0.9", "10.01", "11", "1.", ".5", "-1", "1e1", ""]
  ) {
    assertEquals(pattern.test(wrong), false, wrong);
  }
});

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

/** Every input with a condition: a function that accepts it or rejects. */
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

Deno.test("every input accepts the same conditions", async () => {
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
