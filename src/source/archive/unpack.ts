import type { Budget } from "./budget.ts";
import { type ArchiveEntry, forEntry } from "./entry.ts";
import { Unpacking } from "./unpacking.ts";

/** Options for {@linkcode unpack}. */
export interface UnpackOptions {
  /** Whether the one folder at the top of the archive is left out. */
  stripTop: boolean;
  /** Counts what is unpacked. */
  budget: Budget;
  /** Stops the work. */
  signal: AbortSignal;
}

/**
 * Unpacks an archive into an empty directory.
 *
 * Nothing is written through a link, whatever the order of the entries, and
 * links may not lead out: those that exist when all is unpacked are followed
 * as the system would. Owners, special bits and devices are not taken over.
 *
 * After a failure the directory holds whatever was unpacked until then.
 *
 * @param entries Entries of the archive.
 * @param directory Absolute path of the directory, free of links.
 * @param options How to unpack.
 * @throws {RunnerError} With code `source-failed`, if an entry is refused or
 * cannot be written.
 */
export async function unpack(
  entries: AsyncIterable<ArchiveEntry>,
  directory: string,
  options: UnpackOptions,
): Promise<void> {
  const { stripTop, budget, signal } = options;
  const unpacking = new Unpacking(directory, stripTop);
  try {
    for await (const entry of entries) {
      signal.throwIfAborted();
      budget.addEntry();
      const content = entry.content && abortable(entry.content, signal);
      await forEntry(entry, () => unpacking.add({ ...entry, content }));
    }
    await unpacking.finish();
  } finally {
    // Whoever removes what was unpacked must find nobody at work.
    await unpacking.settle();
  }
}

async function* abortable(
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of content) {
    signal.throwIfAborted();
    yield bytes;
  }
}
