import { onAbort } from "../process/on_abort.ts";
import type { ByteStream } from "../process/spawn.ts";
import type { MaskStream } from "../secrets/mask_stream.ts";
import { settlesWithin } from "../process/time_limit.ts";
import { Batch, READ_BYTES } from "./batch.ts";
import type { Sink } from "./sink.ts";

/** How long gathered bytes wait for company, in milliseconds. */
const PATIENCE_MS = 1;

/** How long a pump that is stopped waits for what is in the pipe already, in milliseconds. */
const REST_MS = 50;

/** Most that a pump takes after it was stopped: all that a pipe can hold. */
const REST_BYTES = 1024 * 1024;

/** Options for {@linkcode pump}. */
export interface PumpOptions {
  /** Takes the secrets out. */
  mask: MaskStream;
  /** Ends the pump after what is in the pipe already, though the stream may go on. */
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
 * @throws What the sink rejects with; the pipe is closed then.
 */
export async function pump(
  stream: ByteStream,
  sink: Sink,
  options: PumpOptions,
): Promise<void> {
  const { mask, stop } = options;
  const reader = stream.getReader({ mode: "byob" });
  let reading: Promise<unknown> | undefined;
  let writing: Promise<void> = Promise.resolve();
  let flushing: Promise<void> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let restBytes = Infinity;
  let batch = new Batch();
  let spare = new Batch();
  let scratch = new ArrayBuffer(READ_BYTES);

  function giveUp(): void {
    // Whatever the pipe has to say to that, nobody reads it any more.
    reader.cancel().catch(() => {});
  }

  async function giveUpWhenIdle(): Promise<void> {
    if (reading && !await settlesWithin(reading, REST_MS)) giveUp();
  }

  function flush(): Promise<void> {
    flushing = writeBatch(false).finally(() => flushing = undefined);
    return flushing;
  }

  /** Gathered bytes wait for company, but not for long. */
  function flushSoon(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      // A sink that fails tells the next write, and the last one tells the caller.
      if (batch.isWaiting && !flushing) flush().catch(() => {});
    }, PATIENCE_MS);
  }

  async function writeBatch(isLast: boolean): Promise<void> {
    const window = batch.close();
    const { output, heldFrom } = mask.mask(window, isLast);
    // The other buffer is free once its write is done.
    await writing;
    spare.restart(window.subarray(heldFrom));
    if (output.length > 0) {
      writing = sink.write(output);
      writing.catch(giveUp);
    }
    [batch, spare] = [spare, batch];
  }

  using _ = onAbort(stop, () => {
    restBytes = REST_BYTES;
    void giveUpWhenIdle();
  });
  while (true) {
    const isGathering = batch.isWaiting;
    const next = reader.read(
      isGathering ? new Uint8Array(scratch) : batch.lend(),
    );
    reading = next;
    if (restBytes <= 0) giveUp();
    else if (restBytes < Infinity) void giveUpWhenIdle();
    const { value, done } = await next;
    if (flushing) await flushing;
    if (value !== undefined) {
      batch.take(value);
      if (isGathering) scratch = value.buffer;
    }
    if (done) break;
    restBytes -= value.length;
    if (value.length < READ_BYTES || batch.isFull) await flush();
    else flushSoon();
  }
  if (timer !== undefined) clearTimeout(timer);
  await writeBatch(true);
  await writing;
}
