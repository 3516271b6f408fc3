/** Number of bytes that wait to be read, above which a write waits. */
const BUFFERED_BYTES = 64 * 1024;

/** Passes bytes to a reader that reads a program's pipe otherwise. */
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

  /** The end to read. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable;
  }

  /** Writes bytes, and waits while many are not read; nobody need read them. */
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
    // A reader may wait for bytes in a buffer of its own.
    this.#controller.byobRequest?.respond(0);
  }
}
