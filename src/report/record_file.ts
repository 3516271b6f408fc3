import { openUntrusted, readToEnd } from "../fs/untrusted_file.ts";
import { isInside, normalizePath } from "../job_path.ts";
import { readRecord, type RunRecord } from "./run_record.ts";

/** Maximum size of a record, in bytes. */
const MAX_BYTES = 256 * 1024 * 1024;

/** Allowed locations of a record. */
export interface RecordFileOptions {
  /**
   * Absolute path of a directory that links must not leave.
   *
   * @default {anywhere}
   */
  base?: string;
}

/** The text of a record. */
export interface RecordText {
  readonly text: string;
  /** Whether the run is still active, if the record has no end. */
  readonly isRunning: boolean;
}

/**
 * Reads the text of a record, which a job may have replaced.
 *
 * @param path Absolute path.
 * @param options Allowed locations.
 * @throws {Error} If it cannot be read, or is too large.
 */
export async function readRecordText(
  path: string,
  options: RecordFileOptions = {},
): Promise<RecordText> {
  await using file = await openUntrusted(path, options);
  if (file.size > MAX_BYTES) {
    throw new Error(`it is larger than ${MAX_BYTES} bytes`);
  }
  // Checked first: a run that ends now releases the lock after its last line.
  const isRunning = await file.isLocked() ?? true;
  const bytes = await readToEnd(file, 0, MAX_BYTES);
  return { text: new TextDecoder().decode(bytes), isRunning };
}

/**
 * Reads the record of a run from its file.
 *
 * @param path Absolute path.
 * @param options Allowed locations.
 * @throws {Error} If it cannot be read, or is not a record.
 */
export async function readRecordFile(
  path: string,
  options: RecordFileOptions = {},
): Promise<RunRecord> {
  const { text, isRunning } = await readRecordText(path, options);
  const record = readRecord(text, { isRunning });
  if (record !== undefined) return record;
  throw new Error("it is not a run record");
}

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
