import { osReason } from "../errors.ts";
import { writeAll } from "../fs/files.ts";
import { openUntrusted, type UntrustedFile } from "../fs/untrusted_file.ts";
import type { MaskStream } from "../secrets/mask/mask_stream.ts";
import type { Masker } from "../secrets/masker.ts";
import { removeTree } from "../workspace/remove.ts";
import { type LogDirectory, partialName } from "./log_directory.ts";
import { LogFile } from "./log_file.ts";

/** Maximum number of bytes that are read at once. */
const CHUNK_BYTES = 256 * 1024;

/** Location of the file of a step. */
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
  /** Whether the file is created only with its first bytes, or at its end. */
  isLazy: boolean;
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
  const { place, isSpool, isLazy, masker } = options;
  let formTotal = masker?.formTotal;
  let label = options.step;
  let name = place?.name ?? "";
  let size: number | undefined;
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
    const { directory, name } = place;
    file = isLazy && !isSpool
      ? LogFile.lazy(directory, name, listeners)
      : await LogFile.create(directory, name, listeners).catch(warn);
  }
  if (isSpool) file ??= await LogFile.temporary(listeners).catch(warn);
  return {
    file,
    unwritten,
    finish: async () => await file?.finish().catch(warn),
    async *content() {
      if (!file) return;
      yield* masker && masker.formTotal !== formTotal
        ? maskChunks(file.content(), () => masker.stream())
        : file.content();
    },
    async remaskLog() {
      if (!place || !file || !masker || masker.formTotal === formTotal) {
        return undefined;
      }
      const total = masker.formTotal;
      const masked = masker.maskText(label);
      const to = masked === label ? name : place.newName(masked);
      try {
        size ??= file.writtenBytes;
        const log = { name, to, size };
        const newSize = await remaskLog(place.directory, log, masker);
        if (newSize === undefined) return undefined;
        size = newSize;
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

/**
 * Masks bytes that are read in chunks.
 *
 * @param chunks Chunks, each of which is valid until the next one is requested.
 * @param startMask Starts a stream that masks secrets; called if there is a chunk.
 */
export async function* maskChunks(
  chunks: AsyncIterable<Uint8Array>,
  startMask: () => MaskStream,
): AsyncGenerator<Uint8Array> {
  let mask: MaskStream | undefined;
  let held = new Uint8Array();
  for await (const chunk of chunks) {
    mask ??= startMask();
    const window = new Uint8Array(held.length + chunk.length);
    window.set(held);
    window.set(chunk, held.length);
    const { output, heldFrom } = mask.mask(window, false);
    held = window.slice(heldFrom);
    if (output.length > 0) yield output;
  }
  if (mask === undefined) return;
  const { output } = mask.mask(held, true);
  if (output.length > 0) yield output;
}

/** Names and size of a log. */
export interface RemaskedLog {
  /**
   * Number of bytes that the runner wrote. A step may have extended the file,
   * even beyond the size of the disk.
   */
  readonly size: number;
  /** Old name. */
  readonly name: string;
  /** New name, which no other file has. */
  readonly to: string;
}

/**
 * Masks a log that was finished before all of its secrets were known.
 *
 * The log is replaced atomically. If a step has replaced it with anything but a
 * regular file, it is left alone.
 *
 * @returns New size of the log; `undefined` if there is none.
 * @throws The error of the system.
 */
export async function remaskLog(
  directory: LogDirectory,
  { name, to, size }: RemaskedLog,
  masker: Masker,
): Promise<number | undefined> {
  const path = `${directory.prepare()}/${name}`;
  await using log = await openLog(path);
  if (log === undefined) return undefined;
  let newSize = 0;
  const partial = `${directory.prepare()}/${partialName(to)}`;
  await removeTree(partial);
  const copy = await Deno.open(partial, { write: true, createNew: true });
  try {
    using _ = copy;
    const chunks = readChunks(log, Math.min(log.size, size));
    for await (const bytes of maskChunks(chunks, () => masker.stream())) {
      await writeAll(copy, bytes);
      newSize += bytes.length;
    }
    await Deno.rename(partial, `${directory.prepare()}/${to}`);
    if (to !== name) await Deno.remove(path);
    return newSize;
  } catch (error) {
    // The first failure is the one to report.
    await removeTree(partial).catch(() => {});
    throw error;
  }
}

async function openLog(path: string): Promise<UntrustedFile | undefined> {
  try {
    if (!(await Deno.lstat(path)).isFile) return undefined;
    return await openUntrusted(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function* readChunks(
  log: UntrustedFile,
  size: number,
): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let rest = size; rest > 0;) {
    const count = await log.read(buffer.subarray(0, rest));
    if (count === 0) return;
    rest -= count;
    yield buffer.subarray(0, count);
  }
}
