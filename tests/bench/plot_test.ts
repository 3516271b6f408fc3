import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { GOALS } from "../../bench/goals.ts";
import { type Benchmark, listGoalRatios } from "../../bench/measure.ts";
import { plot } from "../../bench/plot.ts";

const BENCHMARK: Benchmark = {
  title: "Race",
  unit: "ms",
  variants: [],
  comparisons: [
    { subject: "hare", floor: "tortoise", goal: "G1" },
    { subject: "snail", floor: "tortoise" },
    { subject: "hare", goal: "G13" },
  ],
};

Deno.test("listGoalRatios() returns the ratios of medians that have a goal", () => {
  const numbers = new Map([
    ["hare", [9, 1, 3]],
    ["tortoise", [2, 2, 4]],
    ["snail", [5, 5, 5]],
  ]);
  assertEquals(listGoalRatios(BENCHMARK, numbers), [
    { label: "Race: hare / tortoise", ratio: 1.5, goal: GOALS.G1.limit },
  ]);
});

Deno.test("plot() draws a bar for each ratio, and highlights missed goals", () => {
  const svg = plot([
    { label: "a < b & c", ratio: 1, goal: 2 },
    { label: "slow", ratio: 3, goal: 2 },
  ]);
  assertStringIncludes(svg, ">a &lt; b &amp; c</text>");
  const bars = [...svg.matchAll(/width="([\d.]+)" height="14" fill="(#\w+)"/g)];
  const [[, short, good], [, long, bad]] = bars;
  assertEquals(bars.length, 2);
  assertEquals(Math.round(Number(long) / Number(short)), 3);
  assertEquals(good === bad, false);
  assertMatch(svg, /^<svg [\s\S]*<\/svg>\n$/);
});
