import { assert, assertEquals, assertThrows } from "@std/assert";
import { runPicture } from "../../scripts/docs/run_picture.ts";
import { terminalPicture } from "../../scripts/docs/terminal_picture.ts";
import { displayWidth } from "../../src/terminal/width.ts";
import { REPOSITORY } from "../helpers/cli.ts";

const draw = (text: string) =>
  terminalPicture(text, { title: "A & B", measureText: displayWidth });

const textsOf = (picture: string) =>
  [...picture.matchAll(/<text x="([\d.]+)" y="(\d+)"[^>]*?>([^<]*)</g)]
    .map(([, x, y, text]) => [Number(x), Number(y), text]);

Deno.test("terminalPicture() keeps columns, lines and characters", () => {
  const picture = draw("ab  <c>\n\n  日本 x");
  assertEquals(textsOf(picture), [
    [16, 46, "ab"],
    [49.6, 46, "&#60;c&#62;"],
    [32.8, 86, "日本 x"],
  ]);
  assert(picture.includes("<title>A &#38; B</title>"));
});

Deno.test("terminalPicture() shows colors until they are reset", () => {
  const picture = draw("\x1b[32;1mgreen\x1b[39m bold\x1b[0m plain\n\x1b[2mdim");
  const looks = [...picture.matchAll(/textLength="[\d.]+"([^>]*)>/g)]
    .map(([, look]) => look);
  assertEquals(looks, [
    ' fill="#a6e3a1" font-weight="bold"',
    ' font-weight="bold"',
    "",
    ' opacity="0.6"',
  ]);
});

Deno.test("terminalPicture() refuses what it cannot draw", () => {
  for (const text of ["\x1b[2K", "\x1b[35;95m", "\x1b]0;t\x07"]) {
    assertThrows(() => draw(text), Error, "Cannot draw");
  }
});

Deno.test("runPicture() draws a real run, the same each time", async () => {
  const root = new URL(`file://${REPOSITORY}/`);
  const [first, second] = [await runPicture(root), await runPicture(root)];
  assertEquals(first, second);
  const texts = textsOf(first).map(([, , text]) => text).join("\n");
  assert(texts.includes("[REDACTED]") && texts.includes("success"));
  assert(!first.includes("s3cr3t"));
});
