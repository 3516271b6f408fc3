import type { LogTail } from "./log_tail.ts";
import type { Sink } from "./sink.ts";

/** Where the output of one step goes, masked already. */
export interface StepLog {
  /** Standard output, with standard error when the two are merged. */
  readonly stdout: Sink;
  /** Standard error, when it is kept apart. */
  readonly stderr: Sink;
  /** Ends a line that was begun: what follows has nothing to do with it. */
  endLine(): Promise<void>;
  /**
   * Returns the last lines, which may show why the step failed: 20 unless another
   * number is given, as far as 64 KiB reach.
   */
  tail(lineCount?: number): readonly string[];
  /** Writes what waits for the end of its line, and finishes the file. */
  close(): Promise<void>;
}

/** Where the output of all steps of a job goes. */
export interface JobLog {
  /**
   * Opens the log of a step; one step has one, whatever its attempts.
   *
   * @param name Name of the step.
   */
  openStep(name: string): Promise<StepLog>;
  /**
   * Masks, in the files of steps that are over, the secrets that became known
   * since a step began, or since the last time. Never rejects.
   */
  sweep(): Promise<void>;
}

/**
 * Makes the log of a step that nobody keeps: bytes go where they are shown.
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
 * Creates the same log with a memory of the last lines.
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
