import { join } from "@std/path/posix/join";
import { resolve } from "@std/path/posix/resolve";
import { decompress, detectArchiveFormat } from "../archive/decompress.ts";
import { Budget } from "../archive/entry.ts";
import { tarEntries } from "../archive/tar_entries.ts";
import { unpack } from "../archive/unpack.ts";
import type { ArchiveConfig } from "../config/job_config.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { pathReason } from "../fs/byte_names.ts";
import { hashFile, writeAll } from "../fs/files.ts";
import { isInside } from "../job_path.ts";
import { onAbort } from "../process/cancellation.ts";
import {
  createBackoff,
  isTransientStatus,
  parseRetryAfter,
  type RetryPolicy,
} from "../process/retry.ts";
import { timeLimit } from "../process/time_limit.ts";
import { durationText } from "../schema/duration.ts";
import { showUrl, showUrlsIn } from "../url_secrets.ts";
import {
  createStageTimer,
  type FillDirectory,
  type SourceContext,
  sourceError,
  type SourceRequest,
} from "./source.ts";
import { decodePath, percentDecode } from "./source_url.ts";

/**
 * Retries after a quarter of a second to one second, or when the server asks
 * for it.
 */
const RETRY: RetryPolicy = { attempts: 4, delayMs: 250 };

/** Maximum time without data from the server, in milliseconds. */
const SILENCE_MS = 60_000;

/** Maximum number of redirects. */
const MAX_REDIRECTS = 10;

/**
 * Validates an archive as a source. Nothing is fetched or unpacked yet.
 *
 * @param url `https:`, `http:` or `file:` URL, or path.
 * @param request Request whose ref is the checksum.
 * @param target Absolute path of the target directory, without symbolic links.
 * @returns Function that unpacks the archive.
 * @throws {RunnerError} With code `source-failed`, if the file does not
 * exist or the checksum is missing. The returned function throws the same if the archive
 * cannot be fetched, has another checksum, or contains something that is not
 * allowed.
 */
export async function archiveSource(
  url: string,
  request: SourceRequest,
  target: string,
  context: SourceContext,
): Promise<FillDirectory> {
  const { ref, archive } = request;
  if (archive === undefined) throw new TypeError("The archive has no limits");
  const stage = createStageTimer(context);
  const location = resolveLocation(url, ref, context.cwd);
  if (typeof location.place === "string") {
    await checkFile(url, location.place, target);
  }
  const unpackInto = async (path: string, target: string) => {
    if (location.checksum !== undefined) {
      await stage("verify", () => verify(url, path, location, context));
    }
    context.log.info("source", "Unpacking", { from: showUrl(url) });
    await stage(
      "unpack",
      () => unpackFile(url, path, target, { ...context, archive }),
    );
    return undefined;
  };
  const { place } = location;
  if (typeof place === "string") return (target) => unpackInto(place, target);
  return async (target) => {
    // Stored next to the target, where there is space for the contents as well.
    const download = join(target, `.download-${crypto.randomUUID()}`);
    await Deno.mkdir(download, { mode: 0o700 });
    const path = join(download, "archive");
    await stage(
      "fetch",
      () => fetchTo(path, url, place, { ...context, archive }),
    );
    await unpackInto(path, target);
    return void await Deno.remove(download, { recursive: true });
  };
}

type Context = SourceContext & { archive: ArchiveConfig };

async function checkFile(
  url: string,
  path: string,
  target: string,
): Promise<void> {
  let isFile: boolean;
  try {
    ({ isFile } = await Deno.stat(path));
    path = await Deno.realPath(path);
  } catch (cause) {
    throw archiveError(url, pathReason(path, cause), cause);
  }
  if (!isFile) throw archiveError(url, "it is not a file");
  if (isInside(target, path)) {
    throw archiveError(url, `it is in "${target}", which would be replaced`);
  }
}

async function fetchTo(
  path: string,
  url: string,
  place: URL,
  { archive, log, cancellation }: Context,
): Promise<void> {
  log.info("source", "Fetching", { url: showUrl(url) });
  await download(place, path, {
    maxBytes: archive.maxBytes,
    timeoutMs: archive.timeoutMs,
    signal: cancellation.graceful,
    onRetry: (reason, ms) =>
      log.warn("source", "Fetching again", {
        url: showUrl(url),
        reason,
        ms,
      }),
  });
}

/**
 * The checksum is verified before any program reads the archive, since programs
 * that unpack archives have had vulnerabilities.
 */
async function verify(
  url: string,
  path: string,
  { checksum }: ArchiveLocation,
  { cancellation }: SourceContext,
): Promise<void> {
  if (checksum === undefined) return;
  const found = await hashFile(path, cancellation.graceful);
  if (found === checksum) return;
  throw archiveError(url, `its checksum is sha256:${found}, not ${checksum}`);
}

