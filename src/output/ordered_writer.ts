import { GrowingBytes } from "./growing_bytes.ts";

/** Writes up to this size are gathered; longer ones are written as they are. */
const GATHER_BYTES = 64 * 1024;

const DONE: Promise<void> = Promise.resolve();

/** Small writes that become one. */
interface Gathering {
  bytes: GrowingBytes;
  written: Promise<void>;
}

/** Something that takes bytes as a file does. */
export interface ByteWriter {
  /** Writes some of the bytes, and tells how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Options for {@linkcode OrderedWriter}. */
export interface OrderedWriterOptions {
  /** Hears the first failure, after which nothing more is written. */
  onFailure: (cause: unknown) => void;
  /** Takes bytes that could not be written, good until it returns. */
  onUnwritten?: (bytes: Uint8Array) => void;
}

/**
 * Writes to a file in order of arrival, and never fails its callers.
 *
 * Small writes do not wait for the disk: they are gathered while an earlier
 * write is on its way.
 */
export class OrderedWriter {
  readonly #file: ByteWriter;
  readonly #options: OrderedWriterOptions;
  #last = DONE;
  #gathering: Gathering | undefined;
  #writtenBytes = 0;
  #hasFailed = false;

  /** Makes a writer for a file that nobody else writes to. */
  constructor(file: ByteWriter, options: OrderedWriterOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** How many bytes the file took. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /**
   * Writes bytes.
   *
   * @param bytes Bytes, not to be changed before the promise resolves.
   * @returns Resolves when more may come; never rejects.
   */
  write(bytes: Uint8Array): Promise<void> {
    if (bytes.length >= GATHER_BYTES) {
      this.#gathering = undefined;
      return this.#enqueue(() => bytes);
    }
    this.#gathering ??= this.#gather();
    const { bytes: gathered, written } = this.#gathering;
    gathered.add(bytes);
    return gathered.length < GATHER_BYTES ? DONE : written;
  }

  /** Resolves when everything was written so far. */
  flush(): Promise<void> {
    return this.#last;
  }

  #gather(): Gathering {
    const bytes = new GrowingBytes();
    const gathering: Gathering = {
      bytes,
      written: this.#enqueue(() => {
        if (this.#gathering === gathering) this.#gathering = undefined;
        return bytes.view;
      }),
    };
    return gathering;
  }

  #enqueue(take: () => Uint8Array): Promise<void> {
    this.#last = this.#last.then(() => this.#writeAll(take()));
    return this.#last;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    let at = 0;
    try {
      while (at < bytes.length && !this.#hasFailed) {
        const count = await this.#file.write(bytes.subarray(at));
        at += count;
        this.#writtenBytes += count;
      }
    } catch (error) {
      this.#hasFailed = true;
      this.#options.onFailure(error);
    }
    if (at < bytes.length) this.#options.onUnwritten?.(bytes.subarray(at));
  }
}
