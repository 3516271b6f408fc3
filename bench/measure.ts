import { type GoalName, GOALS } from "./goals.ts";

/** Something of which a number is taken, again and again. */
export interface Entrant {
  /** Name in the table. */
  readonly name: string;
  /** Takes the number once. */
  readonly measure: () => Promise<number>;
}

/** What one row of the table tells. */
export interface Comparison {
  /** Name of the entrant that is measured. */
  readonly subject: string;
  /** Name of the entrant that it is compared with; without one, the goal limits the worst number. */
  readonly floor?: string;
  /** Goal that limits the ratio, or the number; without one, the row is context. */
  readonly goal?: GoalName;
}

/** Entrants that are measured side by side, in the same minutes. */
export interface Contest {
  /** Heading of the table. */
  readonly title: string;
  /** Unit of the numbers. */
  readonly unit: "ms" | "MiB";
  /** Who takes part, in the order of a rotation. */
  readonly entrants: readonly Entrant[];
  /** What the table tells. */
  readonly comparisons: readonly Comparison[];
}

/** Numbers by the name of the entrant, one for each rotation. */
export type Numbers = ReadonlyMap<string, readonly number[]>;

/**
 * Measures every entrant once per rotation, so that whatever else the machine
 * does meanwhile meets all of them alike.
 *
 * @param contest Entrants.
 * @param rotationCount Number of rotations, without the warm-up before them.
 * @returns The numbers.
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
 * Lays the numbers of a contest out as a table.
 *
 * The goal is held against the ratio of the medians; the ratios pair by pair,
 * within each rotation, tell how far to trust it.
 *
 * @param contest The contest.
 * @param numbers What {@linkcode hold} gave.
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

/** A ratio that has a goal, and what was compared. */
export interface JudgedRatio {
  readonly label: string;
  readonly ratio: number;
  readonly goal: number;
}

/** Gives the ratios of a contest that have a goal. */
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

/** Pads the cells of rows so that columns stand below one another. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) =>
    Math.max(...rows.map((row) => row[column].length))
  );
  return rows.map((row) =>
    "  " + row.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd()
  );
}
