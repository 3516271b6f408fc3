import { allBytes, ENTRY_INDEX } from "./cache_entry.ts";
import {
  type CacheStore,
  type NewObject,
  SERVER_ASSUMED_MS,
} from "./cache_store.ts";
import {
  type Stop,
  StoreClient,
  type StoreClientOptions,
  type StoreRequest,
} from "./store_client.ts";

/** Maximum number of entries in an index, and its maximum size in bytes. */
const MAX_INDEXED = 100;
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
      (headers) => ({ ...this.#request("GET", name, headers), answers: [404] }),
      maxBytes,
      signal,
    );
  }

  async getSize(
    name: string,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    return await this.#client.send(
      () => ({ ...this.#request("HEAD", name), answers: [404] }),
      contentLength,
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
        : (stop) => ReadableStream.from(watched(content.file, stop)),
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
export function contentLength(response: Response): number | undefined {
  if (response.status === 404) return undefined;
  const length = response.headers.get("content-length") ?? "";
  return /^\d+$/.test(length) ? Number(length) : undefined;
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
