import { messageOf } from "../errors.ts";
import { onAbort } from "../process/cancellation.ts";
import {
  createBackoff,
  isTransientStatus,
  parseRetryAfter,
  type RetryPolicy,
} from "../process/retry.ts";
import { allBytes, ENTRY_INDEX } from "./cache_entry.ts";
import type { CacheStore, NewObject } from "./cache_store.ts";

const RETRY: RetryPolicy = {
  attempts: 4,
  delayMs: 250,
  maxDelayMs: 5_000,
  maxElapsedMs: 60_000,
};

/** Maximum time without progress, in milliseconds. */
const SILENCE_MS = 30_000;

/** Maximum time of a request, in milliseconds. */
const TIMEOUT_MS = 15 * 60_000;

/** Maximum number of entries in an index, and its maximum size in bytes. */
const MAX_INDEXED = 100;
const MAX_INDEX_BYTES = 64 * 1024;

/** Options for {@linkcode HttpStore}. */
export interface HttpStoreOptions {
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
   * Retry policy.
   *
   * @default {4 attempts with delays from 250 ms}
   */
  retry?: RetryPolicy;
}

/** A failure that is retried. */
class TransientFailure extends Error {
  retryAfterMs?: number;
}

/**
 * A store on a server that supports GET, PUT and HEAD.
 *
 * - The token is sent to this server only: redirects are refused.
 * - Requests are retried after failures that may be transient. A download that
 *   breaks off is continued by reading it again; the hash of the pack shows
 *   whether the parts belong together.
 * - An object that is removed is replaced by an empty one, which no entry or
 *   pack is.
 * - The names of the last entries of a cache are kept in an index. If two
 *   processes write it at once, one entry may not be found by a fallback.
 */
export class HttpStore implements CacheStore {
  readonly shown: string;
  readonly hasLocks = false;
  readonly temporaryParents: readonly string[] = [];
  readonly #base: string;
  readonly #token: string;
  readonly #limits: StopLimits;
  readonly #retry: RetryPolicy;

  /**
   * @param url URL without user info, query and fragment.
   * @param token Bearer token; none if it is empty.
   */
  constructor(url: URL, token: string, options: HttpStoreOptions = {}) {
    const { silenceMs = SILENCE_MS, timeoutMs = TIMEOUT_MS, retry = RETRY } =
      options;
    this.#base = (url.origin + url.pathname).replace(/\/+$/, "");
    this.shown = this.#base;
    this.#token = token;
    this.#limits = { silenceMs, timeoutMs };
    this.#retry = retry;
  }

