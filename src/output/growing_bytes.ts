const MIN_BYTES = 256;

/** Bytes that grow at their end; the room is kept for the next ones. */
export class GrowingBytes {
  #room = new Uint8Array();
  #length = 0;

  /** Number of bytes. */
  get length(): number {
    return this.#length;
  }

  /** The bytes themselves, good until the next change. */
  get view(): Uint8Array {
    return this.#room.subarray(0, this.#length);
  }

  /** Adds bytes. */
  add(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.#room.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Makes sure that so many more bytes fit, and returns all the room. */
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

  /** Counts bytes that were written straight into the reserved room. */
  extendTo(length: number): void {
    this.#length = length;
  }

  /** Takes bytes away from the start. */
  dropFirst(count: number): void {
    this.#room.copyWithin(0, count, this.#length);
    this.#length -= count;
  }

  /** Takes all bytes away. */
  clear(): void {
    this.#length = 0;
  }

  /** Takes all bytes away and gives their room back. */
  release(): void {
    this.#room = new Uint8Array();
    this.#length = 0;
  }
}
