import type { OutputFile } from "../../cache/step_entry.ts";
import { joinBytes } from "../../bytes.ts";
import { osReason } from "../../errors.ts";
import { openUntrusted, type UntrustedFile } from "../../fs/untrusted_file.ts";
import { MaskStream } from "../../secrets/mask/mask_stream.ts";
import type { Masker } from "../../secrets/masker.ts";
import { Uncacheable } from "./file_tree.ts";

/** Size of the chunks in which files are read, in bytes. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Finds an output that contains a secret, even while masking is off. Compressed or
 * encrypted content cannot be searched.
 *
 * @param root Absolute path of the directory of the job.
 * @returns Path of the output.
 * @throws {Uncacheable} If an output is not a regular file any more.
 */
export async function outputWithSecret(
  root: string,
  outputs: readonly OutputFile[],
  masker: Masker,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (masker.formTotal === 0) return undefined;
  for (const { path, type } of outputs) {
    if (type !== "file") continue;
    let containsSecret: boolean;
    try {
      // Another step may have replaced the file with a pipe or a link since then.
      await using file = await openUntrusted(`${root}/${path}`);
      containsSecret = await holdsSecretIn(file, masker, signal);
    } catch (cause) {
      signal.throwIfAborted();
      throw new Uncacheable(`"${path}" cannot be read: ${osReason(cause)}`);
    }
    if (containsSecret) return path;
  }
  return undefined;
}

/** Searches what a file contained when it was opened. */
async function holdsSecretIn(
  file: UntrustedFile,
  masker: Masker,
  signal: AbortSignal,
): Promise<boolean> {
  const mask = new MaskStream(masker);
  let held: Uint8Array = new Uint8Array();
  for (let left = file.size;;) {
    signal.throwIfAborted();
    const chunk = new Uint8Array(Math.min(left, CHUNK_BYTES));
    const count = left === 0 ? 0 : await file.read(chunk);
    left -= count;
    const window = joinBytes([held, chunk.subarray(0, count)]);
    const { output, heldFrom } = mask.mask(window, count === 0);
    if (!isEqual(output, window, count === 0 ? window.length : heldFrom)) {
      return true;
    }
    if (count === 0) return false;
    held = window.slice(heldFrom);
  }
}

function isEqual(
  output: Uint8Array,
  window: Uint8Array,
  length: number,
): boolean {
  return output.length === length &&
    output.every((byte, at) => byte === window[at]);
}
