import { type GoalName, GOALS } from "./goals.ts";

/** A measurement that runs once in each rotation. */
export interface Variant {
  /** Name in the table. */
  readonly name: string;
  /** Runs the measurement once and returns the result. */
  readonly measure: () => Promise<number>;
}

/** One row of the table. */
export interface Comparison {
  /** Name of the variant to evaluate. */
  readonly subject: string;
  /** Name of the baseline variant; without one, the goal limits the maximum. */
  readonly floor?: string;
  /** Goal for the ratio or the maximum; without one, the row is informational. */
  readonly goal?: GoalName;
}

/** Variants that are measured alternately, so that they run under the same load. */
export interface Benchmark {
  /** Heading of the table. */
  readonly title: string;
  /** Unit of the numbers. */
  readonly unit: "ms" | "MiB";
  /** Variants, in the order in which a rotation runs them. */
  readonly variants: readonly Variant[];
  /** Rows of the table. */
  readonly comparisons: readonly Comparison[];
}

/** Results by the name of the variant, one for each rotation. */
export type Samples = ReadonlyMap<string, readonly number[]>;

/**
 * Measures every variant once per rotation, so that other load on the machine
 * affects all variants equally.
 *
 * @param rotationCount Number of rotations, not counting the warm-up rotation.
 */
export async function runBenchmark(
  { variants }: Benchmark,
  rotationCount: number,
): Promise<Samples> {
  const samples = new Map(variants.map(({ name }) => [name, [] as number[]]));
  for (let rotation = -1; rotation < rotationCount; rotation++) {
    for (const { name, measure } of variants) {
      const number = await measure();
      if (rotation >= 0) samples.get(name)!.push(number);
    }
  }
  return samples;
}

/**
 * Formats the results of a benchmark as a table.
 *
 * Goals apply to the ratio of the medians. The ratios within each rotation show
 * how much that ratio varies.
 *
 * @param samples Result of {@linkcode runBenchmark}.
 * @returns Lines of text.
 */
export function formatTable(benchmark: Benchmark, samples: Samples): string {
  const { title, unit, comparisons } = benchmark;
  const rotationCount = samples.values().next().value?.length;
  const rows = comparisons.map((comparison) =>
    comparisonRow(comparison, samples)
  );
  return [
    `${title} (${unit}; ${rotationCount} rotations; min/median/max)`,
    ...alignColumns([
      ["", "ours", "floor", "", "ratio", "pair by pair", "goal", "holds"],
      ...rows,
    ]),
  ].join("\n");
}

/** A ratio that has a goal. */
export interface GoalRatio {
  /** Benchmark, subject and baseline. */
  readonly label: string;
  /** Our number divided by that of the baseline. */
  readonly ratio: number;
  /** Maximum acceptable ratio. */
  readonly goal: number;
}

/** Returns the ratios of a benchmark that have a goal. */
export function listGoalRatios(
  { title, comparisons }: Benchmark,
  samples: Samples,
): GoalRatio[] {
  return comparisons.flatMap(({ subject, floor, goal }) => {
    if (floor === undefined || goal === undefined) return [];
    const ratio = median(samples.get(subject)!) / median(samples.get(floor)!);
    const label = `${title}: ${subject} / ${floor}`;
    return [{ label, ratio, goal: GOALS[goal].limit }];
  });
}

function comparisonRow(comparison: Comparison, samples: Samples): string[] {
  const { subject, floor, goal } = comparison;
  const ours = samples.get(subject)!;
  if (floor === undefined) {
    const comparison = compareWithGoal(Math.max(...ours), goal);
    return [subject, formatRange(ours), "", "", "", "", ...comparison];
  }
  const baseline = samples.get(floor)!;
  const ratio = median(ours) / median(baseline);
  const pairs = ours.map((number, index) => number / baseline[index]);
  return [
    subject,
    formatRange(ours),
    formatRange(baseline),
    floor,
    ratio.toFixed(2),
    formatRange(pairs),
    ...compareWithGoal(ratio, goal),
  ];
}

function compareWithGoal(
  number: number,
  goal: GoalName | undefined,
): [string, string] {
  if (goal === undefined) return ["", ""];
  const { limit } = GOALS[goal];
  return [`${goal} ≤ ${limit}`, number <= limit ? "yes" : "NO"];
}

function formatRange(samples: readonly number[]): string {
  const digits = median(samples) < 10 ? 2 : median(samples) < 100 ? 1 : 0;
  return [Math.min(...samples), median(samples), Math.max(...samples)]
    .map((number) => number.toFixed(digits))
    .join("/");
}

/** Returns the median of numbers. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]
    : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Pads cells so that columns are aligned. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) =>
    Math.max(...rows.map((row) => row[column].length))
  );
  return rows.map((row) =>
    "  " +
    row.map((cell, index) => cell.padEnd(widths[index])).join("  ").trimEnd()
  );
}
