import { assert, assertEquals } from "@std/assert";
import { displayWidth } from "../../src/terminal/width.ts";
import { wrapText } from "../../src/terminal/wrap.ts";

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
