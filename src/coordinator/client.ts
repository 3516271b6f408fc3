/**
 * The HTTP client of the coordinator.
 *
 * 1. The token is sent only to the coordinator: the URL must use https unless
 *    plain HTTP is allowed, and redirects to another origin are refused.
 * 2. Requests are retried with the same bytes after failures that may be
 *    transient: no response, or status 408, 425, 429 or 5xx. All other responses
 *    are final.
 * 3. The time, the number of redirects and the size of a response are limited.
 * 4. Errors quote the response of the coordinator, with token and secrets masked.
 *
 * @module
 */

import { messageOf, RunnerError, type RunnerErrorOptions } from "../errors.ts";
import { parseJson } from "../json_value.ts";
import { getDefault } from "../options/options.ts";
import { onAbort } from "../process/cancellation.ts";
import {
  createBackoff,
  isTransientStatus,
  parseRetryAfter,
  type RetryPolicy,
} from "../process/retry.ts";
import { timeLimit } from "../process/time_limit.ts";
import { durationText, parseDuration } from "../schema/duration.ts";
import { printable } from "../terminal/text.ts";
import { coordinatorUrl } from "./access.ts";

/** Maximum size of a response, in bytes: a page of jobs with all variables. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** Maximum number of characters of a response that a message quotes. */
const MAX_REASON_LENGTH = 300;

const MAX_REDIRECTS = 3;

/** Redirects that preserve the method and body of a request. */
const SAFE_REDIRECTS = [307, 308];

const RETRY: RetryPolicy = {
  attempts: 8,
  delayMs: 250,
  maxDelayMs: 8_000,
  maxElapsedMs: 180_000,
};

/** Characters of a header; an empty token would be masked everywhere. */
const TOKEN = /^[\x21-\x7e]+$/;

const DEFAULT_TIMEOUT_MS = parseDuration(getDefault("coordinator_timeout")) ??
  0;

/** Options for {@linkcode openClient}. */
export interface CoordinatorClientOptions {
  /** URL of the coordinator. */
  readonly url: string;
  /** Token of the job, or one that can read jobs. */
  readonly token: string;
  /**
   * Whether the token may be sent over plain HTTP.
   *
   * @default {false}
   */
  readonly allowInsecureTransport?: boolean;
  /**
   * Time limit of one request, in milliseconds.
   *
   * @default {the value of the option `coordinator_timeout`}
   */
  readonly timeoutMs?: number;
  /**
   * Retry policy.
   *
   * @default {8 attempts within 180_000 ms, with delays from 250 to 8_000 ms}
   */
  readonly retry?: RetryPolicy;
  /** Masks secrets in responses of the coordinator. */
  readonly maskText: (text: string) => string;
  /**
   * Called with the reason and the delay before each retry.
   *
   * @default {retries are not reported}
   */
  readonly onRetry?: (reason: string, pauseMs: number) => void;
  /**
   * Cancels requests and delays.
   *
   * @default {requests are not cancelled}
   */
  readonly signal?: AbortSignal;
}

/** A request to the coordinator. */
export interface ClientRequest {
  /** The action, phrased to follow "Cannot" in errors. */
  readonly action: string;
  /** HTTP method. */
  readonly method: Method;
  /** Path and query, relative to the URL. */
  readonly path: string;
  /** JSON in UTF-8; retries send the same bytes. */
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Status of a successful response. */
  readonly success: number;
  /**
   * Whether to send the request only once, because it is not idempotent.
   *
   * @default {false}
   */
  readonly isOnce?: boolean;
}

/** Methods of requests. */
type Method = "GET" | "POST" | "PUT";

/** A successful response. */
export interface ClientResponse {
  /** The parsed body; `undefined` if it is not JSON. */
  readonly value: unknown;
  /** Number of the successful attempt, from 1. */
  readonly attempt: number;
}

/** Client of one coordinator. */
export interface CoordinatorClient {
  /** URL of the coordinator. */
  readonly url: string;
  /**
   * Sends a request, and retries transient failures.
   *
   * @throws {CoordinatorError} `coordinator-forbidden` for status 403,
   * otherwise `coordinator-failed`.
   * @throws {unknown} The reason of the signal once it is aborted.
   */
  send(request: ClientRequest): Promise<ClientResponse>;
}

/** Error of a request to the coordinator. */
export class CoordinatorError extends RunnerError {
  /** HTTP status, if there was a response. */
  readonly status: number | undefined;
  /**
   * Whether the failure may be transient. The coordinator may still have
   * processed the request.
   */
  readonly isTransient: boolean;

  /**
   * Creates an error.
   *
   * @param message Failed action and reason.
   */
  constructor(
    message: string,
    options: RunnerErrorOptions & {
      readonly status: number | undefined;
      readonly isTransient?: boolean;
    },
  ) {
    super(message, options);
    this.status = options.status;
    this.isTransient = options.isTransient ?? false;
  }
}

/** A response of any status. */
interface RawResponse {
  readonly status: number;
  readonly text: string;
  /** Delay that the coordinator requests. */
  readonly retryAfterMs: number | undefined;
}

