import { messageOf } from "../../errors.ts";
import { onAbort } from "../../process/on_abort.ts";
import { timeLimit } from "../../process/time_limit.ts";
import { redactText } from "../redact_url.ts";
import { archiveError } from "./location.ts";

/** How often a download is begun. */
const MOST_ATTEMPTS = 4;

/** Wait before the second attempt, in milliseconds; each further one is twice as long. */
const FIRST_WAIT_MS = 250;

/** How long a server may be silent, in milliseconds. */
const SILENCE_MS = 60_000;

/** How many redirections are followed. */
const MOST_REDIRECTIONS = 10;

/** Answers that may be better the next time, beside those of a broken server. */
const PASSING_STATUS = [408, 425, 429];

/** Options for {@linkcode download}. */
export interface DownloadOptions {
  /** Most bytes that are fetched. */
  maxBytes: number;
  /** Stops the download. */
  signal: AbortSignal;
  /** Hears why it is tried once more. */
  onRetry: (reason: string) => void;
}

/** A failure that may be over the next time. */
class PassingError extends Error {}

/**
 * Fetches a file, piece by piece. Whoever calls compares its checksum.
 *
 * A broken connection and the errors of a server are met with another attempt,
 * from the beginning. User info of the URL is sent to its own host alone.
 *
 * @param url `https:` or `http:` URL.
 * @param path Absolute path of the file that is written.
 * @param options Limit and listeners.
 * @throws {RunnerError} With code `source-failed`, if the file cannot be fetched.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function download(
  url: URL,
  path: string,
  options: DownloadOptions,
): Promise<void> {
  const { signal, onRetry } = options;
  for (let attempt = 1;; attempt++) {
    signal.throwIfAborted();
    try {
      return await attemptDownload(url, path, options);
    } catch (cause) {
      signal.throwIfAborted();
      const reason = redactText(messageOf(cause), url.href);
      if (!(cause instanceof PassingError) || attempt === MOST_ATTEMPTS) {
        throw archiveError(url.href, reason, cause);
      }
      onRetry(reason);
      await waited(FIRST_WAIT_MS * 2 ** (attempt - 1), signal);
    }
  }
}

async function attemptDownload(
  url: URL,
  path: string,
  { maxBytes, signal }: DownloadOptions,
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
  for (let count = 0; count <= MOST_REDIRECTIONS; count++) {
    const { username, password } = place;
    const bare = new URL(place);
    bare.username = "";
    bare.password = "";
    const headers = username === ""
      ? undefined
      : { authorization: basicAuth(username, password) };
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
    throw status >= 500 || PASSING_STATUS.includes(status)
      ? new PassingError(reason)
      : new Error(reason);
  }
  throw new Error(`it is redirected more than ${MOST_REDIRECTIONS} times`);
}

function redirection(from: URL, location: string): URL {
  const to = new URL(location, from);
  if (!["https:", "http:"].includes(to.protocol)) {
    throw new Error("it is redirected to another kind of URL");
  }
  if (from.protocol === "https:" && to.protocol === "http:") {
    throw new Error("it is redirected from https to http");
  }
  if (to.host === from.host && to.username === "") {
    to.username = from.username;
    to.password = from.password;
  }
  return to;
}

function basicAuth(username: string, password: string): string {
  const text = `${decodeURIComponent(username)}:${
    decodeURIComponent(password)
  }`;
  return `Basic ${new TextEncoder().encode(text).toBase64()}`;
}

/** What the network does may be over the next time. */
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
    throw new PassingError(messageOf(innermost(cause)), { cause });
  }
}

/** Whatever `fetch` throws says no more than that it failed. */
function innermost(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error
    ? innermost(error.cause)
    : error;
}

async function waited(ms: number, signal: AbortSignal): Promise<void> {
  using limit = timeLimit(ms);
  const { promise, resolve } = Promise.withResolvers<void>();
  using _ = onAbort(signal, resolve);
  await Promise.race([limit.reached, promise]);
}
