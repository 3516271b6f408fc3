import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { expand } from "../../src/steps/expand_matrix.ts";
import {
  buildGraph,
  needsOf,
  selectSteps,
} from "../../src/steps/step_graph.ts";

/** Builds a graph from names and their dependencies. */
function planOf(graph: Readonly<Record<string, readonly string[]>>) {
  return buildGraph(
    Object.entries(graph).map(([name, dependsOn]) => ({
      name,
      group: name,
      dependsOn,
    })),
  );
}

describe("buildGraph()", () => {
  it("reports every unknown and duplicate name at once", () => {
    const error = assertThrows(
      () =>
        buildGraph([
          { name: "build", group: "build", dependsOn: ["tset"] },
          { name: "test", group: "test", dependsOn: ["nothing"] },
          { name: "test", group: "test", dependsOn: [] },
        ]),
      RunnerError,
    );
    assertEquals(error.code, "invalid-job");
    assertEquals(
      error.message,
      `Cannot run the job's steps:
  several steps are named "test"
  step "build" depends on "tset", which is not a step; did you mean "test"?
  step "test" depends on "nothing", which is not a step`,
    );
  });

  it("shows a cycle", () => {
    assertThrows(
      () => planOf({ a: ["d"], b: ["a"], c: ["b"], d: ["c"], e: ["a"] }),
      RunnerError,
      'step "a" waits for itself: a → d → c → b → a',
    );
    assertThrows(
      () => planOf({ a: ["a"] }),
      RunnerError,
      'step "a" waits for itself: a → a',
    );
  });

  it("accepts a chain of 100,000 steps, and rejects a cycle of as many", () => {
    const count = 100_000;
    const steps = Array.from({ length: count }, (_, index) => ({
      name: `s${index}`,
      group: `s${index}`,
      dependsOn: index === 0 ? [] : [`s${index - 1}`],
    }));
    assertEquals(needsOf(buildGraph(steps), count - 1), [count - 2]);
    steps[0] = { ...steps[0], dependsOn: [`s${count - 1}`] };
    assertThrows(() => buildGraph(steps), RunnerError, "(99990 more)");
  });

  it("lets a step wait for all steps of a group, and names one dependency once", () => {
    const plan = buildGraph([
      { name: "test[0]", group: "test", dependsOn: [] },
      { name: "test[1]", group: "test", dependsOn: [] },
      { name: "build", group: "build", dependsOn: ["test", "test"] },
    ]);
    assertEquals([0, 1, 2].map((step) => needsOf(plan, step)), [[], [], [
      0,
      1,
    ]]);
  });
});

describe("expand()", () => {
  it("creates a step for each item, named as the coordinator names jobs", () => {
    assertEquals(expand({ name: "test", forEach: ["a", "b"] }), [
      { name: "test[0]", variables: { ITEM: "a" } },
      { name: "test[1]", variables: { ITEM: "b" } },
    ]);
    assertEquals(
      expand({ name: "test", forEach: ["a"], itemVar: "DIR" })[0].variables,
      { DIR: "a" },
    );
  });

  it("creates no steps for an empty list", () => {
    assertEquals(expand({ name: "test", forEach: [] }), []);
    assertEquals(expand({ name: "test", matrix: { axes: { os: [] } } }), []);
  });

  it("combines the values of a matrix", () => {
    const steps = expand({
      name: "test",
      matrix: { axes: { os: ["linux", "mac"], node: ["20", "22"] } },
    });
    assertEquals(steps.map(({ name }) => name), [
      "test (linux, 20)",
      "test (linux, 22)",
      "test (mac, 20)",
      "test (mac, 22)",
    ]);
    assertEquals(steps[2].variables, { os: "mac", node: "20" });
  });

  it("excludes combinations, extends them, and adds others", () => {
    const steps = expand({
      name: "test",
      matrix: {
        axes: { os: ["linux", "mac"], node: ["20", "22"] },
        exclude: [{ os: "mac", node: "20" }],
        include: [
          { os: "linux", fast: "yes" },
          { color: "green" },
          { os: "windows", node: "22" },
        ],
      },
    });
    assertEquals(steps.map(({ variables }) => variables), [
      { os: "linux", node: "20", fast: "yes", color: "green" },
      { os: "linux", node: "22", fast: "yes", color: "green" },
      { os: "mac", node: "22", color: "green" },
      { os: "windows", node: "22" },
    ]);
  });

  it("rejects too many steps before it creates them", () => {
    const values = Array.from({ length: 200 }, (_, index) => `${index}`);
    assertThrows(
      () => expand({ name: "t", matrix: { axes: { a: values, b: values } } }),
      RunnerError,
      'step "t" becomes 40000 steps; 1024 are allowed',
    );
    assertThrows(
      () => expand({ name: "t", forEach: ["a"], matrix: { axes: {} } }),
      RunnerError,
      "use only one of them",
    );
  });
});

describe("selectSteps()", () => {
  const plan = planOf({
    checkout: [],
    test: ["checkout"],
    lint: ["checkout"],
    build: ["test"],
    deploy: ["build", "lint"],
  });
  const names = (selection: Parameters<typeof selectSteps>[1]) =>
    selectSteps(plan, selection)
      .flatMap((isIn, index) => isIn ? [plan.steps[index].name] : []);

  it("selects all steps, some, some with their dependents, or all but some", () => {
    assertEquals(names({}).length, 5);
    assertEquals(names({ only: ["lint"] }), ["lint"]);
    assertEquals(names({ from: ["test"] }), ["test", "build", "deploy"]);
    assertEquals(names({ from: ["test"], skip: ["deploy"] }), [
      "test",
      "build",
    ]);
    assertEquals(names({ only: ["lint"], from: ["build"] }), [
      "lint",
      "build",
      "deploy",
    ]);
  });

  it("rejects a step that does not exist", () => {
    assertThrows(
      () => names({ from: ["biuld"] }),
      RunnerError,
      'Cannot use "from": the job has no step "biuld"; did you mean "build"?',
    );
  });
});
