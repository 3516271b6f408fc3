import { assertEquals } from "@std/assert";
import {
  durationProblem,
  durationText,
  parseDuration,
} from "../../src/schema/duration.ts";
import { Random } from "../helpers/random.ts";

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

Deno.test("durationText() writes durations that parseDuration() reads", () => {
  const texts = {
    "0 ms": 0,
    "300 ms": 300,
    "1500 ms": 1_500,
    "2s": 2_000,
    "15m": 900_000,
    "1h30m": 5_400_000,
    "1d1s": 86_401_000,
  };
  for (const [text, ms] of Object.entries(texts)) {
    assertEquals(durationText(ms), text);
    assertEquals(parseDuration(text.replace(" ", "")), ms);
  }
});

Deno.test("parseDuration() reads seconds and units", () => {
  const texts = {
    "0": 0,
    "90": 90_000,
    "1.5": 1_500,
    "0.0004": 0,
    "007": 7_000,
    "500ms": 500,
    "90s": 90_000,
    "15m": 900_000,
    "2h": 7_200_000,
    "1d": 86_400_000,
    "1h30m": 5_400_000,
    "1m5s": 65_000,
    "1m5ms": 60_005,
    "0.5h": 1_800_000,
    "30m1h": 5_400_000,
    "2147483648ms": 2_147_483_648,
    "25d": 2_160_000_000,
    "36500d": 36_500 * UNITS.d,
  };
  for (const [text, ms] of Object.entries(texts)) {
    assertEquals(parseDuration(text), ms, text);
  }
});

Deno.test("parseDuration() rejects invalid texts and more than 100 years", () => {
  const texts = [
    "",
    " ",
    " 5s",
    "5s\n",
    "5 s",
    "-5",
    "-5s",
    "+5s",
    "5S",
    "5w",
    "5min",
    "s",
    "1h30",
    "1.",
    ".5s",
    "1.5.2s",
    "1e3",
    "0x10",
    "1_000",
    "Infinity",
    "NaN",
    "٥s",
    "36500.1d",
    "876001h",
    "9".repeat(400),
    `${"9".repeat(400)}s`,
  ];
  for (const text of texts) {
    assertEquals(parseDuration(text), undefined, JSON.stringify(text));
  }
});

Deno.test("durationProblem() names the limit that a time exceeds", () => {
  assertEquals(
    durationProblem("876001h"),
    'must be at most "36500d" (100 years), not "876001h"',
  );
  assertEquals(
    durationProblem("soon"),
    'must be a duration such as "90s", "15m" or "2h", not "soon"',
  );
});

Deno.test("parseDuration() reads a long text quickly", () => {
  // With a pattern that backtracks, this would not terminate.
  assertEquals(parseDuration("1".repeat(100_000) + "x"), undefined);
  assertEquals(parseDuration("1m".repeat(50_000) + "x"), undefined);
  assertEquals(parseDuration("1ms".repeat(30_000) + "1"), undefined);
});

Deno.test("parseDuration() agrees with a naive model on random texts", () => {
  const random = new Random();
  const units = Object.keys(UNITS) as (keyof typeof UNITS)[];
  for (let round = 0; round < 5_000; round++) {
    let text = "";
    let ms = 0;
    for (let parts = 1 + random.below(3); parts > 0; parts--) {
      const unit = random.pick(units);
      const count = random.below(100);
      const tenths = random.below(3) === 0 ? random.below(10) : undefined;
      text += `${count}${tenths === undefined ? "" : `.${tenths}`}${unit}`;
      ms += (count + (tenths ?? 0) / 10) * UNITS[unit];
    }
    const note = `seed ${random.seed}, round ${round}: ${text}`;
    assertEquals(parseDuration(text), Math.round(ms), note);
    // A misplaced letter makes the text invalid.
    const at = random.below(text.length + 1);
    const broken = `${text.slice(0, at)}${random.pick("-x _,")}${
      text.slice(at)
    }`;
    assertEquals(parseDuration(broken), undefined, `${note}: ${broken}`);
  }
});
