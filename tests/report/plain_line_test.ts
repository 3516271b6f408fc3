import { assertEquals, assertMatch } from "@std/assert";
import { plainLine } from "../../src/report/summary_table.ts";
import { Random } from "../helpers/random.ts";

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

Deno.test("plainLine() sets tabs by what is seen", () => {
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
