import type { Sink } from "../../src/output/sink.ts";
import { ByteLog } from "./byte_log.ts";

/** A sink that records bytes and can block its writers. */
export class RecordingSink extends ByteLog implements Sink {
  #release: (() => void) | undefined;
  #released: Promise<void> = Promise.resolve();

  /** Number of started writes. */
  writes = 0;

  /** Blocks all writes from now on. */
  block(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    [this.#released, this.#release] = [promise, resolve];
  }

  /** Lets writes complete again. */
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
