import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { findCriticalPath } from "../../src/report/critical_path.ts";
import type { StepRecord } from "../../src/report/run_record.ts";
import { Random } from "../helpers/random.ts";

function step(
  name: string,
  durationMs: number,
  dependsOn: readonly string[] = [],
  group = name,
): StepRecord {
  return {
    name,
    group,
    dependsOn,
    outcome: "success",
    conclusion: "success",
    exitCode: 0,
    signal: null,
    startedAt: null,
    durationMs,
    attempts: [],
    outputs: [],
    tail: [],
    styledTail: [],
  };
}

function names(steps: readonly StepRecord[]): string {
  return findCriticalPath(steps).steps.map(({ name }) => name).join(" → ");
}

/** Length of the longest chain, by trying all of them. */
function bruteForce(steps: readonly StepRecord[]): number {
  const longestTo = (one: StepRecord): number =>
    one.durationMs +
    Math.max(
      0,
      ...steps.filter(({ group }) => one.dependsOn.includes(group))
        .map(longestTo),
    );
  return Math.max(0, ...steps.map(longestTo));
}

describe("findCriticalPath()", () => {
  it("counts a service only until it is ready", () => {
    const db = { ...step("db", 900), startMs: 10, readyMs: 110 };
    const path = findCriticalPath([db, step("test", 500, ["db"])]);
    assertEquals(path.steps.map(({ name }) => name), ["db", "test"]);
    assertEquals(path.durationMs, 600);
  });

  it("is empty for a run without steps", () => {
    assertEquals(findCriticalPath([]), { steps: [], durationMs: 0 });
  });

  it("follows the longest chain, not the longest step", () => {
    assertEquals(
      names([
        step("lint", 90),
        step("build", 50),
        step("test", 60, ["build"]),
        step("deploy", 10, ["test", "lint"]),
      ]),
      "build → test → deploy",
    );
  });

  it("waits for the slowest step of a matrix", () => {
    assertEquals(
      names([
        step("test (a)", 5, [], "test"),
        step("test (b)", 9, [], "test"),
        step("deploy", 1, ["test"]),
      ]),
      "test (b) → deploy",
    );
  });

  it("leaves out steps in a cycle", () => {
    assertEquals(
      names([step("a", 9, ["b"]), step("b", 9, ["a"]), step("c", 1)]),
      "c",
    );
  });

  it("is as long as the longest of all chains of random graphs", () => {
    const random = new Random();
    for (let round = 0; round < 300; round++) {
      const steps: StepRecord[] = [];
      const count = random.below(10);
      for (let index = 0; index < count; index++) {
        const needs = steps.filter(() => random.below(3) === 0);
        steps.push(
          step(
            `s${index}`,
            random.below(20),
            needs.map(({ group }) => group),
            random.below(4) > 0 ? `s${index}` : `g${index}`,
          ),
        );
      }
      const { steps: path, durationMs } = findCriticalPath(steps);
      assertEquals(durationMs, bruteForce(steps), `seed ${random.seed}`);
      const sum = path.reduce((total, one) => total + one.durationMs, 0);
      assertEquals(sum, durationMs, `seed ${random.seed}`);
      path.slice(1).forEach((one, index) =>
        assertEquals(one.dependsOn.includes(path[index].group), true)
      );
    }
  });
});
