import type { MaskStream } from "../secrets/mask/stream.ts";

/**
 * Masks bytes that were kept, whatever the pieces in which they are read.
 *
 * @param chunks The bytes; a piece is good until the next one is asked for.
 * @param mask Takes the secrets out.
 * @returns What is left.
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
