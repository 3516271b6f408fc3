import { messageOf } from "../errors.ts";
import { onAbort } from "../process/cancellation.ts";
import {
  createBackoff,
  isTransientStatus,
  parseRetryAfter,
  type RetryPolicy,
} from "../process/retry.ts";
import { durationText } from "../schema/duration.ts";
import { allBytes, ENTRY_INDEX } from "./cache_entry.ts";
import {
  type CacheStore,
  type NewObject,
  SERVER_ASSUMED_MS,
} from "./cache_store.ts";

const RETRY: RetryPolicy = {
  attempts: 4,
  delayMs: 250,
  maxDelayMs: 5_000,
  maxElapsedMs: 60_000,
};

/** Maximum time without progress, in milliseconds. */
const SILENCE_MS = 30_000;

/** Minimum number of received bytes that count as progress. */
const MIN_PROGRESS_BYTES = 16 * 1024;

/** Maximum time of a request, in milliseconds. */
const TIMEOUT_MS = 15 * 60_000;

/** Default time for which a failed server is not used again, in milliseconds. */
const PAUSE_MS = 5 * 60_000;

/** Minimum speed of an upload whose progress is not visible, in bytes per ms. */
const MIN_UPLOAD_SPEED = 100;

/** Maximum number of entries in an index. */
const MAX_INDEXED = 100;

/** Maximum size of an index, in bytes. */
const MAX_INDEX_BYTES = 64 * 1024;

/**
 * A store on a server that supports GET, PUT and HEAD.
 *
 * - An object is removed by replacing it with an empty one, which is neither a
 *   valid entry nor a valid pack.
 * - The names of the last entries of a cache are kept in an index. If two processes
 *   write it at the same time, fallbacks may miss one entry.
 */
export class HttpStore implements CacheStore {
  readonly displayName: string;
  readonly hasLocks = false;
  readonly assumedMs = SERVER_ASSUMED_MS;
  readonly temporaryParents: readonly string[] = [];
  readonly #base: string;
  readonly #token: string;
  readonly #client: StoreClient;

  /**
   * @param url URL of the server, without credentials, query and fragment.
   * @param token Bearer token; none if it is empty.
   */
  constructor(url: URL, token: string, options: StoreClientOptions = {}) {
    this.#base = (url.origin + url.pathname).replace(/\/+$/, "");
    this.displayName = this.#base;
    this.#token = token;
    this.#client = new StoreClient(options);
  }

  async get(
    name: string,
    { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    return await this.#client.download(
      (headers) => ({
        ...this.#request("GET", name, headers),
        allowedStatuses: [404],
      }),
      maxBytes,
      signal,
    );
  }

