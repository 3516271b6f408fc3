import type { LogTail } from "./log_tail.ts";
import type { Sink } from "./sink.ts";

/** Log of one step, which takes masked output. */
export interface StepLog {
  /** Standard output, with standard error if the two are merged. */
  readonly stdout: Sink;
  /** Standard error, if it is separate. */
  readonly stderr: Sink;
  /** Absolute path of the file, once it is complete; missing without a file. */
  readonly path?: string;
  /** Time of the last write, from `performance.now()`. */
  readonly lastOutputMs?: number;
  /** Ends an unfinished line before the output of the next attempt. */
  endLine(): Promise<void>;
  /**
   * Returns the last lines, which may show why the step failed: 20 by default,
   * from the last 64 KiB, with their colors.
   */
  tail(lineCount?: number): readonly string[];
  /** Writes unfinished lines, and finishes the file. */
  close(): Promise<void>;
}

/** Names of renamed files, by their names before. */
export type RenamedLogs = ReadonlyMap<string, string>;

/** Log of all steps of a job. */
export interface JobLog {
  /**
   * Absolute path of the directory with the files, without links; `undefined` if
   * there is none.
   */
  readonly directory: string | undefined;
  /**
   * Opens the log of a step, which all of its attempts share.
   *
   * @param options Whether the file is created only with its first bytes, or at
   * its end: for a step that may not run, which takes less time.
   */
  openStep(name: string, options?: { isLazy?: boolean }): Promise<StepLog>;
  /**
   * Masks secrets in the files of finished steps that became known since the
   * step started, or since the last call, and renames files that have them in
   * their names. Never rejects.
   *
   * @returns Names of renamed files, by their names before.
   */
  remaskLogs(): Promise<RenamedLogs>;
}

/**
 * Creates the log of a step that writes directly to the sinks and keeps
 * nothing.
 *
 * @param stdout Sink of standard output.
 * @param stderr Sink of standard error, if it is separate.
 * @returns The log, which does not split its input into lines.
 */
export function bareLog(stdout: Sink, stderr: Sink): StepLog {
  const nothing = () => Promise.resolve();
  return { stdout, stderr, endLine: nothing, tail: () => [], close: nothing };
}

/**
 * Creates the log of a step that writes directly to the sinks and keeps the
 * last lines.
 *
 * @param stdout Sink of standard output.
 * @param stderr Sink of standard error, if it is separate.
 * @param tail Keeps the last bytes.
 */
export function tailedLog(stdout: Sink, stderr: Sink, tail: LogTail): StepLog {
  const keepTail = (sink: Sink): Sink => ({
    write(bytes) {
      tail.add(bytes);
      return sink.write(bytes);
    },
  });
  const nothing = new Uint8Array();
  return {
    ...bareLog(keepTail(stdout), keepTail(stderr)),
    tail: (lineCount) => tail.lines(nothing, nothing, lineCount),
  };
}
