import { openUntrusted, type UntrustedFile } from "../fs/read_untrusted.ts";
import type { MaskStream } from "../secrets/mask/stream.ts";
import type { Masker } from "../secrets/masker.ts";
import { removeTree } from "../workspace/remove.ts";
import { type LogDirectory, partialName } from "./log_directory.ts";
import { writeAll } from "../fs/files.ts";

/** Maximum number of bytes that are read at once. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Masks bytes that are read in chunks.
 *
 * @param chunks Chunks, each of which is valid until the next one is requested.
 */
export async function* maskChunks(
  chunks: AsyncIterable<Uint8Array>,
  mask: MaskStream,
): AsyncGenerator<Uint8Array> {
  let held = new Uint8Array();
  for await (const chunk of chunks) {
    const window = new Uint8Array(held.length + chunk.length);
    window.set(held);
    window.set(chunk, held.length);
    const { output, heldFrom } = mask.mask(window, false);
    held = window.slice(heldFrom);
    if (output.length > 0) yield output;
  }
  const { output } = mask.mask(held, true);
  if (output.length > 0) yield output;
}

/** Names of a log. */
export interface RemaskedLog {
  /** Name before. */
  readonly name: string;
  /** Name afterwards, which no other file has. */
  readonly to: string;
}

/**
 * Masks a log that was finished before all of its secrets were known.
 *
 * The log is replaced atomically. If a step has replaced it with anything but a
 * regular file, it is left alone.
 *
 * @returns Whether there is such a log.
 * @throws The error of the system.
 */
export async function remaskLog(
  directory: LogDirectory,
  { name, to }: RemaskedLog,
  masker: Masker,
): Promise<boolean> {
  const path = `${directory.ready()}/${name}`;
  await using log = await openLog(path);
  if (log === undefined) return false;
  const partial = `${directory.ready()}/${partialName(to)}`;
  await removeTree(partial);
  const copy = await Deno.open(partial, { write: true, createNew: true });
  try {
    using _ = copy;
    for await (const bytes of maskChunks(chunksOf(log), masker.stream())) {
      await writeAll(copy, bytes);
    }
    await Deno.rename(partial, `${directory.ready()}/${to}`);
    if (to !== name) await Deno.remove(path);
    return true;
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

async function* chunksOf(log: UntrustedFile): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  // A process that outlived the step may still append to the file.
  for (let rest = log.size; rest > 0;) {
    const count = await log.read(buffer.subarray(0, rest));
    if (count === 0) return;
    rest -= count;
    yield buffer.subarray(0, count);
  }
}
