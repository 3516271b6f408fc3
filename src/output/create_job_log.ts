import type { Masker } from "../secrets/masker.ts";
import { bareLog, type JobLog, type StepLog } from "./job_log.ts";
import { MIN_LINE_BYTES } from "./line_limit.ts";
import { LogDirectory, LogFileNames } from "./log_directory.ts";
import { openStepFile, type StepFile } from "./step_file.ts";
import { openStepLog } from "./step_log.ts";
import { stepPrinters, type StepPrintersOptions } from "./step_printers.ts";

/** Time after which a reader wants to see how far a line has come. */
const UNFINISHED_LINE_MS = 2_000;

/** Options for {@linkcode createJobLog}. */
export interface JobLogOptions extends StepPrintersOptions {
  /**
   * Absolute path of a directory in which each step has a file; no files
   * without it.
   *
   * The file has whole lines, cut by no limit, as a terminal would show them
   * in the end; each ends with a line feed. A line of more than 64 KiB keeps
   * what came before a carriage return.
   */
  logDirectory?: string;
  /**
   * Knows the secrets; those that become known while a step runs are masked in
   * what was kept of it before.
   *
   * @default {what is known of secrets does not change}
   */
  masker?: Masker;
  /**
   * Hears, once per step, what keeps output from being filed. The step goes on;
   * its file, if any, ends where the trouble began.
   */
  onWarning: (message: string) => void;
  /**
   * How long a line without an end waits before it is shown as far as it goes,
   * in milliseconds; further pieces of it wait twice as long each. The file of
   * the step has the line in one piece. Never with `grouped`.
   *
   * @default {2_000}
   */
  unfinishedLineMs?: number;
  /**
   * Hears the line that a step writes anew with carriage returns, at most once
   * for each chunk; 200 characters at most, none of them for control. Never
   * with `plain`.
   */
  onProgress?: (step: string, text: string) => void;
}

/**
 * Makes the log of a job, which takes bytes that are masked already.
 *
 * Writes resolve when what they complete was shown. A step that shows bytes
 * `plain`, without limit and file, gets the given sinks themselves; nothing
 * is known of its last lines then.
 *
 * @param options Where, and how.
 * @returns The log.
 * @throws {RangeError} If the limit for lines leaves no room for them.
 */
export function createJobLog(options: JobLogOptions): JobLog {
  const { stdout, stderr, style, maxLineBytes, logDirectory } = options;
  checkLimit(maxLineBytes);
  const isBare = style === "plain" && maxLineBytes === undefined &&
    logDirectory === undefined;
  const names = new LogFileNames();
  for (const step of options.steps) names.nameFor(step);
  const directory = logDirectory === undefined
    ? undefined
    : new LogDirectory(logDirectory);
  const printerFor = stepPrinters(options);
  const opened = new Set<string>();
  const files: StepFile[] = [];
  return {
    async openStep(name): Promise<StepLog> {
      if (opened.has(name)) {
        throw new TypeError(`Cannot open the log of "${name}": it is open`);
      }
      opened.add(name);
      if (isBare) {
        return bareLog(stdout, stderr);
      }
      const { onWarning, onProgress, masker } = options;
      const file = await openStepFile({
        step: name,
        place: directory && { directory, name: names.nameFor(name) },
        isSpool: style === "grouped",
        masker,
        onWarning,
      });
      files.push(file);
      return openStepLog({
        file,
        unfinishedLineMs: options.unfinishedLineMs ?? UNFINISHED_LINE_MS,
        printer: printerFor(name, file),
        onProgress: style === "plain" || !onProgress
          ? undefined
          : (text) => onProgress(name, text),
      });
    },
    async sweep() {
      for (const file of files) await file.sweep();
    },
  };
}

function checkLimit(maxLineBytes: number | undefined): void {
  if (maxLineBytes === undefined) return;
  if (Number.isInteger(maxLineBytes) && maxLineBytes >= MIN_LINE_BYTES) return;
  throw new RangeError(
    `Cannot keep lines within ${maxLineBytes} bytes: the least limit is ${MIN_LINE_BYTES}`,
  );
}
