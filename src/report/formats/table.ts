import { formatDuration } from "../durations.ts";
import { artifactLines, problemCounts } from "../record_text.ts";
import { type RunRecord, runStatus } from "../run_record.ts";
import { isFlaky } from "../step_outcome.ts";
import { formatSummary, type SummaryOptions } from "../summary.ts";

/**
 * Writes the table that a run printed at its end, and the total time.
 *
 * @param record The run.
 * @param options Width and color.
 * @returns Text.
 */
export function tableReport(
  record: RunRecord,
  options: SummaryOptions,
): string {
  const { steps, ended, lastMs, problems } = record;
  const table = steps.map((step) => ({
    ...step,
    attempts: step.attempts.length,
  }));
  const status = runStatus(record);
  const cached = steps.filter((step) => step.cached).length;
  const flaky = steps.filter(isFlaky).length;
  const total = `${status} in ${formatDuration(ended?.durationMs ?? lastMs)}`;
  const counts = [
    total,
    ...cached === 0 ? [] : [`${cached} cached`],
    ...flaky === 0 ? [] : [`${flaky} flaky`],
    ...problems.length === 0 ? [] : [problemCounts(problems)],
  ];
  return [
    ...table.length === 0 ? [] : [formatSummary(table, options), ""],
    counts.join(", "),
    ...artifactLines(record).map(([what, text]) => `${what}: ${text}`),
    "",
  ].join("\n");
}
