/** A stream of bytes that is read in pieces of any length. */
export class ByteSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array();

  /**
   * Starts to read a stream.
   *
   * @param stream Bytes in pieces of any length.
   */
  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  /**
   * Reads the next bytes, whatever is there.
   *
   * @param maxBytes How many at most; at least 1.
   * @returns At least one byte; `undefined` at the end.
   */
  async readSome(maxBytes: number): Promise<Uint8Array | undefined> {
    while (this.#chunk.length === 0) {
      const { value, done } = await this.#iterator.next();
      if (done) return undefined;
      this.#chunk = value;
    }
    const bytes = this.#chunk.subarray(0, maxBytes);
    this.#chunk = this.#chunk.subarray(bytes.length);
    return bytes;
  }

  /**
   * Reads a number of bytes.
   *
   * @param count How many.
   * @returns The bytes, fewer than asked for only at the end of the stream.
   */
  async read(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(count);
    let length = 0;
    while (length < count) {
      const some = await this.readSome(count - length);
      if (some === undefined) return bytes.subarray(0, length);
      bytes.set(some, length);
      length += some.length;
    }
    return bytes;
  }

  /** Ends the stream, read or not. */
  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}