  async getSize(
    name: string,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    return await this.#client.send(
      () => ({ ...this.#request("HEAD", name), allowedStatuses: [404] }),
      readContentLength,
      signal,
    );
  }

  async put(
    name: string,
    content: NewObject,
    signal: AbortSignal,
  ): Promise<boolean> {
    await this.#put(
      name,
      content instanceof Uint8Array
        ? () => new Uint8Array(content)
        : (stop) => ReadableStream.from(readWithProgress(content.file, stop)),
      signal,
    );
    const slash = name.lastIndexOf("/");
    if (name.endsWith(".json")) {
      await this.#addToIndex(
        name.slice(0, slash),
        name.slice(slash + 1),
        signal,
      );
    }
    return true;
  }

  async list(folder: string, signal: AbortSignal): Promise<string[]> {
    const content = await this.get(`${folder}/${ENTRY_INDEX}`, {
      maxBytes: MAX_INDEX_BYTES,
      signal,
    });
    if (content === undefined) return [];
    const text = new TextDecoder().decode(await allBytes(content));
    try {
      const names: unknown = JSON.parse(text);
      return Array.isArray(names)
        ? names.filter((name) => typeof name === "string")
          .slice(0, MAX_INDEXED)
        : [];
    } catch {
      // The next entry replaces a damaged index.
      return [];
    }
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    await this.#put(name, () => new Uint8Array(), signal);
  }

  /** Does nothing, because the server decides what it keeps. */
  async touch(): Promise<void> {}

  lock(): Promise<Disposable> {
    return Promise.resolve({ [Symbol.dispose]() {} });
  }

  async #addToIndex(
    folder: string,
    name: string,
    signal: AbortSignal,
  ): Promise<void> {
    const names = await this.list(folder, signal);
    const updated = [name, ...names.filter((other) => other !== name)]
      .slice(0, MAX_INDEXED);
    const bytes = new TextEncoder().encode(JSON.stringify(updated));
    await this.#put(`${folder}/${ENTRY_INDEX}`, () => bytes, signal);
  }

  async #put(
    name: string,
    body: (stop: Stop) => BodyInit,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#client.send(
      (stop) => ({ ...this.#request("PUT", name), body: body(stop) }),
      () => {},
      signal,
    );
  }

  #request(
    method: StoreRequest["method"],
    name: string,
    headers: Headers = new Headers(),
  ): StoreRequest {
    if (this.#token !== "") {
      headers.set("authorization", `Bearer ${this.#token}`);
    }
    return { method, url: new URL(`${this.#base}/${name}`), headers };
  }
}

/** Returns the size of the object of a response to HEAD. */
export function readContentLength(response: Response): number | undefined {
  if (response.status === 404) return undefined;
  const length = response.headers.get("content-length") ?? "";
  return /^\d+$/.test(length) ? Number(length) : undefined;
}

/** Reads a file for a request, whose time limit starts again with each chunk. */
async function* readWithProgress(
  path: string,
  stop: Stop,
): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path);
  while (true) {
    const buffer = new Uint8Array(256 * 1024);
    const count = await file.read(buffer);
    if (count === null) return;
    stop.progress();
    yield buffer.subarray(0, count);
  }
}

/** Options for {@linkcode StoreClient}. */
export interface StoreClientOptions {
  /**
   * Maximum time without progress, in milliseconds.
   *
   * @default {30_000}
   */
  silenceMs?: number;
  /**
   * Maximum time of a request, in milliseconds.
   *
   * @default {900_000}
   */
  timeoutMs?: number;
  /**
   * Time for which a server that could not be used is not tried again, in
   * milliseconds. Otherwise, every step would wait for it.
   *
   * @default {300_000}
   */
  pauseMs?: number;
  /**
   * Retry policy.
   *
   * @default {4 attempts with delays from 250 ms}
   */
  retry?: RetryPolicy;
}

/** An attempt of a request. */
export interface StoreRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly url: URL;
  readonly headers: Headers;
  readonly body?: BodyInit;
  /** Statuses other than 2xx that are not failures. */
  readonly allowedStatuses?: readonly number[];
  /**
   * Called with a response to a download whose status is 2xx.
   *
   * @default {none}
   */
  readonly onResponse?: (response: Response) => void;
  /**
   * Returns the reason that a failed response contains.
   *
   * @default {only the status is reported}
   */
  readonly readFailure?: (response: Response) => Promise<string | undefined>;
}

/** A response whose status is a failure. */
class StatusError extends Error {
  readonly status: number;
  /** Error code from the server. */
  readonly code: string | undefined;

  constructor(status: number, code: string | undefined) {
    const reason = code === undefined ? "" : ` (${code})`;
    super(`the server responded with status ${status}${reason}`);
    this.status = status;
    this.code = code;
  }
}

/** A failure that is retried. */
class TransientFailure extends Error {
  retryAfterMs?: number;
}

/**
 * Sends the requests of a store on a server.
 *
 * - Requests are retried after failures that may be transient.
 * - A request that makes no progress, or takes too long, is aborted. Requests in
 *   the next minutes then fail immediately.
 * - Redirects are refused, so that only this server gets the credentials.
 */
