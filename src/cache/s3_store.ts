import {
  type CacheStore,
  type NewObject,
  type PutOptions,
  SERVER_ASSUMED_MS,
  type StoredObject,
} from "./cache_store.ts";
import { contentLength } from "./http_store.ts";
import { answerText, objectPage } from "./s3_answers.ts";
import { encodeKey, S3Client, type S3Credentials } from "./s3_client.ts";
import type { S3Location } from "./s3_location.ts";
import { readPart, uploadParts } from "./s3_upload.ts";
import type { StoreClientOptions } from "./store_client.ts";

/** Size above which a file is uploaded in parts, in bytes. */
const MULTIPART_BYTES = 100 * 1024 * 1024;

/** Size of a part, in bytes. */
const PART_BYTES = 32 * 1024 * 1024;

/** Maximum number of objects in a folder that are listed, the newest first. */
const MAX_LISTED = 1_000;

/** Maximum number of pages of a list. */
const MAX_PAGES = 10_000;

/** Options for {@linkcode S3Store}. */
export interface S3StoreOptions extends StoreClientOptions {
  /**
   * Size above which a file is uploaded in parts, in bytes.
   *
   * @default {100 MiB}
   */
  multipartBytes?: number;
  /**
   * Size of a part, in bytes.
   *
   * @default {32 MiB}
   */
  partBytes?: number;
}

/**
 * A store in a bucket of an S3 server.
 *
 * - Objects become visible when they are complete.
 * - If two processes write a new entry on a server with conditional writes, the
 *   first one wins, and `put` returns `false` for the other. Otherwise, the last
 *   one wins.
 * - There are no locks. Objects are listed by their keys.
 */
export class S3Store implements CacheStore {
  readonly displayName: string;
  readonly hasLocks = false;
  readonly assumedMs = SERVER_ASSUMED_MS;
  readonly temporaryParents: readonly string[] = [];
  readonly #location: S3Location;
  readonly #client: S3Client;
  readonly #multipartBytes: number;
  readonly #partBytes: number;
  /** Whether the server is known not to support conditional writes. */
  #isUnconditional = false;
  /** When objects were changed, according to the server. */
  readonly #modifiedMs = new Map<string, number>();

  constructor(
    location: S3Location,
    credentials: S3Credentials,
    options: S3StoreOptions = {},
  ) {
    this.displayName = location.shown;
    this.#location = location;
    this.#client = new S3Client(location, credentials, options);
    this.#multipartBytes = options.multipartBytes ?? MULTIPART_BYTES;
    this.#partBytes = options.partBytes ?? PART_BYTES;
  }

  async get(
    name: string,
    { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const onAnswer = (response: Response) => this.#rememberUse(name, response);
    const options = { maxBytes, signal, onAnswer };
    return await this.#client.download(this.#key(name), options);
  }

  async getSize(
    name: string,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    return await this.#client.send(
      { method: "HEAD", key: this.#key(name), answers: [404] },
      (response) => {
        this.#rememberUse(name, response);
        return contentLength(response);
      },
      signal,
    );
  }

  #rememberUse(name: string, { headers }: Response): void {
    const ms = Date.parse(headers.get("last-modified") ?? "");
    if (!Number.isNaN(ms)) this.#modifiedMs.set(name, ms);
  }

