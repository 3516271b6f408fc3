import { forEachLimited } from "../work_queue.ts";
import { answerText, failureCode, uploadId } from "./s3_answers.ts";
import type { S3Client } from "./s3_client.ts";

/** Number of parts that are sent at the same time. */
const PARALLEL_COUNT = 4;

/** Maximum number of parts of an object. */
const MAX_PARTS = 10_000;

/** Maximum time to abort an upload that failed, in milliseconds. */
const ABORT_TIMEOUT_MS = 10_000;

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
export async function uploadParts(
  client: S3Client,
  key: string,
  { file, size }: { file: string; size: number },
  options: UploadOptions,
): Promise<void> {
  const { signal } = options;
  const partBytes = Math.max(options.partBytes, Math.ceil(size / MAX_PARTS));
  const id = await client.send(
    { method: "POST", key, query: { uploads: "" } },
    async (response) => uploadId(await answerText(response)),
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
    await complete(client, key, { id, tags, size, signal });
  } catch (error) {
    await abort(client, key, id);
    throw error;
  }
}

/** Reads a whole part, because its hash is sent first and it may be sent again. */
export async function readPart(
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

async function complete(
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
      xmlText(tag)
    }</ETag></Part>`
  );
  const xml =
    `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${
      parts.join("")
    }</CompleteMultipartUpload>`;
  const body = new TextEncoder().encode(xml);
  const failure = await client.send(
    { method: "POST", key, query: { uploadId: id }, body, answers: [404] },
    async (response) => {
      const text = await answerText(response);
      // The status is sent before the parts are joined.
      return failureCode(text) ?? (response.ok ? undefined : "NoSuchUpload");
    },
    signal,
  );
  if (failure === undefined) return;
  // If a response was lost, the upload may be complete and its ID unknown.
  const length = await client.send(
    { method: "HEAD", key, answers: [404] },
    (response) => response.headers.get("content-length"),
    signal,
  );
  if (failure === "NoSuchUpload" && length === String(size)) return;
  throw new Error(`the server did not complete an upload (${failure})`);
}

async function abort(client: S3Client, key: string, id: string): Promise<void> {
  const signal = AbortSignal.timeout(ABORT_TIMEOUT_MS);
  await client.send(
    { method: "DELETE", key, query: { uploadId: id }, answers: [404] },
    () => {},
    signal,
  ).catch(() => {
    // Rules of the bucket can remove unfinished uploads.
  });
}

function xmlText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
