const MIN_BYTES = 256;

/** A buffer that grows as needed and keeps its memory when it is cleared. */
export class GrowingBytes {
  #room = new Uint8Array();
  #length = 0;

  /** Number of bytes. */
  get length(): number {
    return this.#length;
  }

  /** The bytes themselves, valid until the next change. */
  get view(): Uint8Array {
    return this.#room.subarray(0, this.#length);
  }

  /** Appends bytes. */
  add(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.#room.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Reserves space for more bytes, and returns the whole buffer. */
  reserve(moreBytes: number): Uint8Array {
    const needed = this.#length + moreBytes;
    if (needed > this.#room.length) {
      const room = new Uint8Array(
        Math.max(needed, 2 * this.#room.length, MIN_BYTES),
      );
      room.set(this.view);
      this.#room = room;
    }
    return this.#room;
  }

  /**
   * Sets the length after bytes were written directly into the reserved space.
   */
  extendTo(length: number): void {
    this.#length = length;
  }

  /** Removes bytes from the start. */
  dropFirst(count: number): void {
    this.#room.copyWithin(0, count, this.#length);
    this.#length -= count;
  }

  /** Removes all bytes. */
  clear(): void {
    this.#length = 0;
  }

  /** Removes all bytes and releases their memory. */
  release(): void {
    this.#room = new Uint8Array();
    this.#length = 0;
  }
}
