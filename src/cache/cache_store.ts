import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";

/** Content of a new object: bytes, or the path of a file that the store may move. */
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
  /** Size in bytes; `undefined` for anything other than an object, such as a link. */
  readonly bytes: number | undefined;
  /** Time of the last use, in milliseconds since 1970. */
  readonly usedMs: number;
}

/**
 * A store of named objects. Names are relative paths of letters, digits, `.`, `_`
 * and `-`.
 *
 * All methods throw if the store cannot be used. That never fails the job: callers
 * continue as if the object did not exist.
 */
export interface CacheStore {
  /** Text that describes the store, without credentials. */
  readonly displayName: string;
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
  getSize(name: string, signal: AbortSignal): Promise<number | undefined>;
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
   * Lists the names of objects directly in a folder, the last changed ones first if
   * the store knows when they changed. May omit old objects.
   */
  list(folder: string, signal: AbortSignal): Promise<string[]>;
  /** Removes an unusable object, if the store supports that. */
  remove(name: string, signal: AbortSignal): Promise<void>;
  /**
   * Records that an object was used, see {@linkcode recordUse}.
   *
   * @param minAgeMs Age of the last change below which this may be skipped, in
   * milliseconds.
   */
  touch(name: string, signal: AbortSignal, minAgeMs: number): Promise<void>;
  /**
   * Time for which a step's result that was found in the store is assumed to
   * still be there, if its content is not needed, in milliseconds. Saves requests
   * to slow servers.
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

/** Time for which a server is assumed to still have a result, in milliseconds. */
export const SERVER_ASSUMED_MS = 60 * 60_000;

/** Time limit for recording that an object was used, in milliseconds. */
const USE_TIMEOUT_MS = 10_000;

/** A store that can list its objects. */
export type ListableStore = CacheStore & Required<Pick<CacheStore, "objects">>;

/** Checks whether a store can list its objects. */
export function isListable(store: CacheStore): store is ListableStore {
  return store.objects !== undefined;
}

/**
 * Records that an object was used. Only the order of pruning depends on it, so
 * errors are ignored, and the time limit is short.
 *
 * @param minAgeMs Age of the last change below which this may be skipped, in
 * milliseconds.
 * @returns `false` if the use could not be recorded.
 */
export async function recordUse(
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

/** Settings for access to a store. */
export interface StoreSetting {
  /** Environment of the runner, with the credentials of a server. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether credentials may be sent over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /**
   * Whether a job fails without the store. If so, each job retries a server that
   * could not be used before.
   *
   * @default {false}
   */
  readonly isRequired?: boolean;
}

/** Options for {@linkcode checkServerUrl}. */
export interface CheckServerUrlOptions {
  /** Name of the URL in messages. */
  readonly label: string;
  /** Variables to set instead of user info, for messages. */
  readonly hint: string;
  /** Whether plain HTTP is allowed. */
  readonly allowInsecureTransport: boolean;
}

/**
 * Checks the URL of a server to which credentials are sent.
 *
 * @throws {RunnerError} `invalid-config`, without the URL, since it may contain
 * a secret.
 */
export function checkServerUrl(
  url: URL,
  { label, hint, allowInsecureTransport }: CheckServerUrlOptions,
): void {
  if (url.username !== "" || url.password !== "") {
    throw invalidStore(`${label} contains user info; set ${hint} instead`);
  }
  if (url.search !== "" || url.hash !== "") {
    throw invalidStore(`${label} contains a query or a fragment`);
  }
  if (url.protocol === "http:" && !allowInsecureTransport) {
    throw invalidStore(
      `plain HTTP would send credentials and contents unencrypted; use an https URL, or allow it with ${Variable.allowInsecureTransport}=true or --allow-insecure-transport`,
    );
  }
}

/** Creates the error for a setting that is not a usable store. */
export function invalidStore(reason: string): RunnerError {
  return new RunnerError(`Cannot use the cache store: ${reason}`, {
    code: "invalid-config",
  });
}
