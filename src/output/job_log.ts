import type { LogTail } from "./log_tail.ts";
import type { Sink } from "./sink.ts";

/** Log of one step; it takes output that is masked already. */
export interface StepLog {
  /** Standard output, with standard error when the two are merged. */
  readonly stdout: Sink;
  /** Standard error, when it is kept apart. */
  readonly stderr: Sink;
  /** Ends an unfinished line, before output of another attempt follows. */
  endLine(): Promise<void>;
  /**
   * Returns the last lines, which may show why the step failed: 20 by default,
   * out of the last 64 KiB.
   */
  tail(lineCount?: number): readonly string[];
  /** Writes unfinished lines, and finishes the file. */
  close(): Promise<void>;
}

/** Log of all steps of a job. */
export interface JobLog {
  /**
   * Opens the log of a step; all of its attempts share it.
   *
   * @param name Name of the step.
   */
  openStep(name: string): Promise<StepLog>;
  /**
   * Masks, in the files of steps that are over, the secrets that became known
   * since a step began, or since the last time. Never rejects.
   */
  remaskLogs(): Promise<void>;
}

/**
 * Creates the log of a step that writes straight to the sinks and keeps nothing.
 *
 * @param stdout Where standard output is shown.
 * @param stderr Where standard error is shown, when it is kept apart.
 * @returns The log, which knows nothing of lines.
 */
export function bareLog(stdout: Sink, stderr: Sink): StepLog {
  const nothing = () => Promise.resolve();
  return { stdout, stderr, endLine: nothing, tail: () => [], close: nothing };
}

/**
 * Creates the same log, but keeps the last lines.
 *
 * @param stdout Where standard output is shown.
 * @param stderr Where standard error is shown, when it is kept apart.
 * @param tail Remembers the last bytes.
 * @returns The log.
 */
export function tailedLog(stdout: Sink, stderr: Sink, tail: LogTail): StepLog {
  const remembering = (sink: Sink): Sink => ({
    write(bytes) {
      tail.add(bytes);
      return sink.write(bytes);
    },
  });
  const nothing = new Uint8Array();
  return {
    ...bareLog(remembering(stdout), remembering(stderr)),
    tail: (lineCount) => tail.lines(nothing, nothing, lineCount),
  };
}
