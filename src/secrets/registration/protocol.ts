import { RunnerError } from "../../errors.ts";
import { isObject } from "../../json_value.ts";

/** Maximum size of the JSON of a request, in bytes; longer ones are not read. */
export const MAX_REQUEST_BYTES = 1_048_576;

/** Maximum number of values in one request. */
export const MAX_REQUEST_VALUES = 10_000;

/** Maximum size of a reply that a client reads, in bytes. */
export const MAX_REPLY_BYTES = 4096;

/** Size of the header: the length of the JSON as a big-endian integer. */
export const HEADER_BYTES = 4;

/** Replies that reject a request; clients do not print any other reply. */
export const REFUSALS = {
  invalidJson: "ERROR: Invalid JSON\n",
  unknownAction: "ERROR: Unknown action\n",
  tooMany: "ERROR: Too many secrets\n",
} as const;

/** Values to register, or the reply that rejects the request, if any. */
export type RegistrationRequest =
  | { readonly values: readonly string[] }
  | { readonly refusal: string | undefined };

const encoder = new TextEncoder();

/**
 * Parses a request as the Python runner does.
 *
 * A string counts as a list of one string, an object as the list of its keys.
 * In a list, empty strings and other values are silently skipped. Surrounding
 * whitespace is kept.
 *
 * @param body JSON of the request.
 * @returns Values to register, or the reply that rejects the request.
 */
export function parseRequest(body: Uint8Array): RegistrationRequest {
  let request: unknown;
  try {
    // A byte order mark is not valid JSON, so it must not be dropped.
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    request = JSON.parse(decoder.decode(body));
  } catch {
    // The reply reports the error to the client.
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
    values: elements.filter((value) =>
      typeof value === "string" && value !== ""
    ),
  };
}

/**
 * Creates the reply to a successful request.
 *
 * @param count Number of registered values.
 * @returns JSON with the spaces that Python writes, and a newline.
 */
export function grantedReply(count: number): string {
  return `{"status": "ok", "registered": ${count}}\n`;
}

/**
 * Parses the reply to a request.
 *
 * @param text The reply.
 * @returns Content of a successful reply; `undefined` for any other reply.
 */
export function parseReply(
  text: string,
): { registered: unknown } | undefined {
  try {
    const reply: unknown = JSON.parse(text);
    if (!isObject(reply) || reply.status !== "ok") return undefined;
    return { registered: reply.registered };
  } catch {
    // Replies that reject a request are not JSON.
    return undefined;
  }
}

/**
 * Checks the reply to a request.
 *
 * @param path Absolute path of the socket, for the message.
 * @returns Content of a successful reply.
 * @throws {RunnerError} `registration-failed` if the request was rejected.
 */
export function checkReply(
  path: string,
  reply: string,
): { registered: unknown } {
  const granted = parseReply(reply);
  if (granted === undefined) {
    throw registrationFailure(path, describeRefusal(reply));
  }
  return granted;
}

/** Quotes only known replies: another one could quote values of the request. */
function describeRefusal(reply: string): string {
  if (reply === "") return "closed without an answer";
  const known = Object.values(REFUSALS).some((text) => text === reply);
  return known ? `refused with "${reply.trimEnd()}"` : "an unexpected answer";
}

/**
 * Creates the error of a failed registration.
 *
 * @param path Absolute path of the socket.
 * @param state Reason for the failure.
 * @param cause Error of the system, if there is one.
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
 * Splits values into as few requests as the limits allow.
 *
 * @returns Complete frames, with the number of values in each.
 * @throws {RunnerError} `registration-failed` if a value is too long for a
 * request.
 */
export function* requestFrames(
  values: Iterable<string>,
): Generator<{ frame: Uint8Array; count: number }> {
  const emptyBytes = formatRequest([]).length;
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
      yield {
        frame: createFrame(formatRequest(elements)),
        count: elements.length,
      };
      elements = [];
      length = emptyBytes;
    }
    elements.push(element);
    length += bytes;
  }
  if (elements.length > 0) {
    yield {
      frame: createFrame(formatRequest(elements)),
      count: elements.length,
    };
  }
}

/** Creates a frame: the length of a text, and the text. */
export function createFrame(text: string): Uint8Array {
  const body = encoder.encode(text);
  const frame = new Uint8Array(HEADER_BYTES + body.length);
  new DataView(frame.buffer).setUint32(0, body.length);
  frame.set(body, HEADER_BYTES);
  return frame;
}

function formatRequest(elements: readonly string[]): string {
  return `{"action":"register","secrets":[${elements.join(",")}]}`;
}