export class StoreClient {
  readonly #limits: StopLimits;
  readonly #retry: RetryPolicy;
  readonly #pauseMs: number;
  #pause: { readonly error: unknown; readonly endMs: number } | undefined;

  constructor(options: StoreClientOptions = {}) {
    const { silenceMs = SILENCE_MS, timeoutMs = TIMEOUT_MS } = options;
    this.#limits = { silenceMs, timeoutMs };
    this.#retry = options.retry ?? RETRY;
    this.#pauseMs = options.pauseMs ?? PAUSE_MS;
  }

  /**
   * Sends a request, and retries it after transient failures.
   *
   * @param create Creates an attempt.
   * @param read Reads the response.
   * @throws {StatusError} If the status is neither 2xx nor one of `allowedStatuses`.
   * @throws {Error} If the server does not respond in time.
   * @throws {unknown} The reason of the signal once it is aborted.
   */
  async send<T>(
    create: (stop: Stop) => StoreRequest | Promise<StoreRequest>,
    read: (response: Response) => T | Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    this.#throwIfPaused();
    const backoff = createBackoff(this.#retry, { signal });
    while (true) {
      using stop = new Stop(signal, this.#limits);
      try {
        const response = await attempt(await create(stop), stop);
        try {
          const value = await read(response);
          // An aborted body may look complete.
          stop.signal.throwIfAborted();
          return value;
        } finally {
          if (!response.bodyUsed) await response.body?.cancel();
        }
      } catch (error) {
        await this.#retryOrThrow(backoff, stop.stopReason(error), signal);
      }
    }
  }

  /**
   * Downloads an object. An interrupted download continues where it stopped; the hash
   * of a pack shows whether the parts belong together.
   *
   * @param create Creates an attempt, given the headers of the request.
   * @param maxBytes Maximum size; an object that is larger is an error.
   * @returns The content, which must be read or closed; `undefined` if the
   * status is 404.
   */
  async download(
    create: (headers: Headers) => StoreRequest | Promise<StoreRequest>,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    // The first chunk shows whether there is an object.
    const content = this.#read(create, maxBytes, signal);
    const first = await content.next();
    if (first.done && first.value === false) return undefined;
    return (async function* () {
      if (!first.done) yield first.value;
      yield* content;
    })();
  }

  /** Yields the content; returns `false` if the object does not exist. */
  async *#read(
    create: (headers: Headers) => StoreRequest | Promise<StoreRequest>,
    maxBytes: number,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, boolean> {
    this.#throwIfPaused();
    const backoff = createBackoff(this.#retry, { signal });
    let readBytes = 0;
    while (true) {
      using stop = new Stop(signal, this.#limits);
      try {
        const headers = new Headers();
        if (readBytes > 0) headers.set("range", `bytes=${readBytes}-`);
        const request = await create(headers);
        const response = await attempt(request, stop);
        if (response.status === 404) {
          await response.body?.cancel();
          return false;
        }
        request.onResponse?.(response);
        // A server may ignore the range.
        let at = readRangeStart(response);
        const end = readRangeEnd(response, at);
        for await (const chunk of response.body ?? []) {
          stop.received(chunk.length);
          const bytes = chunk.subarray(Math.max(0, readBytes - at));
          at += chunk.length;
          if (at > maxBytes) {
            throw new Error(`it is larger than ${maxBytes} bytes`);
          }
          if (bytes.length === 0) continue;
          readBytes += bytes.length;
          yield bytes;
        }
        stop.signal.throwIfAborted();
        if (end !== undefined && at < end) {
          throw new TransientFailure("the response is incomplete");
        }
        return true;
      } catch (error) {
        await this.#retryOrThrow(backoff, stop.stopReason(error), signal);
      }
    }
  }

  #throwIfPaused(): void {
    if (this.#pause !== undefined && performance.now() < this.#pause.endMs) {
      throw this.#pause.error;
    }
  }

  async #retryOrThrow(
    backoff: ReturnType<typeof createBackoff>,
    error: unknown,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    if (!(error instanceof TransientFailure)) throw error;
    if (await backoff.next(error.message, error.retryAfterMs)) return;
    this.#pause = { error, endMs: performance.now() + this.#pauseMs };
    throw error;
  }
}

function readRangeStart({ status, headers }: Response): number {
  if (status !== 206) return 0;
  const range = /^bytes (\d+)-/.exec(headers.get("content-range") ?? "");
  return range === null ? 0 : Number(range[1]);
}

/** Returns where the body ends, if the server says so. */
function readRangeEnd(
  { headers }: Response,
  start: number,
): number | undefined {
  const length = headers.get("content-length") ?? "";
  const isPlain = (headers.get("content-encoding") ?? "identity") ===
    "identity";
  return isPlain && /^\d+$/.test(length) ? start + Number(length) : undefined;
}

async function attempt(request: StoreRequest, stop: Stop): Promise<Response> {
  const { method, url, headers, body, allowedStatuses = [], readFailure } =
    request;
  // The header is not signed, because proxies change it.
  headers.set("accept-encoding", "identity");
  const response = await fetch(url, {
    method,
    headers,
    body,
    redirect: "manual",
    signal: stop.signal,
  });
  stop.progress();
  const { ok, status } = response;
  if (ok || allowedStatuses.includes(status)) return response;
  const code = await readFailure?.(response).catch(() => undefined);
  if (!response.bodyUsed) await response.body?.cancel();
  const failure = new StatusError(status, code);
  if (!isTransientStatus(status)) throw failure;
  const transient = new TransientFailure(failure.message, { cause: failure });
  transient.retryAfterMs = parseRetryAfter(response.headers);
  throw transient;
}

interface StopLimits {
  readonly silenceMs: number;
  readonly timeoutMs: number;
}

/** Stops a request when it is cancelled, takes too long or makes no progress. */
class Stop implements Disposable {
  readonly #controller = new AbortController();
  readonly #onCancel: Disposable;
  readonly #silenceMs: number;
  readonly #timeLimit: ReturnType<typeof setTimeout>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #receivedBytes = 0;

  constructor(signal: AbortSignal, { silenceMs, timeoutMs }: StopLimits) {
    this.#silenceMs = silenceMs;
    this.#timeLimit = setTimeout(
      () =>
        this.#controller.abort(
          new Error(`it took longer than ${durationText(timeoutMs)}`),
        ),
      timeoutMs,
    );
    this.#onCancel = onAbort(
      signal,
      () => this.#controller.abort(signal.reason),
    );
    this.progress();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Starts the time limit again.
   *
   * @param uploadBytes Bytes that are sent without visible progress, for which
   * there is more time.
   */
  progress(uploadBytes = 0): void {
    clearTimeout(this.#timer);
    const silenceMs = this.#silenceMs +
      Math.ceil(uploadBytes / MIN_UPLOAD_SPEED);
    this.#timer = setTimeout(() => {
      const reason = `it made no progress for ${durationText(silenceMs)}`;
      this.#controller.abort(new TransientFailure(reason));
    }, silenceMs);
  }

  /**
   * Counts received bytes. Fewer than the minimum do not count as progress, so that
   * a server cannot send a response arbitrarily slowly.
   */
  received(bytes: number): void {
    this.#receivedBytes += bytes;
    if (this.#receivedBytes < MIN_PROGRESS_BYTES) return;
    this.#receivedBytes = 0;
    this.progress();
  }

  /**
   * Returns why a request failed. `fetch` reports all network errors as a
   * `TypeError`.
   */
  stopReason(error: unknown): unknown {
    if (this.signal.aborted) return this.signal.reason;
    return error instanceof TypeError
      ? new TransientFailure(messageOf(error), { cause: error })
      : error;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#timeLimit);
    this.#onCancel[Symbol.dispose]();
    // Closes a response that was not read to its end.
    this.#controller.abort();
  }
}
