import type { OutputFile } from "../../cache/step_entry.ts";
import { joinBytes } from "../../bytes.ts";
import { MaskStream } from "../../secrets/mask/mask_stream.ts";
import type { Masker } from "../../secrets/masker.ts";

/** Size of the chunks in which files are read, in bytes. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Finds an output that contains a secret, even while masking is off. Compressed or
 * encrypted content cannot be searched.
 *
 * @param root Absolute path of the directory of the job.
 * @returns Path of the output.
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
    using file = await Deno.open(`${root}/${path}`);
    if (await holdsSecretIn(file, masker, signal)) return path;
  }
  return undefined;
}

async function holdsSecretIn(
  file: { read(buffer: Uint8Array): Promise<number | null> },
  masker: Masker,
  signal: AbortSignal,
): Promise<boolean> {
  const mask = new MaskStream(masker);
  let held: Uint8Array = new Uint8Array();
  while (true) {
    signal.throwIfAborted();
    const chunk = new Uint8Array(CHUNK_BYTES);
    const count = await file.read(chunk);
    const window = joinBytes([held, chunk.subarray(0, count ?? 0)]);
    const { output, heldFrom } = mask.mask(window, count === null);
    if (!isEqual(output, window, count === null ? window.length : heldFrom)) {
      return true;
    }
    if (count === null) return false;
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
