import {
  assertEquals,
  assertFalse,
  assertLess,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import {
  getResultMark,
  type SummaryStatus,
} from "../../src/report/step_outcome.ts";
import {
  formatSummary,
  plainLine,
  type SummaryStep,
} from "../../src/report/summary.ts";
import { displayWidth } from "../../src/terminal/width.ts";
import { Random } from "../helpers/random.ts";

function step(
  name: string,
  outcome: SummaryStatus,
  more: Partial<SummaryStep> = {},
): SummaryStep {
  const hasRun = outcome !== "skipped";
  return {
    name,
    outcome,
    conclusion: outcome,
    exitCode: hasRun ? 0 : null,
    attempts: hasRun ? 1 : 0,
    startedAt: hasRun ? new Date(0) : null,
    durationMs: hasRun ? 1_200 : 0,
    tail: [],
    ...more,
  };
}

const MIXED: readonly SummaryStep[] = [
  step("checkout", "success", { durationMs: 412 }),
  step("build", "success", { durationMs: 125_000, attempts: 2 }),
  step("lint 日本語", "failed", { conclusion: "success", exitCode: 1 }),
  step("docs", "neutral", { conclusion: "success" }),
  step("deploy", "skipped", { reason: `Step "e2e"\nfailed` }),
];

Deno.test("formatSummary() aligns the columns of steps", () => {
  assertEquals(
    formatSummary(MIXED, { columns: 80, color: false }),
    [
      "✓ checkout     success                 0.4s",
      "✓ build        success               2m 05s  flaky · 2 attempts",
      "✗ lint 日本語  exit code 1, allowed    1.2s",
      "○ docs         neutral                 1.2s",
      `– deploy       skipped                    –  Step "e2e" failed`,
      "total 2m 05s",
    ].join("\n"),
  );
  assertEquals(
    formatSummary(MIXED, { columns: 40, color: false }),
    [
      "✓ checkout       0.4s",
      "✓ build        2m 05s  flaky · 2 attem…",
      "✗ lint 日本語    1.2s",
      "○ docs           1.2s",
      `– deploy            –  Step "e2e" fail…`,
      "total 2m 05s",
    ].join("\n"),
  );
  assertEquals(
    formatSummary(MIXED, { columns: 20, color: false }),
    [
      "✓ checkout     0.4s",
      "✓ build      2m 05s",
      "✗ lint 日…     1.2s",
      "○ docs         1.2s",
      "– deploy          –",
      "total 2m 05s",
    ].join("\n"),
  );
  assertEquals(formatSummary([], { color: true }), "");
});

Deno.test("formatSummary() shows the failure that came first last", () => {
  const lines = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`);
  const text = formatSummary([
    step("root", "failed", { exitCode: 3, durationMs: 900, tail: lines }),
    step("late", "timeout", { durationMs: 5_000, tail: ["waiting"] }),
    step("shot", "failed", { exitCode: 137, signal: "SIGKILL" }),
    step("allowed", "failed", { conclusion: "success", tail: ["no matter"] }),
    step("sibling", "cancelled", { tail: ["no matter"] }),
    step("other", "cancelled"),
  ], { color: false });
  const [table, late, shot, root, ...rest] = text.split("\n\n");
  assertEquals(rest, []);
  assertStringIncludes(table, "– 2 steps cancelled");
  assertFalse(text.includes("sibling") || text.includes("no matter"));
  assertEquals(late, "✗ late: timeout\n  waiting");
  assertEquals(shot, "✗ shot: SIGKILL\n  (no output)");
  assertEquals(
    root,
    [
      "✗ root: exit code 3",
      ...lines.slice(10).map((line) => `  ${line}`),
    ].join("\n"),
  );
});

Deno.test("formatSummary() names cancelled steps when none failed", () => {
  const steps = [step("a", "cancelled"), step("b", "cancelled")];
  assertEquals(
    formatSummary(steps, { color: false }),
    "– a  cancelled  1.2s\n– b  cancelled  1.2s\ntotal 1.2s",
  );
});

Deno.test("formatSummary() folds skipped steps if there are many", () => {
  const skipped = (count: number) =>
    Array.from({ length: count }, (_, index) => step(`s${index}`, "skipped"));
  const count = (steps: SummaryStep[]) =>
    formatSummary(steps, { color: false }).split("\n").length;
  assertEquals(count(skipped(10)), 10);
  assertEquals(
    formatSummary([...skipped(11), step("a", "success")], { color: false }),
    "✓ a  success  1.2s\n– 11 steps skipped\ntotal 1.2s",
  );
});

Deno.test("formatSummary() colors steps by their outcome if colors are enabled", () => {
  const steps = [step("a", "success"), step("b", "failed", { exitCode: 1 })];
  const text = formatSummary(steps, { color: true });
  assertStringIncludes(text, "\x1b[32m✓ \x1b[39m");
  assertStringIncludes(text, "\x1b[31m✗ \x1b[39m");
  assertFalse(formatSummary(steps, { color: false }).includes("\x1b"));
});

Deno.test("formatSummary() prints one line per step and escapes control characters", () => {
  const name = "x\x1b[2J\u202ey\x9b\r\n 日本語 👩🏽‍💻 and a long name \ud800";
  const steps = [
    step(name, "success", { reason: name.repeat(20), attempts: 3 }),
    step(name, "failed", { reason: name, tail: [name, `\x1b[31m${name}`] }),
    step(name, "skipped", { reason: name }),
  ];
  for (let columns = 1; columns < 130; columns++) {
    const text = formatSummary(steps, { columns, color: false });
    assertEquals(/[^\P{Cc}\n]|\u202e|\p{Cs}/u.test(text), false);
    for (const line of text.split("\n\n")[0].split("\n")) {
      assertLess(displayWidth(line), Math.max(2, columns), line);
    }
  }
});

Deno.test("formatSummary() formats the maximum number of steps of a record", () => {
  const steps = new Array(200_000).fill(step("s", "cancelled"));
  assertStringIncludes(formatSummary(steps, { color: false }), "total ");
});

Deno.test("plainLine() leaves out colors, links and titles", () => {
  const cases: [line: string, shown: string][] = [
    ["plain 日本", "plain 日本"],
    ["\x1b[1;31mred\x1b[0m", "red"],
    ["\x1b[38:2::1:2:3mred\x1b[m", "red"],
    ["\x9b31mred", "red"],
    ["\x1b]8;;http://x\x07link\x1b]8;;\x1b\\", "link"],
    ["a\x1b[2Kb\r", "ab"],
  ];
  for (const [line, shown] of cases) assertEquals(plainLine(line), shown);
});

Deno.test("plainLine() expands tabs by the visible width", () => {
  assertEquals(plainLine("a\tb"), "a       b");
  assertEquals(plainLine("日本\tb\t\tc"), "日本    b               c");
  assertEquals(plainLine("\x1b[31m\tb"), "        b");
});

Deno.test("plainLine() reads a limited part of a line", () => {
  assertEquals(plainLine("a".repeat(100_000)).length, 4_001);
  assertEquals(plainLine("👍".repeat(4_000)).endsWith("👍…"), true);
});

Deno.test("plainLine() removes everything that controls a terminal", () => {
  const random = new Random();
  for (let round = 0; round < 2_000; round++) {
    const line = random.text(
      random.below(30),
      "\x1b[]?;0123m\x07\\ \t\r\n\x9b\x9d\x9c\u202eab👍\u200d",
    );
    assertMatch(
      plainLine(line),
      /^(?:[^\p{Cc}\p{Cf}\p{Cs}]|\u200d)*$/u,
      `seed ${random.seed}`,
    );
  }
});

Deno.test("getResultMark() returns a sign of one cell for each result, and a dash for others", () => {
  const results = ["success", "failed", "timeout", "allowed", "queued"];
  assertEquals(results.map(getResultMark), ["✓", "✗", "✗", "!", "·"]);
  assertEquals(["skipped", "cancelled", "?"].map(getResultMark), [
    "–",
    "–",
    "–",
  ]);
  for (const result of results) {
    assertEquals(displayWidth(getResultMark(result)), 1);
  }
});
