import { assertEquals } from "@std/assert";
import { printable } from "../src/printable.ts";

Deno.test("printable() shows what would steer a terminal", () => {
  const cases: [text: string, shown: string][] = [
    ["plain – text 日本 👍🏽", "plain – text 日本 👍🏽"],
    ["\x1b[2J", "\\u{1b}[2J"],
    ["a\r\nb\tc", "a\\u{d}\\u{a}b\\u{9}c"],
    ["\x7f\x85\x9b", "\\u{7f}\\u{85}\\u{9b}"],
    ["\u202eabc\u2066", "\\u{202e}abc\\u{2066}"],
    ["\u2028\ufeff\u200b", "\\u{2028}\\u{feff}\\u{200b}"],
    ["\ud800", "\\u{d800}"],
    ["a\u200db", "a\\u{200d}b"],
  ];
  for (const [text, shown] of cases) assertEquals(printable(text), shown);
});

Deno.test("printable() keeps emoji whole that are made of several", () => {
  for (const emoji of ["👨‍👩‍👧", "👩🏽‍💻", "❤️‍🔥", "🏳️‍🌈"]) {
    assertEquals(printable(emoji), emoji);
  }
  assertEquals(printable("👩\u200d"), "👩\\u{200d}");
  assertEquals(printable("\u200d👩"), "\\u{200d}👩");
});
