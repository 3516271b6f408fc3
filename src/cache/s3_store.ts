import { forEachLimited } from "../work_queue.ts";
import {
  type CacheStore,
  type NewObject,
  type PutOptions,
  SERVER_ASSUMED_MS,
  type StoredObject,
} from "./cache_store.ts";
import { readContentLength, type StoreClientOptions } from "./http_store.ts";
import {
  encodeKey,
  parseErrorCode,
  parseObjectPage,
  parseUploadId,
  readResponseText,
  S3Client,
  type S3Credentials,
  type S3Location,
} from "./s3_client.ts";

/** Number of parts that are sent at the same time. */
const PARALLEL_COUNT = 4;

/** Maximum number of parts of an object. */
const MAX_PARTS = 10_000;

/** Maximum time to abort an upload that failed, in milliseconds. */
const ABORT_TIMEOUT_MS = 10_000;

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
    this.displayName = location.displayName;
    this.#location = location;
    this.#client = new S3Client(location, credentials, options);
    this.#multipartBytes = options.multipartBytes ?? MULTIPART_BYTES;
    this.#partBytes = options.partBytes ?? PART_BYTES;
  }

  async get(
    name: string,
    { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const onResponse = (response: Response) =>
      this.#rememberUse(name, response);
    const options = { maxBytes, signal, onResponse };
    return await this.#client.download(this.#key(name), options);
  }

  async getSize(
    name: string,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    return await this.#client.send(
      { method: "HEAD", key: this.#key(name), allowedStatuses: [404] },
      (response) => {
        this.#rememberUse(name, response);
        return readContentLength(response);
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
      { method: "DELETE", key: this.#key(name), allowedStatuses: [404] },
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
          allowedStatuses: [412, 409, 501],
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
        async (response) => parseObjectPage(await readResponseText(response)),
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

/** Options for {@linkcode uploadParts}. */
export interface UploadOptions {
  /** Size of a part, in bytes. Larger parts are used if there would be too many. */
  readonly partBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Uploads a file in parts. Readers see nothing until all parts have arrived.
 *
 * After a failure, the upload is aborted, so that the server keeps no parts.
 *
 * @param size Size of the file, in bytes.
 * @throws {Error} If the store cannot be used.
 */
async function uploadParts(
  client: S3Client,
  key: string,
  { file, size }: { file: string; size: number },
  options: UploadOptions,
): Promise<void> {
  const { signal } = options;
  const partBytes = Math.max(options.partBytes, Math.ceil(size / MAX_PARTS));
  const id = await client.send(
    { method: "POST", key, query: { uploads: "" } },
    async (response) => parseUploadId(await readResponseText(response)),
    signal,
  );
  try {
    const tags: string[] = [];
    const numbers = Array.from(
      { length: Math.ceil(size / partBytes) },
      (_, at) => at + 1,
    );
    await forEachLimited(numbers, PARALLEL_COUNT, async (number) => {
      const from = (number - 1) * partBytes;
      const body = await readPart(file, from, Math.min(partBytes, size - from));
      const query = { partNumber: String(number), uploadId: id };
      tags[number - 1] = await client.send(
        { method: "PUT", key, query, body },
        (response) => response.headers.get("etag") ?? "",
        signal,
      );
    });
    await completeUpload(client, key, { id, tags, size, signal });
  } catch (error) {
    await abortUpload(client, key, id);
    throw error;
  }
}

/** Reads a whole part, because its hash is sent first and it may be sent again. */
async function readPart(
  path: string,
  from: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  using file = await Deno.open(path);
  await file.seek(from, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await file.read(bytes.subarray(at));
    if (count === null) throw new Error("a file shrank while it was read");
    at += count;
  }
  return bytes;
}

async function completeUpload(
  client: S3Client,
  key: string,
  { id, tags, size, signal }: {
    id: string;
    tags: readonly string[];
    size: number;
    signal: AbortSignal;
  },
): Promise<void> {
  const parts = tags.map((tag, at) =>
    `<Part><PartNumber>${at + 1}</PartNumber><ETag>${
      escapeXml(tag)
    }</ETag></Part>`
  );
  const xml =
    `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${
      parts.join("")
    }</CompleteMultipartUpload>`;
  const body = new TextEncoder().encode(xml);
  const failure = await client.send(
    {
      method: "POST",
      key,
      query: { uploadId: id },
      body,
      allowedStatuses: [404],
    },
    async (response) => {
      const text = await readResponseText(response);
      // The status is sent before the parts are joined.
      return parseErrorCode(text) ?? (response.ok ? undefined : "NoSuchUpload");
    },
    signal,
  );
  if (failure === undefined) return;
  // If a response was lost, the upload may be complete and its ID unknown.
  const length = await client.send(
    { method: "HEAD", key, allowedStatuses: [404] },
    (response) => response.headers.get("content-length"),
    signal,
  );
  if (failure === "NoSuchUpload" && length === String(size)) return;
  throw new Error(`the server did not complete an upload (${failure})`);
}

async function abortUpload(
  client: S3Client,
  key: string,
  id: string,
): Promise<void> {
  const signal = AbortSignal.timeout(ABORT_TIMEOUT_MS);
  await client.send(
    { method: "DELETE", key, query: { uploadId: id }, allowedStatuses: [404] },
    () => {},
    signal,
  ).catch(() => {
    // Rules of the bucket can remove unfinished uploads.
  });
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
