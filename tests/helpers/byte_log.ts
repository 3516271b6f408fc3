import { soon } from "./soon.ts";

/** Bytes in the order in which they arrived, and a way to wait for some. */
export class ByteLog {
  readonly #pieces: Uint8Array[] = [];
  readonly #watchers = new Set<() => void>();
  #length = 0;

  /** Adds bytes; they are copied, since their owner may use its buffer again. */
  add(bytes: Uint8Array): void {
    this.#pieces.push(bytes.slice());
    this.#length += bytes.length;
    for (const look of [...this.#watchers]) look();
  }

  /** Number of bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Everything so far. */
  get bytes(): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  /** Everything so far as text. */
  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  /** Resolves once a text is there. */
  seen(text: string): Promise<void> {
    return this.#until(() => this.text.includes(text), JSON.stringify(text));
  }

  /** Resolves once so many bytes are there. */
  reached(length: number): Promise<void> {
    return this.#until(() => this.length >= length, `${length} bytes`);
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => condition() && resolve();
    this.#watchers.add(look);
    try {
      await soon(promise, what);
    } finally {
      this.#watchers.delete(look);
    }
  }
}
