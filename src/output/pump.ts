import { onAbort } from "../process/on_abort.ts";
import type { ByteStream } from "../process/spawn.ts";
import type { MaskStream } from "../secrets/mask_stream.ts";
import { Batch, READ_BYTES } from "./batch.ts";
import type { Sink } from "./sink.ts";

/** Options for {@linkcode pump}. */
export interface PumpOptions {
  /** Takes the secrets out. */
  mask: MaskStream;
  /** Ends the pump, though the stream may go on. */
  stop: AbortSignal;
}

/**
 * Moves a program's output to a sink, masked, as fast as the pipe allows.
 *
 * What is interactive stays so: a read that came back short is written at
 * once. Full reads are gathered, since a write costs as much as a read. Bytes
 * stay bytes: nothing is decoded, and lines do not matter.
 *
 * @param stream The program's pipe.
 * @param sink Where the masked bytes go.
 * @param options Mask and end.
 */
export async function pump(
  stream: ByteStream,
  sink: Sink,
  options: PumpOptions,
): Promise<void> {
  const { mask, stop } = options;
  const reader = stream.getReader({ mode: "byob" });
  using _ = onAbort(stop, () => void reader.cancel());
  let batch = new Batch();
  let spare = new Batch();
  let scratch = new ArrayBuffer(READ_BYTES);
  let writing: Promise<void> = Promise.resolve();

  async function flush(isLast: boolean): Promise<void> {
    const window = batch.close();
    const { output, heldFrom } = mask.mask(window, isLast);
    // The other buffer is free once its write is done.
    await writing;
    spare.restart(window.subarray(heldFrom));
    if (output.length > 0) writing = sink.write(output);
    [batch, spare] = [spare, batch];
  }

  while (true) {
    const isGathering = batch.isWaiting;
    const pending = reader.read(
      isGathering ? new Uint8Array(scratch) : batch.lend(),
    );
    if (isGathering) {
      const first = await Promise.race([pending, batch.patience]);
      if (first === undefined) await flush(false);
    }
    const { value, done } = await pending;
    if (value !== undefined) {
      batch.take(value);
      if (isGathering) scratch = value.buffer;
    }
    if (done) break;
    if (value.length < READ_BYTES || batch.isFull) await flush(false);
  }
  await flush(true);
  await writing;
}
