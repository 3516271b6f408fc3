import { messageOf } from "../../errors.ts";
import { onAbort } from "../../process/cancellation.ts";
import {
  createBackoff,
  parseRetryAfter,
  type RetryPolicy,
} from "../../process/retry.ts";
import { timeLimit } from "../../process/time_limit.ts";
import { showUrlsIn } from "../../url_secrets.ts";
import { percentDecoded } from "../percent.ts";
import { archiveError } from "./location.ts";

/** Pauses of a quarter of a second to one second, or what the server asks for. */
const RETRY: RetryPolicy = { attempts: 4, delayMs: 250 };

/** How long a server may be silent, in milliseconds. */
const SILENCE_MS = 60_000;

/** How many redirections are followed. */
const MAX_REDIRECTIONS = 10;

/** Errors that may be over at the next attempt, beside those of the server. */
const TRANSIENT_STATUS = [408, 425, 429];

/** Options for {@linkcode download}. */
export interface DownloadOptions {
  /** Most bytes that are fetched. */
  maxBytes: number;
  /** Longest time of the whole download, all attempts included, in milliseconds. */
  timeoutMs: number;
  /** Stops the download. */
  signal: AbortSignal;
  /** Called with the reason and the pause before another attempt. */
  onRetry: (reason: string, pauseMs: number) => void;
}

/** A failure that may be over at the next attempt. */
class TransientError extends Error {
  retryAfterMs?: number;
}

/**
 * Fetches a file as the server stores it, piece by piece. The caller compares
 * its checksum.
 *
 * After a broken connection or an error of the server, another attempt starts
 * from the beginning, not before the server's `Retry-After`. User info of the
 * URL is sent to its own host alone.
 *
 * @param url `https:` or `http:` URL.
 * @param path Absolute path of the file that is written.
 * @param options Limits and listeners.
 * @throws {RunnerError} With code `source-failed`, if the file cannot be fetched.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function download(
  url: URL,
  path: string,
  options: DownloadOptions,
): Promise<void> {
  const { timeoutMs, signal, onRetry } = options;
  const stop = new AbortController();
  using _ = onAbort(signal, () => stop.abort(signal.reason));
  using limit = timeLimit(timeoutMs);
  limit.reached.then(() =>
    stop.abort(new Error(`it takes longer than ${timeoutMs} ms`))
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
  const response = await answer(url, stop);
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
      const { value, done } = await orSilence(reader.read(), stop);
      if (done) break;
      count += value.length;
      if (count > maxBytes) {
        throw new Error(`it has more than ${maxBytes} bytes`);
      }
      for (let at = 0; at < value.length;) {
        at += await file.write(value.subarray(at));
      }
    }
  } finally {
    // After its end there is nothing to cancel.
    await reader.cancel().catch(() => {});
  }
}

/** Follows redirections itself, so that none leads to another kind of URL. */
async function answer(url: URL, stop: AbortController): Promise<Response> {
  let place = url;
  for (let count = 0; count <= MAX_REDIRECTIONS; count++) {
    const { username, password } = place;
    const bare = new URL(place);
    bare.username = "";
    bare.password = "";
    const headers = new Headers({
      // A server that labels an archive as content that is encoded by gzip
      // sends the stored bytes all the same; only so does fetch() leave them.
      "accept-encoding": "identity",
    });
    if (username !== "" || password !== "") {
      headers.set("authorization", basicAuth(username, password));
    }
    const response = await orSilence(
      fetch(bare, { headers, redirect: "manual", signal: stop.signal }),
      stop,
    );
    const { status } = response;
    if (status === 200 && response.body !== null) return response;
    await response.body?.cancel();
    const location = response.headers.get("location");
    if (status >= 300 && status < 400 && location !== null) {
      place = redirection(place, location);
      continue;
    }
    const reason = `the server answers ${status} ${response.statusText}`.trim();
    if (status < 500 && !TRANSIENT_STATUS.includes(status)) {
      throw new Error(reason);
    }
    const error = new TransientError(reason);
    error.retryAfterMs = parseRetryAfter(response.headers);
    throw error;
  }
  throw new Error(`it is redirected more than ${MAX_REDIRECTIONS} times`);
}

function redirection(from: URL, location: string): URL {
  const to = new URL(location, from);
  if (!["https:", "http:"].includes(to.protocol)) {
    throw new Error("it is redirected to another kind of URL");
  }
  if (from.protocol === "https:" && to.protocol === "http:") {
    throw new Error("it is redirected from https to http");
  }
  if (to.host === from.host && to.username === "" && to.password === "") {
    to.username = from.username;
    to.password = from.password;
  }
  return to;
}

function basicAuth(username: string, password: string): string {
  const colon = ":".charCodeAt(0);
  const name = percentDecoded(username);
  // The server takes the first colon for the end of the name.
  if (name.includes(colon)) throw new Error("the user name contains a colon");
  const bytes = [
    ...name,
    colon,
    ...percentDecoded(password),
  ];
  return `Basic ${new Uint8Array(bytes).toBase64()}`;
}

/** Whatever the network does may be over at the next attempt. */
async function orSilence<T>(
  promise: Promise<T>,
  stop: AbortController,
): Promise<T> {
  using limit = timeLimit(SILENCE_MS);
  try {
    return await Promise.race([
      promise,
      limit.reached.then(() => {
        stop.abort();
        throw new Error(`the server says nothing for ${SILENCE_MS} ms`);
      }),
    ]);
  } catch (cause) {
    throw new TransientError(messageOf(innermost(cause)), { cause });
  }
}

/** Whatever `fetch` throws says no more than that it failed. */
function innermost(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error
    ? innermost(error.cause)
    : error;
}
