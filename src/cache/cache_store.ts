/** What to write to a store: bytes, or a file that the store may move. */
export type NewObject = Uint8Array | { readonly file: string };

/** Options for {@linkcode CacheStore.put}. */
export interface PutOptions {
  /**
   * Whether to keep an existing object of this name. Ignored by stores that
   * have no conditional writes.
   *
   * @default {false}
   */
  isNew?: boolean;
}

/** An object in a store. */
export interface StoredObject {
  readonly name: string;
  /** Size in bytes; `undefined` for what is not an object, such as a link. */
  readonly bytes: number | undefined;
  /** Time of the last use, in milliseconds since 1970. */
  readonly usedMs: number;
}

/**
 * Keeps named objects. Names are relative paths of letters, digits, `.`, `_`
 * and `-`.
 *
 * All methods throw if the store cannot be used, which is never a failure of
 * the job: a caller continues as if the object did not exist.
 */
export interface CacheStore {
  /** Text that describes the store, without credentials. */
  readonly shown: string;
  /** Directories for temporary files next to the store, the best first. */
  readonly temporaryParents: readonly string[];
  /**
   * Reads an object.
   *
   * @param maxBytes Maximum size; an object that is larger is an error.
   * @returns The content, which must be read or closed; `undefined` if the
   * object does not exist. A chunk is valid until the next one is read.
   */
  get(
    name: string,
    options: { maxBytes: number; signal: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Returns the size of an object, in bytes; `undefined` if there is none. */
  sizeOf(name: string, signal: AbortSignal): Promise<number | undefined>;
  /**
   * Writes an object. Readers see all of it or nothing.
   *
   * @returns Whether it was written.
   */
  put(
    name: string,
    content: NewObject,
    signal: AbortSignal,
    options?: PutOptions,
  ): Promise<boolean>;
  /**
   * Lists the names of objects directly in a folder, those that were changed
   * last first if the store knows that. It may leave out old ones.
   */
  list(folder: string, signal: AbortSignal): Promise<string[]>;
  /** Removes an object that cannot be used, if the store allows that. */
  remove(name: string): Promise<void>;
  /** Notes that an object was used. */
  touch(name: string): Promise<void>;
  /**
   * Lists all objects below a folder, in any order.
   *
   * @default {the store cannot list them}
   */
  readonly objects?: (
    folder: string,
    signal: AbortSignal,
  ) => AsyncIterable<StoredObject>;
  /** Whether {@linkcode CacheStore.lock} excludes other processes. */
  readonly hasLocks: boolean;
  /** Waits until no other process changes or prunes the store. */
  lock(): Promise<Disposable>;
}
