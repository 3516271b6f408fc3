import { joinBytes } from "../../src/bytes.ts";
import { soon } from "./soon.ts";

/** Records bytes in order, and waits for specific ones. */
export class ByteLog {
  readonly #pieces: Uint8Array[] = [];
  readonly #watchers = new Set<() => void>();
  #length = 0;

  /** Adds a copy of bytes, since their owner may reuse the buffer. */
  add(bytes: Uint8Array): void {
    this.#pieces.push(bytes.slice());
    this.#length += bytes.length;
    for (const check of [...this.#watchers]) check();
  }

  /** Number of bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** All bytes so far. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return joinBytes(this.#pieces);
  }

  /** All bytes so far as text. */
  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  /** Resolves when a text has arrived. */
  seen(text: string): Promise<void> {
    return this.#until(() => this.text.includes(text), JSON.stringify(text));
  }

  /** Resolves when a number of bytes has arrived. */
  reached(length: number): Promise<void> {
    return this.#until(() => this.length >= length, `${length} bytes`);
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = () => condition() && resolve();
    this.#watchers.add(check);
    try {
      await soon(promise, what);
    } finally {
      this.#watchers.delete(check);
    }
  }
}
