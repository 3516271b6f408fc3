import { printable } from "../../terminal/text.ts";
import { cutToWidth, displayWidth } from "../../terminal/width.ts";
import { wrapText } from "../../terminal/wrap.ts";
import type { JobExplanation } from "../../workflow/explain_jobs.ts";
import type { CommandContext, Flag } from "../command.ts";

/** Options of commands that explain what starts. */
export const EXPLAIN_FLAGS: readonly Flag[] = [
  {
    name: "explain",
    help:
      "Print which workflows and jobs start, which are skipped and why, without starting any",
    group: "What to run",
  },
  { name: "json", help: "Print the explanation as JSON", group: "Output" },
];

/** Cells of a line where the terminal does not say how many it has. */
const DEFAULT_COLUMNS = 80;

/** Minimum cells of the column of reasons. */
const MIN_REASON = 20;

/** Part of a line that names may take. */
const NAMES_SHARE = 0.4;

const GAP = "  ";

/** A workflow, or a job without one: whether it starts, and why. */
export interface Explanation {
  /** Id of the workflow, or name of the job; of an invalid file its path. */
  readonly name: string;
  /** File that defines it. */
  readonly file: string;
  /** Whether the definition is the trusted one or that of a pull request. */
  readonly origin: "base" | "head";
  /** Whether it starts; `invalid` for a file that cannot be used. */
  readonly status: "starts" | "skipped" | "invalid";
  /** Why. */
  readonly reason: string;
  /** Jobs of the workflow; `undefined` for a job without one. */
  readonly jobs?: readonly JobExplanation[];
}

/**
 * Prints which workflows and jobs start or are skipped, and why.
 *
 * @param context Context of the command.
 * @param explanations Workflows and jobs.
 */
export async function printExplanations(
  { isOn, print, parts: { host } }: CommandContext,
  explanations: readonly Explanation[],
): Promise<void> {
  if (isOn("json")) return await print(JSON.stringify(explanations, null, 2));
  if (explanations.length === 0) {
    return await print("There are no workflows and no jobs");
  }
  const columns = host.stdout.isTerminal()
    ? host.consoleSize?.()?.columns
    : undefined;
  await print(explanationTable(explanations, columns ?? DEFAULT_COLUMNS));
}

/**
 * Formats explanations as a table: a line for each workflow, and for each of its
 * jobs if it starts. Long reasons are wrapped.
 *
 * @param explanations Workflows and jobs.
 * @param columns Cells of a line.
 * @returns Lines.
 */
export function explanationTable(
  explanations: readonly Explanation[],
  columns: number,
): string {
  const rows = [
    ["WORKFLOW OR JOB", "STATUS", "REASON"],
    ...explanations.flatMap(({ name, status, reason, jobs = [] }) => [
      [printable(name), status, printable(reason)],
      ...(status === "starts" ? jobs : []).map((job) => [
        `  ${printable(job.name)}`,
        job.status,
        printable(job.reason),
      ]),
    ]),
  ];
  const widest = (column: number) =>
    Math.max(...rows.map((row) => displayWidth(row[column])));
  const nameCells = Math.min(widest(0), Math.floor(columns * NAMES_SHARE));
  const statusCells = widest(1);
  const indent = nameCells + statusCells + 2 * GAP.length;
  const reasonCells = Math.max(MIN_REASON, columns - indent);
  return rows.flatMap(([name, status, reason]) => {
    const [first, ...rest] = wrapText(reason, { columns: reasonCells });
    const start = [
      pad(cutToWidth(name, nameCells), nameCells),
      pad(status, statusCells),
    ];
    return [
      [...start, first].join(GAP).trimEnd(),
      ...rest.map((line) => " ".repeat(indent) + line),
    ];
  }).join("\n");
}

function pad(text: string, cells: number): string {
  return text + " ".repeat(Math.max(0, cells - displayWidth(text)));
}
