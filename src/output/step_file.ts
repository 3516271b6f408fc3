import { osReason } from "../errors.ts";
import type { Masker } from "../secrets/masker.ts";
import type { LogDirectory } from "./log_directory.ts";
import { LogFile } from "./log_file.ts";
import { maskChunks } from "./remask_logs.ts";

/** Options for {@linkcode openStepFile}. */
export interface StepFileOptions {
  /** Name of the step. */
  step: string;
  /** Where the file will stand; without it nobody wants to keep one. */
  place: { directory: LogDirectory; name: string } | undefined;
  /** Whether output is read again, and therefore a file needed in any case. */
  isSpool: boolean;
  /** Knows the secrets, if what is known of them may change. */
  masker: Masker | undefined;
  /** Hears, once, what keeps the output from being filed. */
  onWarning: (message: string) => void;
}

/** The file of a step, if there can be one. */
export interface StepFile extends Disposable {
  /** The file; a step without one goes on all the same. */
  readonly file: LogFile | undefined;
  /** What the file did not take, of a spool. */
  readonly unwritten: Uint8Array[];
  /** Gives the file its name. */
  finish(): Promise<void>;
  /** Reads what was written, without the secrets that became known later. */
  content(): AsyncIterable<Uint8Array>;
  /** Takes the secrets that became known later out of the finished file. */
  sweep(): Promise<void>;
}

/**
 * Opens the file of a step; what goes wrong becomes a warning.
 *
 * @param options Step, place and listener.
 * @returns The file, to be finished and disposed of.
 */
export async function openStepFile(
  options: StepFileOptions,
): Promise<StepFile> {
  const { place, isSpool, masker } = options;
  let formTotal = masker?.formTotal;
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
    async sweep() {
      if (!place || !file) return;
      if (!masker || masker.formTotal === formTotal) return;
      const total = masker.formTotal;
      const { sweepLog } = await import("./remask_logs.ts");
      await sweepLog(place.directory, place.name, masker).catch(warn);
      formTotal = total;
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
