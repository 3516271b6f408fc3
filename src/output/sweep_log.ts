import type { Masker } from "../secrets/masker.ts";
import { removeTree } from "../workspace/remove.ts";
import { type LogDirectory, partialName } from "./log_directory.ts";
import { maskChunks } from "./mask_chunks.ts";

/**
 * Masks a log that was finished before all of its secrets were known.
 *
 * A reader sees the old or the new log, never half of one. What a step has put
 * in the place of its log is left alone, unless it is a file.
 *
 * @param directory Directory of the log.
 * @param name Name of the log.
 * @param masker Knows the secrets.
 * @throws If the system refuses.
 */
export async function sweepLog(
  directory: LogDirectory,
  name: string,
  masker: Masker,
): Promise<void> {
  const path = `${directory.ready()}/${name}`;
  if (!await isFile(path)) return;
  const partial = `${directory.ready()}/${partialName(name)}`;
  await removeTree(partial);
  const copy = await Deno.open(partial, { write: true, createNew: true });
  try {
    using _ = copy;
    const log = await Deno.open(path);
    for await (const bytes of maskChunks(log.readable, masker.stream())) {
      for (let at = 0; at < bytes.length;) {
        at += await copy.write(bytes.subarray(at));
      }
    }
    await Deno.rename(partial, path);
  } catch (error) {
    // The first failure is the one to report.
    await removeTree(partial).catch(() => {});
    throw error;
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.lstat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
