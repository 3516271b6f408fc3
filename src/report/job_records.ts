import { isInside, normalizePath } from "../job_path.ts";
import { readRecordFile } from "./record_file.ts";
import type { RunRecord } from "./run_record.ts";

/** Maximum number of records of jobs that are read. */
const MAX_RECORDS = 200;

/**
 * Reads the records of the jobs of a workflow, if they are below its directory:
 * a job may have changed the record of the workflow to point at other files.
 *
 * @param record Record of the workflow.
 * @param directory Absolute path of its directory.
 * @returns Records by the indexes of the jobs; those that cannot be read are
 * left out.
 */
export async function readJobRecords(
  { steps }: RunRecord,
  directory: string,
): Promise<ReadonlyMap<number, RunRecord>> {
  const records = new Map<number, RunRecord>();
  const base = normalizePath(directory);
  for (const [index, { record: path }] of steps.entries()) {
    if (path === undefined || records.size === MAX_RECORDS) continue;
    const absolute = normalizePath(`${base}/${path}`);
    if (path.startsWith("/") || !isInside(base, absolute)) continue;
    try {
      records.set(index, await readRecordFile(absolute, { base }));
    } catch {
      // It was removed with the workspace of the job, or not moved along with
      // that of the workflow.
    }
  }
  return records;
}
