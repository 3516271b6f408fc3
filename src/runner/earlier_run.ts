import type { JobConfig } from "../config/job_config.ts";
import { messageOf } from "../errors.ts";
import { readRecordText, type RecordText } from "../report/record_file.ts";
import { readRecord, type RunRecord } from "../report/run_record.ts";
import { recordPath, splitPath } from "./record_place.ts";
import type { RunState } from "./run_state.ts";

/**
 * Reads the record with which the page of a run compares: the chosen one, or
 * the one that the run is about to replace.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @returns The record, unmasked; `undefined` if there is none.
 */
export async function readEarlierRun(
  { runner }: RunState,
  config: JobConfig,
): Promise<RecordText | undefined> {
  const { compareWith } = config.output;
  const { host, logger } = runner;
  try {
    if (compareWith === undefined) {
      const path = await recordPath(runner, config);
      return path === undefined ? undefined : await readRecordText(path);
    }
    const { directory, name } = splitPath(compareWith, host.cwd);
    return await readRecordText(`${directory}/${name}`);
  } catch (error) {
    // Most runs have no earlier one.
    if (compareWith === undefined) return undefined;
    logger.warn(
      "report",
      `Cannot compare with "${compareWith}": ${messageOf(error)}`,
    );
    return undefined;
  }
}

/**
 * Decides whether a page compares a run with an earlier one: if the user chose
 * it, or if both have the name of the job and a step in common.
 *
 * @param text The earlier record.
 * @param record The run.
 * @returns The earlier run, masked by what is secret now.
 */
export function earlierRun(
  { text, isRunning }: RecordText,
  record: RunRecord,
  { runner: { masker } }: RunState,
  { output: { compareWith } }: JobConfig,
): RunRecord | undefined {
  const maskText = (text: string) => masker.maskText(text);
  const earlier = readRecord(text, { isRunning, maskText });
  if (earlier === undefined || compareWith !== undefined) return earlier;
  const names = new Set(earlier.steps.map(({ name }) => name));
  const isSameJob = earlier.started.kind === record.started.kind &&
    earlier.started.name === record.started.name &&
    record.steps.some(({ name }) => names.has(name));
  return isSameJob ? earlier : undefined;
}
