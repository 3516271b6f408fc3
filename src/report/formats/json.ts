import { criticalPath } from "../critical_path.ts";
import { type RunRecord, runStatus } from "../run_record.ts";
import { isFlaky } from "../step_outcome.ts";

/**
 * Writes a run as one JSON object, which combines the events of its record.
 *
 * @param record The run.
 * @returns JSON, indented.
 */
export function jsonReport(record: RunRecord): string {
  const { started, ended, lastMs, steps, ...rest } = record;
  const { event: _started, ms: _startMs, time: startedAt, ...run } = started;
  const path = criticalPath(steps);
  return `${
    JSON.stringify(
      {
        ...run,
        startedAt,
        status: runStatus(record),
        exitCode: ended?.exitCode ?? null,
        durationMs: ended?.durationMs ?? lastMs,
        error: ended?.error,
        steps: steps.map(({ styledTail: _, ...step }) => ({
          ...step,
          isFlaky: isFlaky(step),
        })),
        criticalPath: {
          durationMs: path.durationMs,
          steps: path.steps.map(({ name }) => name),
        },
        ...rest,
      },
      null,
      2,
    )
  }\n`;
}