/** One attempt to send a request. */
interface Attempt {
  readonly method: Method;
  readonly token: string;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A network failure or timeout. */
class TransientError extends Error {}

/**
 * Creates a client without connecting.
 *
 * @throws {RunnerError} `invalid-config` if the URL or the token cannot be
 * used.
 */
export function openClient(
  options: CoordinatorClientOptions,
): CoordinatorClient {
  const { token, timeoutMs = DEFAULT_TIMEOUT_MS, retry = RETRY, maskText } =
    options;
  const { signal = new AbortController().signal } = options;
  const url = coordinatorUrl(
    options.url,
    options.allowInsecureTransport ?? false,
  );
  if (!TOKEN.test(token)) {
    throw new RunnerError(
      `Cannot use coordinator "${url}": its token is malformed`,
      { code: "invalid-config" },
    );
  }
  const show = (text: string) => maskText(text.replaceAll(token, "[REDACTED]"));

  async function send(request: ClientRequest): Promise<ClientResponse> {
    const { method, body, success, isOnce = false } = request;
    const place = new URL(url + request.path);
    const backoff = createBackoff(retry, { ...options, signal });
    for (let number = 1;; number++) {
      let response = await sendOnce(place, {
        method,
        body,
        token,
        timeoutMs,
        signal,
      }).catch((error: unknown) => {
        signal.throwIfAborted();
        return error as Error;
      });
      if (!(response instanceof Error) && response.status === success) {
        const value = parseJson(response.text);
        const isWhole = value !== undefined || method !== "GET";
        if (isWhole) return { value, attempt: number };
        // A proxy may have cut it, or responded in place of the coordinator.
        response = new TransientError("its response is not complete JSON");
      }
      const reason = show(
        response instanceof Error
          ? messageOf(response)
          : describeResponse(response),
      );
      const retryAfterMs = response instanceof Error
        ? undefined
        : response.retryAfterMs;
      if (
        isOnce || !isTransient(response) ||
        !await backoff.next(reason, retryAfterMs)
      ) throw createError(request, url, reason, number, response);
    }
  }

  return { url, send };
}

function isTransient(response: RawResponse | Error): boolean {
  return response instanceof Error
    ? response instanceof TransientError
    : isTransientStatus(response.status);
}

function createError(
  { action }: ClientRequest,
  url: string,
  reason: string,
  attempts: number,
  response: RawResponse | Error,
): CoordinatorError {
  const status = response instanceof Error ? undefined : response.status;
  const tried = attempts > 1 ? ` (${attempts} attempts)` : "";
  return new CoordinatorError(`Cannot ${action} "${url}": ${reason}${tried}`, {
    code: status === 403 ? "coordinator-forbidden" : "coordinator-failed",
    status,
    isTransient: isTransient(response),
  });
}

function describeResponse({ status, text }: RawResponse): string {
  const words = extractReason(text);
  const shown = words.length > MAX_REASON_LENGTH
    ? `${words.slice(0, MAX_REASON_LENGTH)}…`
    : words;
  return `it responded with ${status}${shown && ` ${printable(shown)}`}`;
}

/** A proxy may respond with something other than JSON; then the first line is shown. */
function extractReason(text: string): string {
  try {
    const { error, message } = JSON.parse(text);
    return [error, message].filter((part) => typeof part === "string")
      .join(": ");
  } catch {
    const [line] = text.trim().split(/\r?\n/, 1);
    return line.startsWith("<") ? "" : line;
  }
}

async function sendOnce(url: URL, attempt: Attempt): Promise<RawResponse> {
  const { signal, timeoutMs } = attempt;
  signal.throwIfAborted();
  const stop = new AbortController();
  using limit = timeLimit(timeoutMs);
  limit.reached.then(() =>
    stop.abort(
      new TransientError(
        `it did not respond within ${durationText(timeoutMs)}`,
      ),
    )
  );
  using _ = onAbort(signal, () => stop.abort(signal.reason));
  const response = await followRedirects(url, attempt, stop.signal);
  const text = await readText(response, stop.signal);
  return {
    status: response.status,
    text,
    retryAfterMs: parseRetryAfter(response.headers),
  };
}

/** `fetch` would send the token to another origin. */
async function followRedirects(
  url: URL,
  { method, token, body }: Attempt,
  signal: AbortSignal,
): Promise<Response> {
  let place = url;
  for (let count = 0; count <= MAX_REDIRECTS; count++) {
    const response = await orTransient(signal, () =>
      fetch(place, {
        method,
        body,
        headers: {
          authorization: `Bearer ${token}`,
          accept: "application/json",
          ...body === undefined ? {} : { "content-type": "application/json" },
        },
        redirect: "manual",
        signal,
      }));
    const { status } = response;
    if (status < 300 || status >= 400) return response;
    await response.body?.cancel();
    if (!SAFE_REDIRECTS.includes(status)) {
      throw new Error(
        `it responded with ${status}, a redirect that drops the request body`,
      );
    }
    const location = response.headers.get("location");
    const to = location === null ? null : URL.parse(location, place);
    if (to === null) {
      throw new Error(
        `it responded with ${status}, a redirect without a valid location`,
      );
    }
    if (to.origin !== url.origin) {
      throw new Error(
        `it responded with ${status}, a redirect to another origin`,
      );
    }
    place = to;
  }
  throw new Error(`it redirected more than ${MAX_REDIRECTS} times`);
}

async function readText(
  { body }: Response,
  signal: AbortSignal,
): Promise<string> {
  if (body === null) return "";
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let count = 0;
  try {
    while (true) {
      const { value, done } = await orTransient(signal, () => reader.read());
      if (done) return text + decoder.decode();
      count += value.length;
      if (count > MAX_RESPONSE_BYTES) {
        throw new Error(`its response exceeds ${MAX_RESPONSE_BYTES} bytes`);
      }
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    // After the end or a failure, there is nothing to cancel.
    await reader.cancel().catch(() => {});
  }
}

async function orTransient<T>(
  signal: AbortSignal,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw new TransientError(describeFailure(cause), { cause });
  }
}

/**
 * The innermost cause is the most specific; the others repeat the URL, which is
 * in the message.
 */
function describeFailure(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) {
    innermost = innermost.cause;
  }
  return messageOf(innermost)
    .replace(/^error sending request .*?\(\S+\): /, "")
    .replace(/^client error \(\w+\): /, "")
    .replace(/ \(os error \d+\)/, "");
}
