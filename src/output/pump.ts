import { onAbort } from "../process/on_abort.ts";
import type { ByteStream } from "../process/spawn.ts";
import type { MaskStream } from "../secrets/mask/stream.ts";
import { settlesWithin } from "../process/time_limit.ts";
import { Batch } from "./batch.ts";
import type { Sink } from "./sink.ts";

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
  /**
   * Called with the bytes as they were read, which are only valid during the
   * call.
   *
   * @default {none}
   */
  onBytes?: (bytes: Uint8Array) => void;
}

/**
 * Moves a program's output to a sink, masked, as fast as the pipe allows.
 *
 * Nothing waits for company: what was read is written at once. Only while a
 * write is under way, what is read meanwhile is gathered for the next one,
 * since a write costs as much as a read. Bytes stay bytes: nothing is decoded,
 * and lines do not matter.
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
  const { mask, stop, onBytes } = options;
  const reader = stream.getReader({ mode: "byob" });
  const batch = new Batch();
  let reading: Promise<unknown> | undefined;
  let writing: Promise<void> | undefined;
  let restBytes = Infinity;

  function giveUp(): void {
    // Whatever the pipe has to say to that, nobody reads it any more.
    reader.cancel().catch(() => {});
  }

  async function giveUpWhenIdle(): Promise<void> {
    if (reading && !await settlesWithin(reading, REST_MS)) giveUp();
  }

  function flush(isLast: boolean): void {
    const window = batch.window();
    const { output, heldFrom } = mask.mask(window, isLast);
    batch.restart(window.subarray(heldFrom));
    if (output.length === 0) return;
    writing = write(output);
    writing.catch(giveUp);
  }

  async function write(output: Uint8Array): Promise<void> {
    await sink.write(output);
    writing = undefined;
    if (batch.isWaiting) flush(false);
  }

  using _ = onAbort(stop, () => {
    restBytes = REST_BYTES;
    void giveUpWhenIdle();
  });
  while (true) {
    const next = reader.read(batch.lend());
    reading = next;
    if (restBytes <= 0) giveUp();
    else if (restBytes < Infinity) void giveUpWhenIdle();
    const { value, done } = await next;
    if (value !== undefined) {
      onBytes?.(value);
      batch.take(value);
    }
    if (done) break;
    restBytes -= value.length;
    if (writing === undefined) flush(false);
    else if (batch.isFull) await writing;
  }
  while (writing !== undefined) await writing;
  flush(true);
  await writing;
}
