import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  ProblemFinder,
  type ProblemFinderOptions,
} from "../../src/report/problem_finder.ts";
import type { ProblemMatcher } from "../../src/report/problem_matchers.ts";
import { startMatcherProcess } from "../../src/runner/find_problems.ts";
import { isRunning } from "../helpers/process_table.ts";

const start = () => startMatcherProcess(Deno.execPath(), Deno.env.toObject());

function matcher(owner: string, regexp: string): ProblemMatcher {
  return { owner, severity: "error", patterns: [{ regexp, message: 1 }] };
}

/** Backtracks exponentially if the line ends with something else. */
const HOSTILE = matcher("hostile", "^((a+)+)$");

const SLOW_LINE = `${"a".repeat(60)}!`;

function finderOf(
  matchers: readonly ProblemMatcher[],
  options: Partial<ProblemFinderOptions> = {},
) {
  const found: string[] = [];
  const warnings: string[] = [];
  const finder = new ProblemFinder(matchers, {
    start,
    onProblem: (output, { owner, message }) =>
      found.push(`${output}: ${owner} ${message}`),
    onWarning: (message) => warnings.push(message),
    ...options,
  });
  return { finder, found, warnings };
}

describe("ProblemFinder", () => {
  it("finds the problems of all outputs, each once", async () => {
    const { finder, found, warnings } = finderOf([matcher("x", "^E (.*)")]);
    {
      await using _ = finder;
      for (let round = 0; round < 3; round++) {
        await finder.search("one", ["E a", "nothing", "E b"]);
        await finder.search("two", ["E a"]);
      }
    }
    assertEquals(found.toSorted(), ["one: x a", "one: x b", "two: x a"]);
    assertEquals(warnings, []);
  });

  it("keeps what several lines have in common between calls", async () => {
    const { finder, found } = finderOf([{
      owner: "x",
      severity: "error",
      patterns: [{ regexp: "^in (.*)", file: 1 }, {
        regexp: "^ (.*)",
        message: 1,
        loop: true,
      }],
    }]);
    {
      await using _ = finder;
      await finder.search("one", ["in a"]);
      await finder.search("two", [" b"]);
      await finder.search("one", [" c"]);
    }
    assertEquals(found, ["one: x c"]);
  });

  it("drops an expression that never finishes, and continues with the others", async () => {
    const { finder, found, warnings } = finderOf(
      [matcher("first", "^E (.*)"), HOSTILE, matcher("last", "^W (.*)")],
      { stuckMs: 500 },
    );
    {
      await using _ = finder;
      await finder.search("one", ["E a", "W b", SLOW_LINE, "W c"]);
      await finder.search("two", ["W d", SLOW_LINE]);
    }
    assertEquals(found, [
      "one: first a",
      "one: last b",
      "one: last c",
      "two: last d",
    ]);
    assertEquals(warnings, [
      'Problem matcher "hostile" disabled: an expression takes too long on a line',
    ]);
  });

  it("ends when all expressions take forever", async () => {
    const { finder, found, warnings } = finderOf(
      [HOSTILE, { ...HOSTILE, owner: "hostile, too" }],
      { stuckMs: 500 },
    );
    {
      await using _ = finder;
      await finder.search("one", [SLOW_LINE]);
    }
    await finder.search("one", ["aaa"]);
    assertEquals(found, []);
    assertEquals(warnings.length, 2);
  });

  it("kills a busy process", async () => {
    const pids: number[] = [];
    const { finder, warnings } = finderOf([HOSTILE], {
      stuckMs: 200,
      start() {
        const child = start();
        pids.push(child.pid);
        return child;
      },
    });
    {
      await using _ = finder;
      await finder.search("one", [SLOW_LINE]);
    }
    assertEquals([warnings.length, pids.length], [1, 2]);
    for (const pid of pids) assertEquals(isRunning(pid), false);
  });

  it("does not block the thread of the caller", async () => {
    const { finder, warnings } = finderOf([HOSTILE], { stuckMs: 200 });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    {
      await using _ = finder;
      await finder.search("one", [SLOW_LINE]);
    }
    clearInterval(timer);
    assertEquals(warnings.length, 1);
    assert(turns > 1);
  });

  it("stops when the total time is used up, even if each line is quick", async () => {
    // Each line takes a while, and the expression never gets stuck.
    const quadratic = matcher("quadratic", "(x*)*y|(?:x*x*x*)z");
    const { finder, warnings } = finderOf([quadratic], {
      stuckMs: 100,
      budgetMs: 0,
    });
    {
      await using _ = finder;
      while (warnings.length === 0) {
        await finder.search("one", Array(1_000).fill("x".repeat(20)));
      }
    }
    assertMatch(
      warnings[0],
      /^Problem matchers have reached their time limit of 0 s/,
    );
  });

  it("makes a writer wait rather than keep all lines in memory", async () => {
    const { finder, found } = finderOf([matcher("x", "^E (.*)")]);
    {
      await using _ = finder;
      const line = "n".repeat(1_000);
      for (let round = 0; round < 60; round++) {
        await finder.search("one", Array(1_000).fill(line));
      }
      await finder.search("one", ["E last"]);
    }
    assertEquals(found, ["one: x last"]);
  });

  it("reports at most 1,000 problems", async () => {
    const { finder, found, warnings } = finderOf([matcher("x", "^(.*)")]);
    {
      await using _ = finder;
      await finder.search(
        "one",
        Array.from({ length: 3_000 }, (_, index) => `line ${index}`),
      );
      await finder.search("two", ["more"]);
    }
    assertEquals(found.length, 1_000);
    assertMatch(warnings.join("\n"), /^[^\n]*found 1000 problems/);
  });

  it("truncates long texts", async () => {
    const messages: string[] = [];
    await using finder = new ProblemFinder([matcher("x", "(.*)")], {
      start,
      onProblem: (_output, { message }) => messages.push(message),
      onWarning: () => {},
    });
    await finder.search("one", ["m".repeat(8_000)]);
    await finder[Symbol.asyncDispose]();
    assertEquals(messages.map(({ length }) => length), [2_000]);
  });
});
