/** Maximum number of unread bytes before writes wait. */
const BUFFERED_BYTES = 64 * 1024;

/** Passes bytes to a reader as if they came from the pipe of a program. */
export class BytePipe {
  readonly #readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableByteStreamController;
  #wake: () => void = () => {};
  #isOpen = true;

  constructor() {
    this.#readable = new ReadableStream({
      type: "bytes",
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#wake(),
      cancel: () => {
        this.#isOpen = false;
        this.#wake();
      },
    }, { highWaterMark: BUFFERED_BYTES });
  }

  /** Readable end of the pipe. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable;
  }

  /** Writes bytes, and waits while too many bytes are unread. */
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (!this.#isOpen || bytes.length === 0) return;
    this.#controller.enqueue(bytes);
    if ((this.#controller.desiredSize ?? 1) > 0) return;
    await new Promise<void>((resolve) => this.#wake = resolve);
  }

  /** Ends the stream. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#controller.close();
    // Ends a pending read into a buffer of the reader.
    this.#controller.byobRequest?.respond(0);
  }
}
