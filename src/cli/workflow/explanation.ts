import { printable } from "../../terminal/text.ts";
import {
  cutToWidth,
  displayWidth,
  padToWidth,
  wrapText,
} from "../../terminal/width.ts";
import type { JobExplanation } from "../../workflow/job_conditions.ts";
import { getOutputColumns } from "../actions.ts";
import type { CommandContext, Flag } from "../command.ts";

/** Options of commands that explain which jobs start. */
export const EXPLAIN_FLAGS: readonly Flag[] = [
  {
    name: "explain",
    help:
      "Print which workflows and jobs start, which are skipped and why, without starting any",
    group: "What to run",
  },
  { name: "json", help: "Print the explanation as JSON", group: "Output" },
];

/** Width of a line if the size of the terminal is unknown. */
const DEFAULT_COLUMNS = 80;

/** Minimum width of the column of reasons. */
const MIN_REASON = 20;

/** Maximum share of a line for names. */
const NAMES_SHARE = 0.4;

const GAP = "  ";

/** Whether and why a workflow, or a job outside a workflow, starts. */
export interface Explanation {
  /** ID of the workflow, name of the job, or path of an invalid file. */
  readonly name: string;
  /** File that defines it. */
  readonly file: string;
  /** Whether the definition is the trusted one or that of a pull request. */
  readonly origin: "base" | "head";
  /** Whether it starts; `invalid` for an invalid file. */
  readonly status: "starts" | "skipped" | "invalid";
  /** Reason for the status. */
  readonly reason: string;
  /** Jobs of the workflow; `undefined` for a job. */
  readonly jobs?: readonly JobExplanation[];
}

/** Prints which workflows and jobs start or are skipped, and why. */
export async function printExplanations(
  { isOn, print, runner: { host } }: CommandContext,
  explanations: readonly Explanation[],
): Promise<void> {
  if (isOn("json")) return await print(JSON.stringify(explanations, null, 2));
  if (explanations.length === 0) {
    return await print("No workflows or jobs found");
  }
  const columns = getOutputColumns(host) ?? DEFAULT_COLUMNS;
  await print(formatExplanations(explanations, columns));
}

/**
 * Formats explanations as a table: a row for each workflow and, if it starts, a
 * row for each of its jobs. Long reasons are wrapped.
 */
export function formatExplanations(
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
      padToWidth(cutToWidth(name, nameCells), nameCells),
      padToWidth(status, statusCells),
    ];
    return [
      [...start, first].join(GAP).trimEnd(),
      ...rest.map((line) => " ".repeat(indent) + line),
    ];
  }).join("\n");
}
