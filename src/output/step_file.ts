import { osReason } from "../errors.ts";
import type { Masker } from "../secrets/masker.ts";
import type { LogDirectory } from "./log_directory.ts";
import { LogFile } from "./log_file.ts";
import { maskChunks } from "./remask_logs.ts";

/** Where the file of a step is. */
export interface StepFilePlace {
  /** Directory of the file. */
  readonly directory: LogDirectory;
  /** Name of the file. */
  readonly name: string;
  /** Returns another name, for a label that was masked again. */
  readonly newName: (label: string) => string;
}

/** Options for {@linkcode openStepFile}. */
export interface StepFileOptions {
  /** Name of the step. */
  step: string;
  /** Directory and name of the file; `undefined` if it is not kept. */
  place: StepFilePlace | undefined;
  /** Whether the output is read again, which requires a file in any case. */
  isSpool: boolean;
  /** Masker of the job, if secrets may be added to it. */
  masker: Masker | undefined;
  /** Called once if the output cannot be written to the file. */
  onWarning: (message: string) => void;
}

/** The file of a step, if there can be one. */
export interface StepFile extends Disposable {
  /** The file; `undefined` if it could not be created. */
  readonly file: LogFile | undefined;
  /**
   * Output that could not be written to the file and is printed from memory.
   */
  readonly unwritten: Uint8Array[];
  /** Renames the finished file. */
  finish(): Promise<void>;
  /** Reads the written output, and masks secrets that were added later. */
  content(): AsyncIterable<Uint8Array>;
  /**
   * Masks secrets in the finished file that were added later, and renames it if
   * its name has them.
   *
   * @returns The names before and after, if it was renamed.
   */
  remaskLog(): Promise<readonly [from: string, to: string] | undefined>;
}

/**
 * Opens the file of a step. Errors become a warning.
 *
 * @returns The file, which the caller must finish and dispose.
 */
export async function openStepFile(
  options: StepFileOptions,
): Promise<StepFile> {
  const { place, isSpool, masker } = options;
  let formTotal = masker?.formTotal;
  let label = options.step;
  let name = place?.name ?? "";
  const unwritten: Uint8Array[] = [];
  const warn = warnOnce(options);
  const listeners = {
    onFailure: warn,
    onUnwritten: isSpool
      ? (bytes: Uint8Array) => void unwritten.push(bytes.slice())
      : undefined,
  };
  let file: LogFile | undefined;
  if (place) {
    file = await LogFile.create(place.directory, place.name, listeners)
      .catch(warn);
  }
  if (isSpool) file ??= await LogFile.temporary(listeners).catch(warn);
  return {
    file,
    unwritten,
    finish: async () => await file?.finish().catch(warn),
    async *content() {
      if (!file) return;
      yield* masker && masker.formTotal !== formTotal
        ? maskChunks(file.content(), masker.stream())
        : file.content();
    },
    async remaskLog() {
      if (!place || !file || !masker || masker.formTotal === formTotal) {
        return undefined;
      }
      const total = masker.formTotal;
      const { remaskLog } = await import("./remask_logs.ts");
      const masked = masker.maskText(label);
      const to = masked === label ? name : place.newName(masked);
      try {
        if (!await remaskLog(place.directory, { name, to }, masker)) {
          return undefined;
        }
        formTotal = total;
        if (to === name) return undefined;
        const renamed = [name, to] as const;
        [label, name] = [masked, to];
        return renamed;
      } catch (error) {
        return warn(error);
      }
    },
    [Symbol.dispose]: () => file?.[Symbol.dispose](),
  };
}

function warnOnce(options: StepFileOptions): (cause: unknown) => undefined {
  const { step, place, onWarning } = options;
  const what = place
    ? `the log "${place.directory.path}/${place.name}"`
    : `the output of step "${step}" to a temporary file`;
  let isWarned = false;
  return (cause) => {
    if (!isWarned) onWarning(`Cannot write ${what}: ${osReason(cause)}`);
    isWarned = true;
  };
}
