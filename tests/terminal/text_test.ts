import { assertEquals } from "@std/assert";
import {
  oneLine,
  plainText,
  printable,
  printableLines,
  quote,
  truncated,
} from "../../src/terminal/text.ts";

Deno.test("printable() escapes characters that control a terminal", () => {
  const cases: [text: string, shown: string][] = [
    ["plain – text 日本 👍🏽", "plain – text 日本 👍🏽"],
    ["\x1b[2J", "\\u{1b}[2J"],
    ["a\r\nb\tc", "a\\u{d}\\u{a}b\\u{9}c"],
    ["\x7f\x85\x9b", "\\u{7f}\\u{85}\\u{9b}"],
    ["\u202eabc\u2066", "\\u{202e}abc\\u{2066}"],
    ["\u2028\ufeff\u200b", "\\u{2028}\\u{feff}\\u{200b}"],
    ["\ud800", "\\u{d800}"],
    ["a\u200db", "a\\u{200d}b"],
    ["a ##vso[b]", "a ##vso\\u{5b}b]"],
    ["##[error]##teamcity[x", "##\\u{5b}error]##teamcity\\u{5b}x"],
    ["## a [b] #[c] [##]", "## a [b] #[c] [##]"],
  ];
  for (const [text, shown] of cases) assertEquals(printable(text), shown);
});

Deno.test("printable() keeps emoji whole that consist of several characters", () => {
  for (const emoji of ["👨‍👩‍👧", "👩🏽‍💻", "❤️‍🔥", "🏳️‍🌈"]) {
    assertEquals(printable(emoji), emoji);
  }
  assertEquals(printable("👩\u200d"), "👩\\u{200d}");
  assertEquals(printable("\u200d👩"), "\\u{200d}👩");
});

Deno.test("printableLines() keeps line breaks and tabs", () => {
  assertEquals(printableLines("a\n\tb\r\x1b[1m"), "a\n\tb\\u{d}\\u{1b}[1m");
  assertEquals(printableLines("a\n##[b]\n"), "a\n##\\u{5b}b]\n");
  for (let code = 0; code < 0x2100; code++) {
    const character = String.fromCharCode(code);
    assertEquals(
      printableLines(character),
      "\n\t".includes(character) ? character : printable(character),
    );
  }
});

/** Output of programs for a terminal, and the text that remains. */
const SEQUENCES: [what: string, sent: string, left: string][] = [
  ["a color", "\x1b[1;31mred\x1b[0m", "red"],
  ["a color of 8 bits", "\x9b31mred", "red"],
  ["a title", "\x1b]0;title\x07text", "text"],
  ["a title of 8 bits", "\x9d0;title\x9ctext", "text"],
  ["a link", "\x1b]8;;https://a\x1b\\name\x1b]8;;\x1b\\", "name"],
  ["a string of the device", "\x1bP1$r\x1b\\text", "text"],
  ["a character set", "\x1b(0lqk\x1b(B", "lqk"],
  ["a saved cursor", "\x1b7text\x1b8", "text"],
  ["no sequence", "[31m is text", "[31m is text"],
];

Deno.test("plainText() and oneLine() drop characters that control a terminal", () => {
  for (const [what, sent, left] of SEQUENCES) {
    assertEquals(plainText(new TextEncoder().encode(sent)), left, what);
    assertEquals(oneLine(sent), left, what);
  }
  const bytes = new TextEncoder().encode("a\tb\x07\x1bc\u2028d");
  assertEquals(plainText(bytes), "a\tbd");
  assertEquals(plainText(Uint8Array.of(0x61, 0xff)), "a\ufffd");
  assertEquals(oneLine("a\tb\r\nc\u2028d"), "a b c d");
});

Deno.test("truncated() and quote() show the beginning of long text", () => {
  assertEquals(truncated("a\nb"), "a\\u{a}b");
  assertEquals(truncated("abcdef", 3), "abc…");
  assertEquals(quote("x".repeat(101)), `"${"x".repeat(100)}…"`);
});
