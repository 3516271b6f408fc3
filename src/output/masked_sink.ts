import { joinBytes } from "../bytes.ts";
import type { MaskStream } from "../secrets/mask/mask_stream.ts";
import type { Sink } from "./sink.ts";

/** A sink that masks what is written to it. */
export interface MaskedSink extends Sink {
  /**
   * Writes the bytes that were held back because they could have become a
   * secret.
   */
  end(): Promise<void>;
}

/**
 * Masks a stream of bytes that arrives in any pieces, such as a log that is
 * read from a server.
 *
 * @param sink Takes the masked bytes.
 * @param mask Masker of the stream.
 */
export function maskedSink(sink: Sink, mask: MaskStream): MaskedSink {
  let held: Uint8Array = new Uint8Array();
  async function write(bytes: Uint8Array, isLast: boolean): Promise<void> {
    const window = joinBytes([held, bytes]);
    const { output, heldFrom } = mask.mask(window, isLast);
    held = window.slice(heldFrom);
    // The output is valid only until the next window.
    if (output.length > 0) await sink.write(output.slice());
  }
  return {
    write: (bytes) => write(bytes, false),
    end: () => write(new Uint8Array(), true),
  };
}
