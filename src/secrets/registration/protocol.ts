import { RunnerError } from "../../errors.ts";
import { isObject } from "../../json.ts";

/** Maximum time for one request, in milliseconds. */
export const REQUEST_LIMIT_MS = 5_000;

/** Maximum size of the JSON text of a request, in bytes; a longer one is not even read. */
export const MAX_REQUEST_BYTES = 1_048_576;

/** Maximum number of values in one request. */
export const MAX_REQUEST_VALUES = 10_000;

/** Maximum size of a reply that a client reads, in bytes. */
export const MAX_REPLY_BYTES = 4096;

/** Bytes before the JSON text that give its length, the highest one first. */
export const HEADER_BYTES = 4;

/** Texts with which a request is refused; clients take no other one for known. */
export const REFUSALS = {
  invalidJson: "ERROR: Invalid JSON\n",
  unknownAction: "ERROR: Unknown action\n",
  tooMany: "ERROR: Too many secrets\n",
} as const;

/** What a request asks for, or what it gets instead: a text, or nothing at all. */
export type RegistrationRequest =
  | { readonly values: readonly string[] }
  | { readonly refusal: string | undefined };

const encoder = new TextEncoder();

/**
 * Parses a request as the Python runner does.
 *
 * A text stands for a list of one, an object for the list of its keys. In a
 * list, what is no text and empty texts are skipped without a word. Values
 * keep the white space around them.
 *
 * @param body JSON text of the request.
 * @returns Values to register, or how the request is refused.
 */
export function parseRequest(body: Uint8Array): RegistrationRequest {
  let request: unknown;
  try {
    // A byte order mark is no JSON, and must not be dropped silently.
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    request = JSON.parse(decoder.decode(body));
  } catch {
    // The client gets the answer; nothing else depends on it.
    return { refusal: REFUSALS.invalidJson };
  }
  if (!isObject(request)) return { refusal: undefined };
  if (request.action !== "register") return { refusal: REFUSALS.unknownAction };
  const { secrets = [] } = request;
  const elements = typeof secrets === "string"
    ? [secrets]
    : isObject(secrets)
    ? Object.keys(secrets)
    : secrets;
  if (!Array.isArray(elements)) return { refusal: undefined };
  return {
    values: elements.filter((it) => typeof it === "string" && it !== ""),
  };
}

/**
 * Creates the reply to a request that was granted.
 *
 * @param count Number of values that were registered.
 * @returns JSON text with the spaces that Python writes, and a line break.
 */
export function grantedReply(count: number): string {
  return `{"status": "ok", "registered": ${count}}\n`;
}

/**
 * Reads the reply to a request.
 *
 * @param text The reply.
 * @returns What a granted request was answered; `undefined` for any other reply.
 */
export function parseReply(
  text: string,
): { registered: unknown } | undefined {
  try {
    const reply: unknown = JSON.parse(text);
    if (!isObject(reply) || reply.status !== "ok") return undefined;
    return { registered: reply.registered };
  } catch {
    // Refusals are no JSON.
    return undefined;
  }
}

/**
 * Checks the reply to a request.
 *
 * @param path Absolute path of the socket, for the message.
 * @param reply The reply.
 * @returns What a granted request was answered.
 * @throws {RunnerError} If the request was refused.
 */
export function unlessRefused(
  path: string,
  reply: string,
): { registered: unknown } {
  const granted = parseReply(reply);
  if (granted === undefined) throw registrationFailure(path, refusalOf(reply));
  return granted;
}

/** Only known texts are repeated: a reply that quotes the request would hold values. */
function refusalOf(reply: string): string {
  if (reply === "") return "closed without an answer";
  const known = Object.values(REFUSALS).some((text) => text === reply);
  return known
    ? `refused with "${reply.trimEnd()}"`
    : "an answer that is no success";
}

/**
 * Creates the error of a registration that failed.
 *
 * @param path Absolute path of the socket.
 * @param state What went wrong.
 * @param cause The error of the system, if there is one.
 * @returns The error.
 */
export function registrationFailure(
  path: string,
  state: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(`Cannot register secrets at "${path}": ${state}`, {
    code: "registration-failed",
    cause,
  });
}

/**
 * Creates requests that register values, as few as their limits allow.
 *
 * @param values Values to register.
 * @returns Whole frames, with the number of values in each.
 * @throws {RunnerError} If a value does not fit into any request.
 */
export function* requestFrames(
  values: Iterable<string>,
): Generator<{ frame: Uint8Array; count: number }> {
  const emptyBytes = requestText([]).length;
  let elements: string[] = [];
  let length = emptyBytes;
  for (const value of values) {
    const element = JSON.stringify(value);
    const bytes = encoder.encode(element).length + ",".length;
    if (emptyBytes + bytes > MAX_REQUEST_BYTES) {
      throw new RunnerError(
        `Cannot register secrets: one is longer than ${MAX_REQUEST_BYTES} bytes`,
        { code: "registration-failed" },
      );
    }
    if (
      length + bytes > MAX_REQUEST_BYTES ||
      elements.length === MAX_REQUEST_VALUES
    ) {
      yield { frame: frameOf(requestText(elements)), count: elements.length };
      elements = [];
      length = emptyBytes;
    }
    elements.push(element);
    length += bytes;
  }
  if (elements.length > 0) {
    yield { frame: frameOf(requestText(elements)), count: elements.length };
  }
}

/**
 * Puts the length before a text.
 *
 * @param text Any text.
 * @returns The frame.
 */
export function frameOf(text: string): Uint8Array {
  const body = encoder.encode(text);
  const frame = new Uint8Array(HEADER_BYTES + body.length);
  new DataView(frame.buffer).setUint32(0, body.length);
  frame.set(body, HEADER_BYTES);
  return frame;
}

function requestText(elements: readonly string[]): string {
  return `{"action":"register","secrets":[${elements.join(",")}]}`;
}
