import { assertEquals } from "@std/assert";
import { formatClock, formatDuration } from "../../src/report/record_text.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

Deno.test("formatDuration() is short and rounds down", () => {
  const cases: [ms: number, text: string][] = [
    [-5, "0.0s"],
    [0, "0.0s"],
    [499, "0.4s"],
    [12_345, "12.3s"],
    [MINUTE - 1, "59.9s"],
    [MINUTE, "1m 00s"],
    [2 * MINUTE + 5 * SECOND + 999, "2m 05s"],
    [HOUR - 1, "59m 59s"],
    [HOUR + 2 * MINUTE, "1h 02m"],
    [26 * HOUR, "26h 00m"],
  ];
  for (const [ms, text] of cases) assertEquals(formatDuration(ms), text);
});

Deno.test("formatClock() changes once a second", () => {
  const cases: [ms: number, text: string][] = [
    [-5, "0:00"],
    [999, "0:00"],
    [42 * SECOND, "0:42"],
    [12 * MINUTE + 3 * SECOND, "12:03"],
    [HOUR + 2 * MINUTE + 3 * SECOND, "1:02:03"],
  ];
  for (const [ms, text] of cases) assertEquals(formatClock(ms), text);
});
