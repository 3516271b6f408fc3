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
  remove(name: string, signal: AbortSignal): Promise<void>;
  /**
   * Notes that an object was used, see {@linkcode noteUse}.
   *
   * @param minAgeMs Age of the last change below which this may be left out, in
   * milliseconds.
   */
  touch(name: string, signal: AbortSignal, minAgeMs: number): Promise<void>;
  /**
   * Time for which the result of a step that was there is taken to be there, as
   * long as nothing of it is needed, in milliseconds: a server takes long to
   * answer.
   */
  readonly assumedMs: number;
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

/** Time for which a store on a server is not asked again, in milliseconds. */
export const SERVER_ASSUMED_MS = 60 * 60_000;

/** Time limit for noting that an object was used, in milliseconds. */
const USE_TIMEOUT_MS = 10_000;

/**
 * Notes that an object was used. Only the order of pruning depends on it, so
 * nothing fails, and nobody waits long, if the store cannot do that.
 *
 * @param minAgeMs Age of the last change below which this may be left out, in
 * milliseconds.
 * @returns `false` if the store cannot do that.
 */
export async function noteUse(
  store: Pick<CacheStore, "touch" | "assumedMs">,
  name: string,
  signal: AbortSignal,
  minAgeMs = 0,
): Promise<boolean> {
  const limited = store.assumedMs === 0
    ? signal
    : AbortSignal.any([signal, AbortSignal.timeout(USE_TIMEOUT_MS)]);
  try {
    await store.touch(name, limited, minAgeMs);
    return true;
  } catch {
    return false;
  }
}
