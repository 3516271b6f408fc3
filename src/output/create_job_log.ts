import type { Masker } from "../secrets/masker.ts";
import { bareLog, type JobLog, type StepLog } from "./job_log.ts";
import { MIN_LINE_BYTES } from "./line_limit.ts";
import { LogDirectory, LogFileNames } from "./log_directory.ts";
import { openStepFile, type StepFile } from "./step_file.ts";
import { openStepLog } from "./step_log.ts";
import { stepPrinters, type StepPrintersOptions } from "./step_printers.ts";

/** Default time after which an unfinished line is shown, in milliseconds. */
const UNFINISHED_LINE_MS = 2_000;

/** Options for {@linkcode createJobLog}. */
export interface JobLogOptions extends StepPrintersOptions {
  /**
   * Absolute path of the directory in which each step gets a file; no files are
   * written without it.
   *
   * A file contains complete lines of any length, as a terminal finally shows
   * them, each with a line feed. A line of more than 64 KiB keeps the text
   * before a carriage return.
   */
  logDirectory?: string;
  /**
   * Masker of the job. Secrets that are registered while a step runs are also
   * masked in the text that its file already contains.
   *
   * @default {no secrets are added}
   */
  masker?: Masker;
  /**
   * Called once per step when its output cannot be written to its file. The
   * step continues; its file, if any, ends where the error occurred.
   */
  onWarning: (message: string) => void;
  /**
   * Time after which an unfinished line is shown, in milliseconds. The delay
   * doubles for each further part of the line. The file of the step contains
   * the line in one piece. Ignored with `grouped`.
   *
   * @default {2_000}
   */
  unfinishedLineMs?: number;
  /**
   * Called with the line that a step rewrites with carriage returns, at most
   * once per chunk, without control characters and with at most 200
   * characters. Ignored with `plain`.
   */
  onProgress?: (step: string, text: string) => void;
}

/**
 * Creates the log of a job, which takes masked output.
 *
 * A write resolves when the lines that it completes have been printed. With the
 * style `plain`, no limit and no file, a step writes directly to the given
 * sinks, and its last lines are not kept.
 *
 * @throws {RangeError} If the limit is below the minimum.
 */
export function createJobLog(options: JobLogOptions): JobLog {
  const { stdout, stderr, style, maxLineBytes, logDirectory, timestamps } =
    options;
  checkLimit(maxLineBytes);
  const isBare = style === "plain" && maxLineBytes === undefined &&
    logDirectory === undefined && !timestamps;
  const names = new LogFileNames();
  for (const step of options.steps) names.nameFor(step);
  const directory = logDirectory === undefined
    ? undefined
    : new LogDirectory(logDirectory);
  const printerFor = stepPrinters(options);
  const opened = new Set<string>();
  const files: StepFile[] = [];
  return {
    get directory() {
      try {
        return directory?.prepare();
      } catch {
        // The log of a step that cannot be written reports it.
        return undefined;
      }
    },
    async openStep(name, { isLazy = false } = {}): Promise<StepLog> {
      if (opened.has(name)) {
        throw new TypeError(
          `Cannot open the log of "${name}": it is already open`,
        );
      }
      opened.add(name);
      if (isBare) {
        return bareLog(stdout, stderr);
      }
      const { onWarning, onProgress, masker } = options;
      const file = await openStepFile({
        step: name,
        place: directory && {
          directory,
          name: names.nameFor(name),
          newName: (label) => names.newName(label),
        },
        isSpool: style === "grouped",
        isLazy,
        masker,
        onWarning,
      });
      files.push(file);
      const log = openStepLog({
        file,
        unfinishedLineMs: options.unfinishedLineMs ?? UNFINISHED_LINE_MS,
        printer: printerFor(name, file),
        onProgress: style === "plain" || !onProgress
          ? undefined
          : (text) => onProgress(name, text),
      });
      return logDirectory === undefined ? log : Object.assign(log, {
        path: `${logDirectory}/${names.nameFor(name)}`,
      });
    },
    async remaskLogs() {
      const renamed = new Map<string, string>();
      for (const file of files) {
        const names = await file.remaskLog();
        if (names !== undefined) renamed.set(...names);
      }
      return renamed;
    },
  };
}

function checkLimit(maxLineBytes: number | undefined): void {
  if (maxLineBytes === undefined) return;
  if (Number.isInteger(maxLineBytes) && maxLineBytes >= MIN_LINE_BYTES) return;
  throw new RangeError(
    `Cannot keep lines within ${maxLineBytes} bytes: the minimum is ${MIN_LINE_BYTES}`,
  );
}
