import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import {
  cutToWidth,
  displayWidth,
  padToWidth,
  takeWidth,
  wrapText,
} from "../../src/terminal/width.ts";
import { Random } from "../helpers/random.ts";

Deno.test("displayWidth() counts cells as terminals do", () => {
  const cases: [text: string, width: number][] = [
    ["", 0],
    ["hello world", 11],
    ["Straße · déjà – vu…", 19],
    ["e\u0301", 1],
    ["天地玄黃宇宙洪荒", 16],
    ["ｆｕｌｌｗｉｄｔｈ", 18],
    ["ｱ", 1],
    ["한글", 4],
    ["\u1112\u1161\u11ab", 2],
    ["👍", 2],
    ["👍🏽", 2],
    ["👨‍👩‍👧", 2],
    ["👩🏽‍💻", 2],
    ["🇩🇪", 2],
    ["❤️", 2],
    ["❤", 1],
    ["1️⃣", 2],
    ["✓✗–⏱⠋↻▸○…", 9],
    ["𠀀", 2],
    ["\ud800", 1],
  ];
  for (const [text, width] of cases) {
    assertEquals(displayWidth(text), width, JSON.stringify(text));
  }
});

Deno.test("takeWidth() and cutToWidth() keep graphemes whole", () => {
  assertEquals(takeWidth("日本", 3), "日");
  assertEquals(takeWidth("e\u0301e\u0301", 1), "e\u0301");
  assertEquals(takeWidth("a👩🏽‍💻b", 2), "a");
  assertEquals(takeWidth("abc", -1), "");
  assertEquals(cutToWidth("abc", 3), "abc");
  assertEquals(cutToWidth("abcd", 3), "ab…");
  assertEquals(cutToWidth("日本語", 4), "日…");
  assertEquals(cutToWidth("日本語", 1), "…");
  assertEquals(cutToWidth("日本語", 0), "");
});

Deno.test("padToWidth() counts cells, and never truncates", () => {
  assertEquals(padToWidth("日本", 5), "日本 ");
  assertEquals(padToWidth("abc", 3), "abc");
  assertEquals(padToWidth("abcd", 3), "abcd");
});

Deno.test("cutToWidth() never takes more cells than there are", () => {
  const random = new Random();
  const parts = [..."abc 日本é👍…ｱ", "e\u0301", "👨‍👩‍👧", "🇩🇪", "❤️", "한"];
  for (let round = 0; round < 2_000; round++) {
    const text = Array.from(
      { length: random.below(12) },
      () => random.pick(parts),
    ).join("");
    const width = random.below(20);
    const cut = cutToWidth(text, width);
    assertLessOrEqual(displayWidth(cut), width, `seed ${random.seed}`);
    assert(
      cut === text || width === 0 || text.startsWith(cut.slice(0, -1)),
      `seed ${random.seed}`,
    );
  }
});

Deno.test("wrapText() breaks at spaces, then at commas, then anywhere", () => {
  assertEquals(wrapText("a bc def", { columns: 4 }), ["a bc", "def"]);
  assertEquals(wrapText("x (AB,CD,EF)", { columns: 6 }), [
    "x (AB,",
    "CD,EF)",
  ]);
  assertEquals(wrapText("abcdefgh", { columns: 3 }), ["abc", "def", "gh"]);
  assertEquals(wrapText("", { columns: 3 }), [""]);
});

Deno.test("wrapText() indents lines", () => {
  assertEquals(wrapText("a b c", { columns: 4, indent: 2 }), [
    "  a",
    "  b",
    "  c",
  ]);
  assertEquals(wrapText("Usage: a b", { columns: 8, hang: 3 }), [
    "Usage: a",
    "   b",
  ]);
});

Deno.test("wrapText() measures cells, and keeps every character", () => {
  const text = "日本語のテキスト with words,and,commas 👩‍👩‍👧 end";
  for (let columns = 1; columns < 50; columns++) {
    const lines = wrapText(text, { columns });
    assertEquals(lines.join("").replaceAll(" ", ""), text.replaceAll(" ", ""));
    if (columns < 2) continue;
    assert(lines.every((line) => displayWidth(line) <= columns), `${columns}`);
  }
});
