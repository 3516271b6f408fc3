import type { Sink } from "../../src/output/sink.ts";
import { ByteLog } from "./byte_log.ts";

/** A sink that remembers what it was given and can be made to keep its writers waiting. */
export class RecordingSink extends ByteLog implements Sink {
  #release: (() => void) | undefined;
  #released: Promise<void> = Promise.resolve();

  /** Number of writes that were begun. */
  writes = 0;

  /** Keeps every write waiting from now on. */
  block(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    [this.#released, this.#release] = [promise, resolve];
  }

  /** Lets writes come to their end again. */
  release(): void {
    this.#release?.();
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.writes++;
    await this.#released;
    // Only now: the owner must leave the bytes alone until the write is done.
    this.add(bytes);
  }
}