async function unpackFile(
  url: string,
  path: string,
  directory: string,
  context: Context,
): Promise<void> {
  const { archive, cancellation } = context;
  const format = await detectArchiveFormat(path);
  if (format === undefined) {
    throw archiveError(
      url,
      "not a tar (optionally gzip, bzip2, xz or zstd) or zip archive",
    );
  }
  const { size } = await Deno.stat(path);
  context.measure?.bytes(size);
  const budget = new Budget(archive, size);
  const options = { ...archive, budget, signal: cancellation.graceful };
  if (format === "zip") {
    const { zipEntries } = await import("../archive/zip_entries.ts");
    return await unpack(zipEntries(path, budget), directory, options);
  }
  const bytes = budget.counted(decompress(path, format, context));
  await unpack(tarEntries(bytes, budget), directory, options);
}

/** Options for {@linkcode download}. */
export interface DownloadOptions {
  /** Maximum size of the file, in bytes. */
  maxBytes: number;
  /**
   * Maximum time of the whole download including all attempts, in milliseconds.
   */
  timeoutMs: number;
  /** Stops the download. */
  signal: AbortSignal;
  /** Called with the reason and the delay before each retry. */
  onRetry: (reason: string, pauseMs: number) => void;
}

/** A failure that is retried. */
class TransientError extends Error {
  retryAfterMs?: number;
}

/**
 * Downloads a file exactly as the server stores it. The caller verifies its
 * checksum.
 *
 * After a broken connection or a server error, the download starts again,
 * respecting `Retry-After`. User info of the URL is sent only to its own host.
 *
 * @param url `https:` or `http:` URL.
 * @param path Absolute path of the file to write.
 * @throws {RunnerError} With code `source-failed`, if the file cannot be
 * fetched.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
async function download(
  url: URL,
  path: string,
  options: DownloadOptions,
): Promise<void> {
  const { timeoutMs, signal, onRetry } = options;
  const stop = new AbortController();
  using _ = onAbort(signal, () => stop.abort(signal.reason));
  using limit = timeLimit(timeoutMs);
  limit.reached.then(() =>
    stop.abort(new Error(`it took longer than ${durationText(timeoutMs)}`))
  );
  const backoff = createBackoff(RETRY, { signal: stop.signal, onRetry });
  const failure = (cause: unknown) =>
    archiveError(url.href, showUrlsIn(messageOf(cause), url.href), cause);
  while (true) {
    try {
      return await attemptDownload(url, path, options, stop.signal);
    } catch (cause) {
      signal.throwIfAborted();
      if (stop.signal.aborted) throw failure(stop.signal.reason);
      if (!(cause instanceof TransientError)) throw failure(cause);
      const reason = showUrlsIn(messageOf(cause), url.href);
      const isRetried = await backoff.next(reason, cause.retryAfterMs)
        .catch(() => {
          signal.throwIfAborted();
          throw failure(stop.signal.reason);
        });
      if (!isRetried) throw failure(cause);
    }
  }
}

async function attemptDownload(
  url: URL,
  path: string,
  { maxBytes }: DownloadOptions,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  using _ = onAbort(signal, () => stop.abort(signal.reason));
  const response = await request(url, stop);
  using file = await Deno.open(path, {
    write: true,
    create: true,
    truncate: true,
    mode: 0o600,
  });
  const reader = response.body!.getReader();
  let count = 0;
  try {
    while (true) {
      const { value, done } = await withSilenceLimit(reader.read(), stop);
      if (done) break;
      count += value.length;
      if (count > maxBytes) {
        throw new Error(`it is larger than ${maxBytes} bytes`);
      }
      await writeAll(file, value);
    }
  } finally {
    // A response that was read to its end needs no cancellation.
    await reader.cancel().catch(() => {});
  }
}

/**
 * Requests a file. Redirects are followed here, so that they cannot lead to another
 * kind of URL.
 */
async function request(url: URL, stop: AbortController): Promise<Response> {
  let place = url;
  for (let count = 0; count <= MAX_REDIRECTS; count++) {
    const { username, password } = place;
    const bare = new URL(place);
    bare.username = "";
    bare.password = "";
    const headers = new Headers({
      // Some servers label a gzip archive as encoded content. With this header
      // they still send the stored bytes, and `fetch()` does not decode them.
      "accept-encoding": "identity",
    });
    if (username !== "" || password !== "") {
      headers.set("authorization", formatBasicAuth(username, password));
    }
    const response = await withSilenceLimit(
      fetch(bare, { headers, redirect: "manual", signal: stop.signal }),
      stop,
    );
    const { status } = response;
    if (status === 200 && response.body !== null) return response;
    await response.body?.cancel();
    const location = response.headers.get("location");
    if (status >= 300 && status < 400 && location !== null) {
      place = resolveRedirect(place, location);
      continue;
    }
    const reason = `the server responded with ${status} ${response.statusText}`
      .trim();
    if (!isTransientStatus(status)) {
      throw new Error(reason);
    }
    const error = new TransientError(reason);
    error.retryAfterMs = parseRetryAfter(response.headers);
    throw error;
  }
  throw new Error(`more than ${MAX_REDIRECTS} redirects`);
}

