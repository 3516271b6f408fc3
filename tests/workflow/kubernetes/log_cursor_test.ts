import { assert, assertEquals } from "@std/assert";
import { LogCursor } from "../../../src/workflow/kubernetes/log_cursor.ts";
import { Random } from "../../helpers/random.ts";

/** A line of a log: its time in nanoseconds, and its text. */
type Line = readonly [time: bigint, text: string];

const START = BigInt(Date.parse("2026-11-29T10:00:00Z")) * 1_000_000n;

function rfc3339(time: bigint): string {
  const date = new Date(Number(time / 1_000_000n)).toISOString().slice(0, 19);
  return `${date}.${String(time % 1_000_000_000n).padStart(9, "0")}Z`;
}

/** What a node answers: each line with a time from the given second on. */
function answer(log: readonly Line[], since: string | undefined): Uint8Array {
  const from = since === undefined
    ? 0n
    : BigInt(Date.parse(since)) * 1_000_000n;
  return new TextEncoder().encode(
    log.filter(([time]) => time >= from)
      .map(([time, text]) => `${rfc3339(time)} ${text}`).join(""),
  );
}

function randomLog(random: Random): Line[] {
  let time = START;
  const log: Line[] = [];
  for (let count = random.below(40); count > 0; count--) {
    time += BigInt(random.pick([0, 0, 1, 1_000, 300_000_000, 3_000_000_000]));
    // Lines of two streams are not sorted exactly.
    const shown = time - BigInt(random.pick([0, 0, 700_000, 900_000_000]));
    log.push([shown, random.text(random.below(30), "ab é") + "\n"]);
  }
  if (log.length > 0 && random.below(4) === 0) {
    const [time, text] = log.at(-1)!;
    log[log.length - 1] = [time, text.slice(0, -1) || "x"];
  }
  return log;
}

Deno.test("LogCursor returns each byte exactly once, wherever streams are cut", () => {
  const random = new Random();
  console.log(`seed ${random.seed}`);
  for (let round = 0; round < 3_000; round++) {
    const log = randomLog(random);
    const cursor = new LogCursor();
    const parts: Uint8Array[] = [];
    // The log grows while it is read.
    for (let known = 0;; known += random.below(log.length - known + 1)) {
      const isEnd = random.below(6) === 0;
      const bytes = answer(isEnd ? log : log.slice(0, known), cursor.since);
      cursor.restart();
      const cut = isEnd ? bytes.length : random.below(bytes.length + 1);
      for (let at = 0; at < cut;) {
        const length = Math.min(1 + random.below(40), cut - at);
        parts.push(cursor.accept(bytes.subarray(at, at + length)));
        at += length;
      }
      if (!isEnd) continue;
      parts.push(cursor.finish());
      break;
    }
    const decoder = new TextDecoder();
    const text = parts.map((part) => decoder.decode(part, { stream: true }))
      .join("");
    assertEquals(text, log.map(([, text]) => text).join(""), `round ${round}`);
    assertEquals(cursor.hasGap, false, `round ${round}`);
  }
});

Deno.test("LogCursor keeps what is newer than a gap, and reports it", () => {
  const second = 1_000_000_000n;
  const at = (count: number, text: string): Line => [
    START + BigInt(count) * second,
    text,
  ];
  const log = [at(0, "a\n"), at(1, "b\n"), at(9, "c\n"), at(10, "d\n")];
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  for (const isCut of [false, true]) {
    const cursor = new LogCursor();
    const bytes = answer(log.slice(0, 2), undefined);
    const first = cursor.accept(isCut ? bytes.subarray(0, -1) : bytes);
    assertEquals(text(first), isCut ? "a\nb" : "a\nb\n");
    assertEquals(cursor.since, `2026-11-29T09:59:5${isCut ? 8 : 9}Z`);
    cursor.restart();
    assertEquals(
      text(cursor.accept(answer(log.slice(2), cursor.since))),
      isCut ? "\nc\nd\n" : "c\nd\n",
    );
    assert(cursor.hasGap);
  }
});

Deno.test("LogCursor accepts messages of the node and other time zones", () => {
  const cursor = new LogCursor();
  const bytes = new TextEncoder().encode(
    "2026-11-29T10:00:00.000000001+02:00 a b\n2026-11-29T10:00:00.000000001+02:00 \nunable to retrieve logs\n",
  );
  assertEquals(
    new TextDecoder().decode(cursor.accept(bytes)),
    "a b\n\nunable to retrieve logs\n",
  );
  assertEquals(cursor.since, "2026-11-29T07:59:58Z");
});

Deno.test("LogCursor accepts long messages of the node, and the lines after them", () => {
  const long = `${"x".repeat(200)}\n`;
  const line = `${rfc3339(START)} a\n`;
  const bytes = new TextEncoder().encode(long + line + long);
  for (let at = 0; at <= bytes.length; at++) {
    const cursor = new LogCursor();
    const parts = [bytes.subarray(0, at), bytes.subarray(at)]
      .map((part) => new TextDecoder().decode(cursor.accept(part)));
    assertEquals(parts.join(""), `${long}a\n${long}`, `cut at ${at}`);
  }
});

Deno.test("LogCursor finds the last line when the clock of the node was set back", () => {
  const times = [0, 9, 10, 3, 4, 5];
  const log = times.map((count, at): Line => [
    START + BigInt(count) * 1_000_000_000n,
    `${at}\n`,
  ]);
  const cursor = new LogCursor();
  const parts = [cursor.accept(answer(log.slice(0, 4), undefined))];
  cursor.restart();
  parts.push(cursor.accept(answer(log, cursor.since)), cursor.finish());
  assertEquals(
    parts.map((part) => new TextDecoder().decode(part)).join(""),
    "0\n1\n2\n3\n4\n5\n",
  );
  assertEquals(cursor.hasGap, false);
});
