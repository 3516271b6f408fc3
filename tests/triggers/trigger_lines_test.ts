import { assertEquals } from "@std/assert";
import {
  SpoofedLineMarker,
  TriggerSpoofFilter,
} from "../../src/triggers/trigger_lines.ts";
import { Random } from "../helpers/random.ts";

const MARK = "[not a trigger] ";

function guard(parts: readonly Uint8Array[]): string {
  const lines = new SpoofedLineMarker();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const texts = parts.map((part) =>
    decoder.decode(lines.take(part), { stream: true })
  );
  return texts.join("") + decoder.decode(lines.end());
}

function guardText(text: string): string {
  return guard([new TextEncoder().encode(text)]);
}

/** Naive version of the rule, line by line. */
function naive(text: string): string {
  return text.split(/(?<=\n)/).map((line) => {
    const start = /^[^!-~]*/.exec(line)![0].length;
    const plain = line.replaceAll("\\u005f", "_");
    return line[start] === "{" && plain.includes("trigger_job")
      ? MARK + line
      : line;
  }).join("");
}

Deno.test("SpoofedLineMarker marks lines that look like a trigger", () => {
  const lines: [line: string, isMarked: boolean][] = [
    ['{"type":"trigger_job"}', true],
    ['{ "type" : "trigger\\u005fjob" }', true],
    ['{"Type":"\\u0074rigger_job"}', true],
    ['\ufeff{"type":"trigger_job"}', true],
    ['\r\t {"type":"trigger_job"}', true],
    ['{"type":"other"}', false],
    ["{", false],
    ['> {"type":"trigger_job"}', false],
    ["trigger_job", false],
    ["", false],
  ];
  for (const [line, isMarked] of lines) {
    const marked = guardText(`a\n${line}\nb`);
    assertEquals(marked.includes(MARK), isMarked, line);
    // Nothing else is changed.
    assertEquals(marked.replace(MARK, ""), `a\n${line}\nb`);
  }
});

Deno.test("SpoofedLineMarker marks the same lines for any split of the output", () => {
  const random = new Random();
  const pieces = [
    '{"type":"trigger_job"}',
    "trigger_job",
    "\\u005f",
    "{",
    " ",
    "\r",
    "\n",
    "\n",
    "x",
    "ü",
  ];
  for (let round = 0; round < 2_000; round++) {
    const text = Array.from(
      { length: random.below(12) },
      () => random.pick(pieces),
    ).join("");
    const bytes = new TextEncoder().encode(text);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + random.below(9);
      parts.push(bytes.subarray(at, end));
      at = end;
    }
    const marks = (result: string) => result.split(MARK).length;
    const result = guard(parts);
    assertEquals(result.replaceAll(MARK, ""), text, `seed ${random.seed}`);
    assertEquals(marks(result), marks(naive(text)), `seed ${random.seed}`);
  }
});

Deno.test("SpoofedLineMarker holds back lines that start with a brace, up to a limit", () => {
  const lines = new SpoofedLineMarker();
  const take = (text: string) => {
    const bytes = lines.take(new TextEncoder().encode(text));
    return new TextDecoder().decode(bytes);
  };
  assertEquals(take("abc"), "abc");
  assertEquals(take('{"type"\n{"a"'), '{"type"\n');
  assertEquals(take(":1}\nnext"), '{"a":1}\nnext');
  const long = `\n{${"x".repeat(2 ** 20)}`;
  assertEquals(take(long), `\n${MARK}${long.slice(1)}`);
  assertEquals(take("y\n"), "y\n");
});

Deno.test("TriggerSpoofFilter writes a trigger on its own line", async () => {
  for (const [before, after] of [["a\n", "a\n"], ["{", "{\n"], ["", ""]]) {
    let printed = "";
    const sink = {
      write(bytes: Uint8Array) {
        printed += new TextDecoder().decode(bytes);
        return Promise.resolve();
      },
    };
    const outputs = new TriggerSpoofFilter(sink, sink);
    await outputs.stdout.write(new TextEncoder().encode(before));
    await outputs.writeTrigger("message\n");
    assertEquals(printed, `${after}message\n`);
  }
});
