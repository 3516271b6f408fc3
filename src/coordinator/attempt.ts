import { messageOf } from "../errors.ts";
import { onAbort } from "../process/on_abort.ts";
import { parseRetryAfter } from "../process/retry.ts";
import { timeLimit } from "../process/time_limit.ts";

/** How many redirections within the coordinator are followed. */
const MOST_REDIRECTIONS = 3;

/** Redirections that keep the method and the body of a request. */
const KEEPING_STATUS = [307, 308];

/** What is sent, and how long it may take. */
export interface AttemptOptions {
  /** Method of HTTP. */
  readonly method: "GET" | "POST";
  /** Proof of who asks; sent to the origin of the URL alone. */
  readonly token: string;
  /** Body of JSON, if there is one. */
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  /** Longest time until the whole answer is there, in milliseconds. */
  readonly timeoutMs: number;
  /** Most bytes of an answer. */
  readonly maxBytes: number;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
}

/** An answer of the coordinator, whatever it says. */
export interface RawAnswer {
  /** Status of HTTP. */
  readonly status: number;
  /** The whole body. */
  readonly text: string;
  /** How long the coordinator asks to be left alone, in milliseconds. */
  readonly retryAfterMs: number | undefined;
}

/** A failure that may be over the next time: the network, or a time limit. */
export class PassingFailure extends Error {}

/**
 * Sends a request once.
 *
 * @param url Where to.
 * @param options What, and how long it may take.
 * @returns The answer.
 * @throws {PassingFailure} If there is none.
 * @throws {Error} If it leads elsewhere or is too large.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function attempt(
  url: URL,
  options: AttemptOptions,
): Promise<RawAnswer> {
  const { signal, timeoutMs } = options;
  signal.throwIfAborted();
  const stop = new AbortController();
  using limit = timeLimit(timeoutMs);
  limit.reached.then(() =>
    stop.abort(new PassingFailure(`it does not answer within ${timeoutMs} ms`))
  );
  using _ = onAbort(signal, () => stop.abort(signal.reason));
  const response = await answerTo(url, options, stop.signal);
  const text = await textOf(response, options.maxBytes, stop.signal);
  return {
    status: response.status,
    text,
    retryAfterMs: parseRetryAfter(response.headers),
  };
}

/** Follows redirections itself: the token must not go to another place. */
async function answerTo(
  url: URL,
  { method, token, body }: AttemptOptions,
  signal: AbortSignal,
): Promise<Response> {
  let place = url;
  for (let count = 0; count <= MOST_REDIRECTIONS; count++) {
    const response = await orPassing(signal, () =>
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
    const to = URL.parse(response.headers.get("location") ?? "", place);
    if (to === null || !KEEPING_STATUS.includes(status)) {
      throw new Error(
        `it answers ${status}, a redirection that loses requests`,
      );
    }
    if (to.origin !== url.origin) {
      throw new Error(`it answers ${status}, a redirection to another place`);
    }
    place = to;
  }
  throw new Error(`it redirects more than ${MOST_REDIRECTIONS} times`);
}

async function textOf(
  { body }: Response,
  maxBytes: number,
  signal: AbortSignal,
): Promise<string> {
  if (body === null) return "";
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let count = 0;
  try {
    while (true) {
      const { value, done } = await orPassing(signal, () => reader.read());
      if (done) return text + decoder.decode();
      count += value.length;
      if (count > maxBytes) {
        throw new Error(`its answer exceeds ${maxBytes} bytes`);
      }
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    // After its end, or a failure, there is nothing to cancel.
    await reader.cancel().catch(() => {});
  }
}

/** What the network does may be over the next time. */
async function orPassing<T>(
  signal: AbortSignal,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw new PassingFailure(networkReason(cause), { cause });
  }
}

/** The innermost cause tells most; in front it names the address, which the caller knows. */
function networkReason(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) {
    innermost = innermost.cause;
  }
  return messageOf(innermost)
    .replace(/^error sending request .*?\(\S+\): /, "")
    .replace(/^client error \(\w+\): /, "")
    .replace(/ \(os error \d+\)/, "");
}
