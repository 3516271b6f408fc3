import { assertEquals } from "@std/assert";
import { prefixLines } from "../../src/output/prefix_lines.ts";

const encoder = new TextEncoder();

/** Returns the text after the prefix of each line. */
function linesOf(...chunks: string[]): string[] {
  const format = prefixLines(encoder.encode("> "));
  return chunks
    .map((chunk) => new TextDecoder().decode(format(encoder.encode(chunk))))
    .join("").trimEnd().split("\n").map((line) => line.slice("> ".length));
}

Deno.test("prefixLines() keeps a color within its lines and continues it", () => {
  assertEquals(linesOf("\x1b[31mred\nred\n", "red\x1b[0m\nplain\n"), [
    "\x1b[31mred\x1b[0m",
    "\x1b[31mred\x1b[0m",
    "\x1b[31mred\x1b[0m",
    "plain",
  ]);
});

Deno.test("prefixLines() closes hyperlinks and character sets", () => {
  assertEquals(
    linesOf(
      "\x1b]8;;https://example.com\x1b\\link\nplain\n\x1b(0line\n" +
        "\x1b)0\x0eline\n\x0eline\n\x0eline\x0f\nplain\n",
    ),
    [
      "\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\",
      "plain",
      "\x1b(0line\x1b(B",
      "\x1b)0\x0eline\x0f",
      "\x0eline\x0f",
      "\x0eline\x0f",
      "plain",
    ],
  );
});

Deno.test("prefixLines() adds nothing to lines that reset their attributes", () => {
  assertEquals(linesOf("\x0eline\n"), ["\x0eline\x0f"]);
  const lines = [
    "\x1b[1;32mok\x1b[0m done",
    "\x1b[38;5;208mx\x1b[m",
    "\x1b]8;id=1;https://example.com\x07link\x1b]8;;\x07",
    "\x1b[2Kcleared",
  ];
  assertEquals(linesOf(lines.join("\n") + "\n"), lines);
});

Deno.test("prefixLines() repeats a limited number of sequences", () => {
  const many = Array.from({ length: 500 }, (_, at) => `\x1b[38;5;${at % 256}m`);
  const [, second] = linesOf(`${many.join("")}\nx\n`);
  assertEquals(second.length < 80, true, JSON.stringify(second));
});