  async put(
    name: string,
    content: NewObject,
    signal: AbortSignal,
    { isNew = false }: PutOptions = {},
  ): Promise<boolean> {
    const key = this.#key(name);
    if (content instanceof Uint8Array) {
      const body = new Uint8Array(content);
      if (!isNew) await this.#put(key, body, signal);
      return isNew ? await this.#putNew(key, body, signal) : true;
    }
    const { file } = content;
    const { size } = await Deno.stat(file);
    if (size <= this.#multipartBytes) {
      await this.#put(key, await readPart(file, 0, size), signal);
    } else {
      const partBytes = this.#partBytes;
      await uploadParts(this.#client, key, { file, size }, {
        partBytes,
        signal,
      });
    }
    return true;
  }

  async list(folder: string, signal: AbortSignal): Promise<string[]> {
    const found: StoredObject[] = [];
    for await (const object of this.#objects(folder, signal, "/")) {
      found.push(object);
    }
    found.sort((a, b) => b.usedMs - a.usedMs);
    return found.slice(0, MAX_LISTED)
      .map(({ name }) => name.slice(folder.length + 1));
  }

  objects(folder: string, signal: AbortSignal): AsyncIterable<StoredObject> {
    return this.#objects(folder, signal);
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    await this.#client.send(
      { method: "DELETE", key: this.#key(name), answers: [404] },
      () => {},
      signal,
    );
  }

  /** Copies the object to itself, because its time of change is the time of its last use. */
  async touch(
    name: string,
    signal: AbortSignal,
    minAgeMs: number,
  ): Promise<void> {
    const ageMs = Date.now() - (this.#modifiedMs.get(name) ?? -Infinity);
    // The clock of the server may be ahead.
    if (Math.abs(ageMs) < minAgeMs) return;
    const key = this.#key(name);
    const headers = {
      "x-amz-copy-source": `/${this.#location.bucket}/${encodeKey(key)}`,
      "x-amz-metadata-directive": "REPLACE",
    };
    await this.#client.send({ method: "PUT", key, headers }, () => {}, signal);
  }

  lock(): Promise<Disposable> {
    return Promise.resolve({ [Symbol.dispose]() {} });
  }

  #key(name: string): string {
    return this.#location.prefix + name;
  }

  async #put(
    key: string,
    body: Uint8Array<ArrayBuffer>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#client.send({ method: "PUT", key, body }, () => {}, signal);
  }

  /** Returns whether the object was written. */
  async #putNew(
    key: string,
    body: Uint8Array<ArrayBuffer>,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (!this.#isUnconditional) {
      const status = await this.#client.send(
        {
          method: "PUT",
          key,
          body,
          headers: { "if-none-match": "*" },
          // It exists; another process is writing it; conditional writes are unsupported.
          answers: [412, 409, 501],
        },
        ({ status }) => status,
        signal,
      );
      if (status !== 501) return status !== 412 && status !== 409;
      this.#isUnconditional = true;
    }
    await this.#put(key, body, signal);
    return true;
  }

  /** @param delimiter Lists only names that do not contain it. */
  async *#objects(
    folder: string,
    signal: AbortSignal,
    delimiter?: string,
  ): AsyncGenerator<StoredObject> {
    const { prefix } = this.#location;
    let next: string | undefined;
    for (let count = 0; count < MAX_PAGES; count++) {
      const page = await this.#client.send(
        {
          method: "GET",
          query: {
            "list-type": "2",
            "encoding-type": "url",
            prefix: `${prefix}${folder}/`,
            ...delimiter === undefined ? {} : { delimiter },
            ...next === undefined ? {} : { "continuation-token": next },
          },
        },
        async (response) => objectPage(await answerText(response)),
        signal,
      );
      for (const { key, bytes, modifiedMs } of page.objects) {
        const name = key.slice(prefix.length);
        const isInFolder = key.startsWith(`${prefix}${folder}/`) &&
          isPlain(name);
        if (!isInFolder || !Number.isSafeInteger(bytes)) continue;
        yield { name, bytes, usedMs: modifiedMs || 0 };
      }
      ({ next } = page);
      if (next === undefined) return;
    }
    throw new Error("it has too many objects to list");
  }
}

/**
 * Checks whether a name is a normalized URL path. Other names cannot be addressed,
 * or would lead out of the prefix.
 */
function isPlain(name: string): boolean {
  return name.isWellFormed() &&
    name.split("/").every((part) => !["", ".", ".."].includes(part));
}
