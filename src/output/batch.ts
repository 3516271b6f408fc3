/** Most bytes that one read of a pipe gives. */
export const READ_BYTES: number = 64 * 1024;

/** How many bytes are gathered for one write. */
const BATCH_BYTES = 4 * READ_BYTES;

/**
 * Bytes that are gathered for one write, behind those that were held back.
 *
 * A pending read owns the buffer it reads into. The buffer of the batch is
 * therefore lent to a read only while nothing in it waits to be written.
 */
export class Batch {
  #bytes = new Uint8Array(BATCH_BYTES);
  #held = new Uint8Array();
  #filledBytes = 0;
  #isLent = false;

  /** Whether bytes were read that are not written yet. */
  get isWaiting(): boolean {
    return this.#filledBytes > this.#held.length;
  }

  /** Whether another read may not fit. */
  get isFull(): boolean {
    return this.#filledBytes + READ_BYTES > this.#bytes.length;
  }

  /** Starts over with bytes that were held back. */
  restart(held: Uint8Array<ArrayBuffer>): void {
    this.#held = held.slice();
    if (held.length + BATCH_BYTES > this.#bytes.length) {
      this.#bytes = new Uint8Array(2 * held.length + BATCH_BYTES);
    }
    this.#bytes.set(held);
    this.#filledBytes = held.length;
  }

  /** Gives the free part of the buffer to a read. */
  lend(): Uint8Array<ArrayBuffer> {
    this.#isLent = true;
    return this.#bytes.subarray(
      this.#filledBytes,
      this.#filledBytes + READ_BYTES,
    );
  }

  /** Takes what was read, into the lent buffer or elsewhere. */
  take(read: Uint8Array<ArrayBuffer>): void {
    if (this.#isLent) this.#bytes = new Uint8Array(read.buffer);
    else this.#bytes.set(read, this.#filledBytes);
    this.#isLent = false;
    this.#filledBytes += read.length;
  }

  /** Ends the batch: everything held back and read, from the start of its buffer. */
  close(): Uint8Array<ArrayBuffer> {
    // A read that was cancelled never gives the lent buffer back.
    if (this.#isLent) return this.#held;
    return this.#bytes.subarray(0, this.#filledBytes);
  }
}
