import { messageOf, RunnerError, type RunnerErrorOptions } from "../errors.ts";
import { createBackoff, type RetryPolicy } from "../process/retry.ts";
import { attempt, PassingFailure, type RawAnswer } from "./attempt.ts";
import { coordinatorUrl } from "./coordinator_url.ts";
import { reasonOf } from "./reason.ts";

/** Most bytes of an answer: a page of jobs with all their variables. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Pauses from a quarter of a second to eight seconds. */
const RETRY: RetryPolicy = {
  attempts: 8,
  delayMs: 250,
  maxDelayMs: 8_000,
  maxElapsedMs: 180_000,
};

/** Answers that may be better the next time, beside those of a broken server. */
const TRANSIENT_STATUS = [408, 425, 429];

/** What a header can hold; an empty text would be found everywhere. */
const TOKEN = /^[\x21-\x7e]+$/;

/** Options for {@linkcode openClient}. */
export interface ClientOptions {
  /** Address of the coordinator. */
  readonly url: string;
  /** Proof of who asks. */
  readonly token: string;
  /**
   * Whether the token may be sent over plain HTTP.
   *
   * @default {false}
   */
  readonly allowInsecureTransport?: boolean;
  /**
   * Longest time that one request may take, in milliseconds.
   *
   * @default {30_000}
   */
  readonly timeoutMs?: number;
  /**
   * How often a request is sent, and after which pauses.
   *
   * @default {8 attempts, with pauses from 250 to 8_000}
   */
  readonly retry?: RetryPolicy;
  /** Takes the secrets out of what the coordinator says. */
  readonly maskText: (text: string) => string;
  /**
   * Called with the reason and the pause before a request is sent again.
   *
   * @default {nothing is called}
   */
  readonly onRetry?: (reason: string, pauseMs: number) => void;
  /**
   * Ends requests and pauses.
   *
   * @default {nothing does}
   */
  readonly signal?: AbortSignal;
}

/** A request to the coordinator. */
export interface ClientRequest {
  /** What cannot be done if it fails, worded to follow "Cannot". */
  readonly action: string;
  /** Method of HTTP. */
  readonly method: "GET" | "POST";
  /** Path below the address, with its query. */
  readonly path: string;
  /** Body of JSON, sent byte by byte the same each time. */
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Status of an answer that is a success. */
  readonly success: number;
}

/** A successful answer. */
export interface ClientAnswer {
  /** What the body holds; `undefined` if it is no JSON. */
  readonly value: unknown;
  /** Number of the attempt that succeeded, from 1. */
  readonly attempt: number;
}

/** An error of a request to the coordinator. */
export class CoordinatorError extends RunnerError {
  /** Status of HTTP, if there was an answer. */
  readonly status: number | undefined;

  /**
   * Creates an error.
   *
   * @param message What could not be done, and why.
   * @param options Code, cause and status.
   */
  constructor(
    message: string,
    options: RunnerErrorOptions & { readonly status: number | undefined },
  ) {
    super(message, options);
    this.status = options.status;
  }
}

/** Speaks with the coordinator. */
export interface CoordinatorClient {
  /** Address of the coordinator. */
  readonly url: string;
  /**
   * Sends a request, and sends it again while the failure may pass.
   *
   * @param request The request.
   * @returns The answer.
   * @throws {RunnerError} `coordinator-forbidden` for a missing right,
   * `coordinator-failed` otherwise.
   * @throws {unknown} The reason of the signal once it is aborted.
   */
  send(request: ClientRequest): Promise<ClientAnswer>;
}

/**
 * Opens a way to the coordinator; no connection is made yet.
 *
 * The token is sent to the coordinator alone and is shown in no message.
 *
 * @param options Address, token and retry policy.
 * @returns The client.
 * @throws {RunnerError} `invalid-config`, if the address is not acceptable.
 */
export function openClient(options: ClientOptions): CoordinatorClient {
  const { token, timeoutMs = 30_000, retry = RETRY, maskText } = options;
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

  async function send(request: ClientRequest): Promise<ClientAnswer> {
    const { method, body, success } = request;
    const place = new URL(url + request.path);
    const backoff = createBackoff(retry, { ...options, signal });
    for (let number = 1;; number++) {
      const answer = await attempt(place, {
        method,
        body,
        token,
        timeoutMs,
        signal,
        maxBytes: MAX_ANSWER_BYTES,
      }).catch((error: unknown) => {
        signal.throwIfAborted();
        return error as Error;
      });
      if (!(answer instanceof Error) && answer.status === success) {
        return { value: valueOf(answer.text), attempt: number };
      }
      const reason = show(
        answer instanceof Error ? messageOf(answer) : reasonOf(answer),
      );
      if (
        !isTransient(answer) ||
        !await backoff.next(reason, retryAfterOf(answer))
      ) {
        throw failure(request, url, reason, number, answer);
      }
    }
  }

  return { url, send };
}

function isTransient(answer: RawAnswer | Error): boolean {
  return answer instanceof Error
    ? answer instanceof PassingFailure
    : isTransientStatus(answer.status);
}

/**
 * Checks whether an answer may be better the next time.
 *
 * @param status Status of HTTP.
 */
export function isTransientStatus(status: number): boolean {
  return status >= 500 || TRANSIENT_STATUS.includes(status);
}

function retryAfterOf(answer: RawAnswer | Error): number | undefined {
  return answer instanceof Error ? undefined : answer.retryAfterMs;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The status tells the success; whoever needs the body judges it.
    return undefined;
  }
}

function failure(
  { action }: ClientRequest,
  url: string,
  reason: string,
  attempts: number,
  answer: RawAnswer | Error,
): RunnerError {
  const isForbidden = !(answer instanceof Error) && answer.status === 403;
  const tried = attempts > 1 ? ` (${attempts} attempts)` : "";
  return new CoordinatorError(`Cannot ${action} "${url}": ${reason}${tried}`, {
    code: isForbidden ? "coordinator-forbidden" : "coordinator-failed",
    status: answer instanceof Error ? undefined : answer.status,
  });
}