  async get(
    name: string,
    { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    // The first chunk shows whether there is an object.
    const content = this.#read(name, maxBytes, signal);
    const first = await content.next();
    if (first.done && first.value === false) return undefined;
    return (async function* () {
      if (!first.done) yield first.value;
      yield* content;
    })();
  }

  async sizeOf(
    name: string,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    return await this.#retried(signal, async (stop) => {
      const response = await this.#send("HEAD", name, stop);
      await response.body?.cancel();
      if (response.status === 404) return undefined;
      const length = response.headers.get("content-length") ?? "";
      return /^\d+$/.test(length) ? Number(length) : undefined;
    });
  }

  async put(
    name: string,
    content: NewObject,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#retried(signal, async (stop) => {
      const body = content instanceof Uint8Array
        ? new Uint8Array(content)
        : ReadableStream.from(watched(content.file, stop));
      const response = await this.#send("PUT", name, stop, body);
      await response.body?.cancel();
    });
    const slash = name.lastIndexOf("/");
    if (name.endsWith(".json")) {
      await this.#addToIndex(
        name.slice(0, slash),
        name.slice(slash + 1),
        signal,
      );
    }
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

  async remove(name: string): Promise<void> {
    const { signal } = new AbortController();
    await this.#retried(signal, async (stop) => {
      const response = await this.#send("PUT", name, stop, new Uint8Array());
      await response.body?.cancel();
    });
  }

  /** The server decides what it keeps. */
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
    await this.#retried(signal, async (stop) => {
      const path = `${folder}/${ENTRY_INDEX}`;
      const response = await this.#send("PUT", path, stop, bytes);
      await response.body?.cancel();
    });
  }

  /** Yields the content; returns `false` if there is no object. */
  async *#read(
    name: string,
    maxBytes: number,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, boolean> {
    const backoff = createBackoff(this.#retry, { signal });
    let readBytes = 0;
    while (true) {
      using stop = this.#stop(signal);
      try {
        const response = await this.#send("GET", name, stop);
        if (response.status === 404) {
          await response.body?.cancel();
          return false;
        }
        let at = 0;
        for await (const chunk of response.body ?? []) {
          stop.progress();
          const bytes = chunk.subarray(Math.max(0, readBytes - at));
          at += chunk.length;
          if (at > maxBytes) {
            throw new Error(`it is larger than ${maxBytes} bytes`);
          }
          if (bytes.length === 0) continue;
          readBytes += bytes.length;
          yield bytes;
        }
        return true;
      } catch (error) {
        await retryOrThrow(backoff, stop.reasonOf(error), signal);
      }
    }
  }

  async #retried<T>(
    signal: AbortSignal,
    action: (stop: Stop) => Promise<T>,
  ): Promise<T> {
    const backoff = createBackoff(this.#retry, { signal });
    while (true) {
      using stop = this.#stop(signal);
      try {
        return await action(stop);
      } catch (error) {
        await retryOrThrow(backoff, stop.reasonOf(error), signal);
      }
    }
  }

  /** @throws {Error} If the status is neither 2xx nor 404. */
  async #send(
    method: "GET" | "HEAD" | "PUT",
    name: string,
    stop: Stop,
    body?: BodyInit,
  ): Promise<Response> {
    const headers = new Headers({ "accept-encoding": "identity" });
    if (this.#token !== "") {
      headers.set("authorization", `Bearer ${this.#token}`);
    }
    const response = await fetch(`${this.#base}/${name}`, {
      method,
      headers,
      body,
      redirect: "manual",
      signal: stop.signal,
    });
    stop.progress();
    const { ok, status } = response;
    if (ok || status === 404 && method !== "PUT") return response;
    await response.body?.cancel();
    const reason = `the server answered with status ${status}`;
    if (!isTransientStatus(status)) throw new Error(reason);
    const failure = new TransientFailure(reason);
    failure.retryAfterMs = parseRetryAfter(response.headers);
    throw failure;
  }

  #stop(signal: AbortSignal): Stop {
    return new Stop(signal, this.#limits);
  }
}

interface StopLimits {
  readonly silenceMs: number;
  readonly timeoutMs: number;
}

/** Stops a request when it is cancelled, takes too long or makes no progress. */
class Stop implements Disposable {
  readonly #controller = new AbortController();
  readonly #cancelling: Disposable;
  readonly #silenceMs: number;
  readonly #timeLimit: ReturnType<typeof setTimeout>;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(signal: AbortSignal, { silenceMs, timeoutMs }: StopLimits) {
    this.#silenceMs = silenceMs;
    this.#timeLimit = setTimeout(
      () =>
        this.#controller.abort(
          new Error(`it took longer than ${timeoutMs} ms`),
        ),
      timeoutMs,
    );
    this.#cancelling = onAbort(
      signal,
      () => this.#controller.abort(signal.reason),
    );
    this.progress();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts the time limit again. */
  progress(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const reason = `nothing happened for ${this.#silenceMs} ms`;
      this.#controller.abort(new TransientFailure(reason));
    }, this.#silenceMs);
  }

  /** Returns why a request failed; the network reports any error as a type. */
  reasonOf(error: unknown): unknown {
    if (this.signal.aborted) return this.signal.reason;
    return error instanceof TypeError
      ? new TransientFailure(messageOf(error), { cause: error })
      : error;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#timeLimit);
    this.#cancelling[Symbol.dispose]();
    // A response that was not read to its end is closed.
    this.#controller.abort();
  }
}

/** Reads a file for a request, whose time limit starts again with each chunk. */
async function* watched(
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

async function retryOrThrow(
  backoff: ReturnType<typeof createBackoff>,
  error: unknown,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  if (!(error instanceof TransientFailure)) throw error;
  if (!await backoff.next(error.message, error.retryAfterMs)) throw error;
}
