import { GrowingBytes } from "../bytes.ts";
import { writeAll } from "../fs/files.ts";
import { removeTree } from "../workspace/remove.ts";
import { type LogDirectory, partialName } from "./log_directory.ts";

const CHUNK_BYTES = 64 * 1024;

/** Options with which a log file is created. */
const NEW_FILE: Deno.OpenOptions = {
  read: true,
  write: true,
  // Fails if the path exists, even as a dangling link.
  createNew: true,
};

/** Size up to which writes are combined, in bytes. */
const GATHER_BYTES = 64 * 1024;

const DONE: Promise<void> = Promise.resolve();

/** Directory and name of a log file. */
interface Place {
  directory: LogDirectory;
  name: string;
}

/**
 * Log of a step, which is renamed when it is complete.
 *
 * Until then it is `.<name>.partial` in the same directory.
 */
export class LogFile implements Disposable {
  #file: Deno.FsFile | undefined;
  readonly #place: Place | undefined;
  readonly #writer: OrderedWriter;
  readonly #onFailure: (cause: unknown) => void;

  private constructor(
    file: Deno.FsFile | undefined,
    place: Place | undefined,
    options: OrderedWriterOptions,
  ) {
    this.#file = file;
    this.#place = place;
    const write = async (bytes: Uint8Array) => {
      const file = this.#file ??= await createPartial(place!);
      return await file.write(bytes);
    };
    this.#writer = new OrderedWriter({ write }, options);
    this.#onFailure = options.onFailure;
  }

  /**
   * Creates a file in a directory.
   *
   * @throws The error of the system.
   */
  static async create(
    directory: LogDirectory,
    name: string,
    options: OrderedWriterOptions,
  ): Promise<LogFile> {
    const place = { directory, name };
    return new LogFile(await createPartial(place), place, options);
  }

  /**
   * Returns a file that is created with its first bytes, or at its end.
   */
  static lazy(
    directory: LogDirectory,
    name: string,
    options: OrderedWriterOptions,
  ): LogFile {
    return new LogFile(undefined, { directory, name }, options);
  }

  /**
   * Creates an unlinked temporary file, which disappears when it is closed.
   *
   * @throws The error of the system.
   */
  static async temporary(options: OrderedWriterOptions): Promise<LogFile> {
    const directory = await Deno.makeTempDir({ prefix: "runnerlib-log-" });
    try {
      const file = await Deno.open(`${directory}/log`, NEW_FILE);
      return new LogFile(file, undefined, options);
    } finally {
      await removeTree(directory);
    }
  }

  /** Writes bytes. Resolves when more can be written, and never rejects. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#writer.write(bytes);
  }

  /** Number of bytes that were written. */
  get writtenBytes(): number {
    return this.#writer.writtenBytes;
  }

  /**
   * Writes pending bytes, and renames the file.
   *
   * @throws The error of the system.
   */
  async finish(): Promise<void> {
    await this.#writer.flush();
    if (!this.#place) return;
    const { directory, name } = this.#place;
    const path = directory.prepare();
    const partial = `${path}/${partialName(name)}`;
    if (this.#file === undefined) {
      if (this.#writer.hasFailed || directory.createEmptyLog(name)) return;
      this.#file = await openNew(partial);
    }
    try {
      // The step may have removed the file or replaced it with a link.
      if (!isAt(partial, this.#file)) await this.#rewrite(partial);
      Deno.renameSync(partial, `${path}/${name}`);
    } catch (error) {
      // The first failure is the one to report.
      await removeTree(partial).catch(() => {});
      throw error;
    }
  }

  /** Reads the written bytes, up to the first error. */
  async *content(): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    await this.#writer.flush();
    // Not to the end of the file, because another process could append to it
    // forever.
    for (let at = 0; at < this.#writer.writtenBytes;) {
      const left = this.#writer.writtenBytes - at;
      const count = await this.#readAt(at, buffer.subarray(0, left));
      if (count === 0) return;
      yield buffer.subarray(0, count);
      at += count;
    }
  }

  [Symbol.dispose](): void {
    this.#file?.close();
  }

  async #readAt(at: number, buffer: Uint8Array): Promise<number> {
    try {
      const file = this.#file!;
      await file.seek(at, Deno.SeekMode.Start);
      return await file.read(buffer) ?? 0;
    } catch (error) {
      this.#onFailure(error);
      return 0;
    }
  }

  async #rewrite(path: string): Promise<void> {
    using file = await openNew(path);
    for await (const chunk of this.content()) {
      await writeAll(file, chunk);
    }
  }
}

async function createPartial({ directory, name }: Place): Promise<Deno.FsFile> {
  return await openNew(`${directory.prepare()}/${partialName(name)}`);
}

async function openNew(path: string): Promise<Deno.FsFile> {
  try {
    return createNew(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    // A runner that was killed left it behind, or a step created it.
    await removeTree(path);
    return createNew(path);
  }
}

/** Synchronous, because a short step should not wait for its log. */
function createNew(path: string): Deno.FsFile {
  return Deno.openSync(path, NEW_FILE);
}

function isAt(path: string, file: Deno.FsFile): boolean {
  try {
    const [there, ours] = [Deno.lstatSync(path), file.statSync()];
    return there.dev === ours.dev && there.ino === ours.ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Small writes that are combined. */
interface Gathering {
  bytes: GrowingBytes;
  written: Promise<void>;
}

/** The part of a file that an {@linkcode OrderedWriter} uses. */
export interface ByteWriter {
  /** Writes some of the bytes, and returns their number. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Options for {@linkcode OrderedWriter}. */
export interface OrderedWriterOptions {
  /** Called with the first error. Nothing is written after it. */
  onFailure: (cause: unknown) => void;
  /** Called with bytes that could not be written, valid during the call. */
  onUnwritten?: (bytes: Uint8Array) => void;
}

/**
 * Writes to a file in the order of the calls, and never rejects.
 *
 * Small writes do not wait for the disk: they are combined while an earlier
 * write is pending.
 */
export class OrderedWriter {
  readonly #file: ByteWriter;
  readonly #options: OrderedWriterOptions;
  #last = DONE;
  #gathering: Gathering | undefined;
  #writtenBytes = 0;
  #hasFailed = false;

  constructor(file: ByteWriter, options: OrderedWriterOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** Number of bytes that were written. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /**
   * Writes bytes.
   *
   * @param bytes Bytes, which must not change before the promise resolves.
   * @returns Resolves when more can be written; never rejects.
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

  /** Whether something could not be written. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Resolves once all earlier writes have ended. */
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
