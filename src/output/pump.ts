import { onAbort } from "../process/cancellation.ts";
import type { ByteStream } from "../process/spawn.ts";
import {
  settlesWithin,
  type TimeLimit,
  timeLimit,
} from "../process/time_limit.ts";
import type { MaskStream } from "../secrets/mask/mask_stream.ts";
import type { Sink } from "./sink.ts";

/**
 * Time that a stopped pump waits for output already in the pipe, in
 * milliseconds.
 */
const DRAIN_MS = 50;

/**
 * Maximum number of bytes that a stopped pump still reads, which is more than a
 * pipe can hold.
 */
const DRAIN_BYTES = 1024 * 1024;

/** Maximum size of one read, in bytes. */
const READ_BYTES = 64 * 1024;

/** Size of reads until one is full, in bytes: most programs print little. */
const FIRST_READ_BYTES = 8 * 1024;

/** Maximum number of full reads that are combined. */
const BATCH_READS = 4;

/** Maximum time that full reads wait for more to be combined with, in milliseconds. */
const BATCH_MS = 5;

/** Options for {@linkcode pump}. */
export interface PumpOptions {
  /** Starts masking, with the first bytes: many programs print nothing. */
  startMask: () => MaskStream;
  /** Stops the pump once it has read what is already in the pipe. */
  stop: AbortSignal;
  /**
   * Called with the unmasked bytes, which are valid only during the call.
   *
   * @default {none}
   */
  onBytes?: (bytes: Uint8Array) => void;
}

/**
 * Copies a program's output to a sink, masked, as fast as the pipe allows.
 *
 * Data is written as soon as it is read, except that reads are combined while a
 * write is pending, and for a few milliseconds after a read that has filled its
 * buffer, because a write costs as much as a read. Nothing is decoded or split
 * into lines.
 *
 * @param stream The program's pipe.
 * @throws The error of the sink; the pipe is then closed.
 */
export async function pump(
  stream: ByteStream,
  sink: Sink,
  options: PumpOptions,
): Promise<void> {
  const { startMask, stop, onBytes } = options;
  const reader = stream.getReader({ mode: "byob" });
  const batch = new Batch();
  let mask: MaskStream | undefined;
  let reading: Promise<unknown> | undefined;
  let writing: Promise<void> | undefined;
  let restBytes = Infinity;
  let batchTime: TimeLimit | undefined;

  function stopReading(): void {
    // The output is no longer needed, so its errors do not matter.
    reader.cancel().catch(() => {});
  }

  async function stopWhenIdle(): Promise<void> {
    if (reading && !await settlesWithin(reading, DRAIN_MS)) stopReading();
  }

  function flush(isLast: boolean): void {
    const window = batch.window();
    if (mask === undefined && window.length === 0) return;
    mask ??= startMask();
    const { output, heldFrom } = mask.mask(window, isLast);
    batch.restart(window.subarray(heldFrom));
    if (output.length === 0) return;
    writing = write(output);
    writing.catch(stopReading);
  }

  async function write(output: Uint8Array): Promise<void> {
    await sink.write(output);
    writing = undefined;
    if (batch.isWaiting) flush(false);
  }

  /** Flushes after a few milliseconds, because more output is likely to follow. */
  function flushSoon(): void {
    if (batchTime !== undefined) return;
    batchTime = timeLimit(BATCH_MS);
    batchTime.reached.then(() => {
      batchTime = undefined;
      if (writing === undefined && batch.isWaiting) flush(false);
    });
  }

  using _timer = { [Symbol.dispose]: () => batchTime?.[Symbol.dispose]() };
  using _ = onAbort(stop, () => {
    restBytes = DRAIN_BYTES;
    void stopWhenIdle();
  });
  while (true) {
    const next = reader.read(batch.lend());
    reading = next;
    if (restBytes <= 0) stopReading();
    else if (restBytes < Infinity) void stopWhenIdle();
    const { value, done } = await next;
    if (value !== undefined) {
      onBytes?.(value);
      batch.take(value);
    }
    if (done) break;
    restBytes -= value.length;
    if (writing !== undefined) {
      if (batch.isFull) await writing;
    } else if (value.length < READ_BYTES || batch.isFull) flush(false);
    else flushSoon();
  }
  while (writing !== undefined) await writing;
  flush(true);
  await writing;
}

/**
 * Bytes for the next write, after those that were held back.
 *
 * A pending read owns the buffer that it reads into, so the buffer of the batch
 * is lent to a read only while it contains nothing to be written.
 */
class Batch {
  #readBytes = FIRST_READ_BYTES;
  #bytes = new Uint8Array(FIRST_READ_BYTES);
  /** The buffer of the previous batch, which may still be being written. */
  #spare = new Uint8Array();
  /** The buffer for reads while bytes are waiting to be written. */
  #scratch = new ArrayBuffer();
  /** The bytes that were held back, in the spare buffer. */
  #held = this.#spare.subarray(0, 0);
  #filledBytes = 0;
  #isLent = false;

  /** Whether bytes are waiting to be written. */
  get isWaiting(): boolean {
    return this.#filledBytes > this.#held.length;
  }

  /** Whether another read may not fit. */
  get isFull(): boolean {
    return this.#filledBytes + this.#readBytes > this.#bytes.length;
  }

  /** Returns a buffer for the next read. */
  lend(): Uint8Array<ArrayBuffer> {
    const readBytes = this.#readBytes;
    this.#isLent = !this.isWaiting;
    if (this.#isLent) {
      return this.#bytes.subarray(
        this.#filledBytes,
        this.#filledBytes + readBytes,
      );
    }
    if (this.#scratch.byteLength !== readBytes) {
      this.#scratch = new ArrayBuffer(readBytes);
    }
    return new Uint8Array(this.#scratch);
  }

  /** Adds the bytes that were read, and takes the buffer back. */
  take(read: Uint8Array<ArrayBuffer>): void {
    if (this.#isLent) {
      this.#bytes = new Uint8Array(read.buffer);
    } else {
      this.#bytes.set(read, this.#filledBytes);
      this.#scratch = read.buffer;
    }
    this.#isLent = false;
    this.#filledBytes += read.length;
    if (read.length >= FIRST_READ_BYTES) this.#readBytes = READ_BYTES;
  }

  /** Returns all bytes, those that were held back first. */
  window(): Uint8Array<ArrayBuffer> {
    // A cancelled read never returns the lent buffer.
    if (this.#isLent) return this.#held.slice();
    return this.#bytes.subarray(0, this.#filledBytes);
  }

  /**
   * Starts the next batch with the bytes that are held back. The others stay
   * valid until the next call.
   */
  restart(held: Uint8Array<ArrayBuffer>): void {
    const neededBytes = held.length + BATCH_READS * this.#readBytes;
    if (neededBytes > this.#spare.length) {
      this.#spare = new Uint8Array(neededBytes + held.length);
    }
    this.#spare.set(held);
    [this.#bytes, this.#spare] = [this.#spare, this.#bytes];
    this.#held = held;
    this.#filledBytes = held.length;
  }
}
