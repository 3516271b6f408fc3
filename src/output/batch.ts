/** Most bytes that one read of a pipe gives. */
const READ_BYTES = 64 * 1024;

/** Most bytes of a read until one is full: most programs print little. */
const FIRST_READ_BYTES = 8 * 1024;

/** How many full reads are gathered at most while a write is under way. */
const BATCH_READS = 4;

/**
 * Bytes that are gathered for one write, behind those that were held back.
 *
 * A pending read owns the buffer it reads into. The buffer of the batch is
 * therefore lent to a read only while nothing in it waits to be written.
 */
export class Batch {
  #readBytes = FIRST_READ_BYTES;
  #bytes = new Uint8Array(FIRST_READ_BYTES);
  /** Holds the batch before this one, which may still be on its way. */
  #spare = new Uint8Array();
  /** Receives what is read while bytes wait. */
  #scratch = new ArrayBuffer();
  /** Where in the spare buffer the bytes stand that were held back. */
  #held = this.#spare.subarray(0, 0);
  #filledBytes = 0;
  #isLent = false;

  /** Whether bytes were read that are not written yet. */
  get isWaiting(): boolean {
    return this.#filledBytes > this.#held.length;
  }

  /** Whether another read may not fit. */
  get isFull(): boolean {
    return this.#filledBytes + this.#readBytes > this.#bytes.length;
  }

  /** Gives a read something to read into. */
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

  /** Takes what was read, and the buffer back. */
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

  /** Shows everything held back and read, from the start of its buffer. */
  window(): Uint8Array<ArrayBuffer> {
    // A read that was cancelled never gives the lent buffer back.
    if (this.#isLent) return this.#held.slice();
    return this.#bytes.subarray(0, this.#filledBytes);
  }

  /** Starts over with the end of the window; what is before it stays until the next time. */
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
