import { assertEquals } from "@std/assert";
import { createJobLog } from "../../src/output/create_job_log.ts";
import type { JobLogStyle } from "../../src/output/step_printers.ts";
import { Random } from "../helpers/random.ts";
import { RecordingSink } from "../helpers/recording_sink.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

const STYLES: readonly JobLogStyle[] = ["plain", "prefixed", "grouped", "json"];

const [LF, CR] = [10, 13];

/** Characters, halves of characters, and line ends. */
const MORSELS: readonly number[][] = [
  ...["a", "b ", "é", "€", "😀", "\t", "word word word"].map(bytesOf),
  ...["\x1b[1m", "\x1b[31m", "\x1b[0m", "\x1b[m", "\x1b[0;4m"].map(bytesOf),
  ...[[0xe2], [0xf0, 0x9f], [0x82], [0xff], [0]],
  ...[[LF], [LF], [CR], [CR, LF]],
];

/** Returns what a step with one stream shows, character by character. */
function modelOf(
  style: JobLogStyle,
  output: readonly number[],
  limit: number | undefined,
): string {
  const name = "step";
  const prefix = `${name} | `;
  switch (style) {
    case "plain":
      return limit === undefined ? latin(output) : latin(broken(output, limit));
    case "prefixed":
      return restyled(
        linesOf(output, (limit ?? Infinity) - prefix.length).map(latin),
      ).map((line) => `${prefix}${line}\n`).join("");
    case "grouped": {
      const text = linesOf(output, Infinity).flatMap((line) => [...line, LF]);
      return `=== ${name}\n${latin(broken(text, limit ?? Infinity))}`;
    }
    case "json":
      return linesOf(output, limit ?? Infinity)
        .map((line) => new TextDecoder().decode(Uint8Array.from(line)))
        .flatMap((text) => halves(text.trimEnd(), limit ?? Infinity))
        .map((message) =>
          `${JSON.stringify({ stream: "stdout", message, step: name })}\n`
        ).join("");
  }
}

/** Lines that reset their color; it continues in the next line. */
function restyled(lines: readonly string[]): string[] {
  let on: string[] = [];
  return lines.map((line) => {
    if (line === "") return line;
    const start = on.join("");
    // deno-lint-ignore no-control-regex
    for (const [sequence, values] of line.matchAll(/\x1b\[([0-?]*)m/g)) {
      if (/^(0?$|0\D)/.test(values)) on = [];
      if (/^0?$/.test(values) || sequence === on.at(-1)) continue;
      on.push(sequence);
      while (on.join("").length > 64) on.shift();
    }
    return start + line + (on.length > 0 ? "\x1b[0m" : "");
  });
}

/** Returns the lines in their final states, none longer than the limit. */
function linesOf(output: readonly number[], limit: number): number[][] {
  const lines: number[][] = [];
  let line: number[] = [];
  let isReturned = false;
  for (const byte of output) {
    if (byte === CR) isReturned = true;
    else if (byte === LF) {
      lines.push(line);
      [line, isReturned] = [[], false];
    } else {
      if (isReturned) [line, isReturned] = [[], false];
      line.push(byte);
      if (line.length > limit) {
        lines.push(line.splice(0, naiveCut(line, limit)));
      }
    }
  }
  return line.length > 0 ? [...lines, line] : lines;
}

/** Adds line breaks to bytes where lines would be too long. */
function broken(output: readonly number[], limit: number): number[] {
  const shown: number[] = [];
  const line: number[] = [];
  for (const byte of output) {
    line.push(byte);
    if (byte === LF) shown.push(...line.splice(0));
    else if (line.length > limit) {
      shown.push(...line.splice(0, naiveCut(line, limit)), LF);
    }
  }
  return [...shown, ...line];
}

/**
 * Returns how much of a line that is one byte too long is kept, character by
 * character.
 */
function naiveCut(line: readonly number[], limit: number): number {
  for (let length = 2; length <= 4; length++) {
    for (let start = limit - length + 1; start < limit; start++) {
      const bits = line.slice(start, limit + 1)
        .map((byte) => byte.toString(2).padStart(8, "0"));
      const [lead, ...rest] = bits;
      const isLead = lead.startsWith(`${"1".repeat(length)}0`);
      if (isLead && rest.every((item) => item.startsWith("10"))) return start;
    }
  }
  return limit;
}

function halves(text: string, limit: number): string[] {
  if (bytesOf(JSON.stringify(text)).length - 2 <= limit) return [text];
  let middle = Math.floor(text.length / 2);
  if (/^[\udc00-\udfff]/.test(text.slice(middle))) middle++;
  return [text.slice(0, middle), text.slice(middle)]
    .flatMap((half) => halves(half, limit));
}

function bytesOf(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

/** Converts bytes to distinct text, whether they are UTF-8 or not. */
function latin(bytes: readonly number[]): string {
  return bytes.map((byte) => String.fromCharCode(byte)).join("");
}

/** Splits bytes into chunks of random lengths. */
function* chunksOf(
  output: readonly number[],
  random: Random,
): Generator<Uint8Array> {
  const longest = random.pick([1, 5, 50, 2_000]);
  for (let at = 0; at < output.length;) {
    const end = at + 1 + random.below(longest);
    yield Uint8Array.from(output.slice(at, end));
    at = end;
  }
}

function withoutTimes(json: string): string {
  return json.replace(/^\{"timestamp":"[^"]+",/gm, "{");
}

Deno.test("createJobLog() prints and stores what a naive model expects", async () => {
  const random = new Random();
  await using directory = await temporaryDirectory();
  for (let round = 0; round < 400; round++) {
    const style = random.pick(STYLES);
    const limit = random.pick([undefined, 32, 33, 40, 64, 100]);
    const output = Array.from(
      { length: random.below(200) },
      () => random.pick(MORSELS),
    ).flat();
    const stdout = new RecordingSink();
    const warnings: string[] = [];
    const log = createJobLog({
      stdout,
      stderr: stdout,
      style,
      steps: [],
      maxLineBytes: limit,
      logDirectory: random.below(2) === 0 ? directory.path : undefined,
      onWarning: (message) => warnings.push(message),
    });
    const step = await log.openStep("step");
    for (const chunk of chunksOf(output, random)) {
      await step.stdout.write(chunk);
      // The owner may reuse its buffer.
      chunk.fill(0x21);
    }
    await step.close();
    const message = `seed ${random.seed}, round ${round}: ${style} ${limit}`;
    const shown = style === "json"
      ? withoutTimes(stdout.text)
      : latin([...stdout.bytes]);
    assertEquals(shown, modelOf(style, output, limit), message);
    const path = `${directory.path}/step.log`;
    const filed = await Deno.readFile(path).catch(() => undefined);
    if (filed) {
      const lines = linesOf(output, Infinity);
      const expected = lines.flatMap((line) => [...line, LF]);
      assertEquals(latin([...filed]), latin(expected), message);
      await Deno.remove(path);
    }
    assertEquals(warnings, [], message);
  }
});
