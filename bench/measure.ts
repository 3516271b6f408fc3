import { type GoalName, GOALS } from "./goals.ts";

/** A measurement that runs once in each rotation. */
export interface Entrant {
  /** Name in the table. */
  readonly name: string;
  /** Runs the measurement once and returns the result. */
  readonly measure: () => Promise<number>;
}

/** One row of the table. */
export interface Comparison {
  /** Name of the entrant to evaluate. */
  readonly subject: string;
  /** Name of the baseline entrant; without one, the goal limits the maximum. */
  readonly floor?: string;
  /** Goal for the ratio or the maximum; without one, the row is informational. */
  readonly goal?: GoalName;
}

/** Entrants that are measured alternately, so that they run under the same load. */
export interface Contest {
  /** Heading of the table. */
  readonly title: string;
  /** Unit of the numbers. */
  readonly unit: "ms" | "MiB";
  /** Entrants, in the order in which a rotation runs them. */
  readonly entrants: readonly Entrant[];
  /** Rows of the table. */
  readonly comparisons: readonly Comparison[];
}

/** Results by the name of the entrant, one for each rotation. */
export type Numbers = ReadonlyMap<string, readonly number[]>;

/**
 * Measures every entrant once per rotation, so that other load on the machine
 * affects all entrants equally.
 *
 * @param rotationCount Number of rotations, not counting the warm-up rotation.
 */
export async function hold(
  { entrants }: Contest,
  rotationCount: number,
): Promise<Numbers> {
  const numbers = new Map(entrants.map(({ name }) => [name, [] as number[]]));
  for (let rotation = -1; rotation < rotationCount; rotation++) {
    for (const { name, measure } of entrants) {
      const number = await measure();
      if (rotation >= 0) numbers.get(name)!.push(number);
    }
  }
  return numbers;
}

/**
 * Formats the results of a contest as a table.
 *
 * Goals apply to the ratio of the medians. The ratios within each rotation show
 * how much that ratio varies.
 *
 * @param numbers Result of {@linkcode hold}.
 * @returns Lines of text.
 */
export function table(contest: Contest, numbers: Numbers): string {
  const { title, unit, comparisons } = contest;
  const rotationCount = numbers.values().next().value?.length;
  const rows = comparisons.map((comparison) => rowOf(comparison, numbers));
  return [
    `${title} (${unit}; ${rotationCount} rotations; min/median/max)`,
    ...aligned([
      ["", "ours", "floor", "", "ratio", "pair by pair", "goal", "holds"],
      ...rows,
    ]),
  ].join("\n");
}

/** A ratio that has a goal. */
export interface JudgedRatio {
  readonly label: string;
  readonly ratio: number;
  readonly goal: number;
}

/** Returns the ratios of a contest that have a goal. */
export function ratiosOf(
  { title, comparisons }: Contest,
  numbers: Numbers,
): JudgedRatio[] {
  return comparisons.flatMap(({ subject, floor, goal }) => {
    if (floor === undefined || goal === undefined) return [];
    const ratio = median(numbers.get(subject)!) / median(numbers.get(floor)!);
    const label = `${title}: ${subject} / ${floor}`;
    return [{ label, ratio, goal: GOALS[goal].limit }];
  });
}

function rowOf(comparison: Comparison, numbers: Numbers): string[] {
  const { subject, floor, goal } = comparison;
  const ours = numbers.get(subject)!;
  if (floor === undefined) {
    const comparison = compareWithGoal(Math.max(...ours), goal);
    return [subject, spread(ours), "", "", "", "", ...comparison];
  }
  const theirs = numbers.get(floor)!;
  const ratio = median(ours) / median(theirs);
  const pairs = ours.map((number, at) => number / theirs[at]);
  return [
    subject,
    spread(ours),
    spread(theirs),
    floor,
    ratio.toFixed(2),
    spread(pairs),
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

function spread(numbers: readonly number[]): string {
  const digits = median(numbers) < 10 ? 2 : median(numbers) < 100 ? 1 : 0;
  return [Math.min(...numbers), median(numbers), Math.max(...numbers)]
    .map((number) => number.toFixed(digits))
    .join("/");
}

/** Returns the median of numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]
    : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Pads cells so that columns are aligned. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) =>
    Math.max(...rows.map((row) => row[column].length))
  );
  return rows.map((row) =>
    "  " + row.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd()
  );
}