function resolveRedirect(from: URL, location: string): URL {
  const to = new URL(location, from);
  if (!["https:", "http:"].includes(to.protocol)) {
    throw new Error("the server redirects to another kind of URL");
  }
  if (from.protocol === "https:" && to.protocol === "http:") {
    throw new Error("the server redirects from https to http");
  }
  if (to.host === from.host && to.username === "" && to.password === "") {
    to.username = from.username;
    to.password = from.password;
  }
  return to;
}

function formatBasicAuth(username: string, password: string): string {
  const colon = ":".charCodeAt(0);
  const name = percentDecode(username);
  // The first colon ends the user name.
  if (name.includes(colon)) throw new Error("the user name contains a colon");
  const bytes = [
    ...name,
    colon,
    ...percentDecode(password),
  ];
  return `Basic ${new Uint8Array(bytes).toBase64()}`;
}

/**
 * Fails if the server sends nothing for a minute. All network errors are retried.
 */
async function withSilenceLimit<T>(
  promise: Promise<T>,
  stop: AbortController,
): Promise<T> {
  using limit = timeLimit(SILENCE_MS);
  try {
    return await Promise.race([
      promise,
      limit.reached.then(() => {
        stop.abort();
        throw new Error(
          `the server sent nothing for ${durationText(SILENCE_MS)}`,
        );
      }),
    ]);
  } catch (cause) {
    throw new TransientError(messageOf(findInnermostCause(cause)), { cause });
  }
}

/** `fetch` reports the actual reason as the cause of its error. */
function findInnermostCause(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error
    ? findInnermostCause(error.cause)
    : error;
}

/** Location and checksum of an archive. */
interface ArchiveLocation {
  /** Absolute path of a local archive, or the URL to download it from. */
  readonly place: string | URL;
  /**
   * SHA-256 of the archive in lowercase hexadecimal digits, if one was given.
   */
  readonly checksum: string | undefined;
}

/**
 * Validates the location of an archive. Nothing is read yet.
 *
 * @param url `https:`, `http:` or `file:` URL, or path.
 * @param ref `sha256:` and 64 hexadecimal digits; required for a download.
 * @param cwd Absolute path against which a relative path is resolved.
 * @returns The location.
 * @throws {RunnerError} With code `source-failed`, if the URL or checksum is
 * invalid.
 */
function resolveLocation(
  url: string,
  ref: string | undefined,
  cwd: string,
): ArchiveLocation {
  const place = parseLocation(url, cwd);
  const checksum = ref ? parseChecksum(ref) : undefined;
  if (place instanceof URL && checksum === undefined) {
    throw archiveError(
      url,
      "a downloaded archive needs a checksum as its ref: sha256:HEX",
    );
  }
  return { place, checksum };
}

/**
 * Creates the error of an archive that cannot be fetched.
 *
 * @param url URL or path as configured; its user info is not shown.
 */
function archiveError(
  url: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return sourceError(
    `fetch the archive ${JSON.stringify(showUrl(url))}`,
    reason,
    cause,
  );
}

function parseLocation(url: string, cwd: string): string | URL {
  if (url.includes("\0")) {
    throw archiveError(url, "it contains a NUL character");
  }
  const [, scheme] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(url) ?? [];
  if (scheme === undefined) return resolve(cwd, url);
  try {
    const parsed = new URL(url);
    if (["https:", "http:"].includes(parsed.protocol)) return parsed;
    if (parsed.protocol !== "file:") {
      throw new TypeError("its scheme is not https, http or file");
    }
    if (parsed.host !== "") throw new TypeError("its URL names another host");
    return decodePath(parsed);
  } catch (cause) {
    throw archiveError(url, messageOf(cause).replace(/: '.*$/s, ""), cause);
  }
}

function parseChecksum(ref: string): string {
  const [, digits] = /^sha256:([0-9a-f]{64})$/i.exec(ref) ?? [];
  if (digits !== undefined) return digits.toLowerCase();
  throw new RunnerError(
    `Cannot compare ${JSON.stringify(ref)} with the archive: not ` +
      "sha256: and 64 hexadecimal digits",
    { code: "source-failed" },
  );
}
