import { joinBytes } from "../../bytes.ts";
import { messageOf } from "../../errors.ts";
import { isObject, parseJson } from "../../json_value.ts";
import { onAbort } from "../../process/cancellation.ts";
import { abortAfter } from "../../process/time_limit.ts";
import { oneLine } from "../../terminal/text.ts";
import {
  ClusterError,
  type ClusterRequest,
  type ClusterTransport,
} from "./cluster_transport.ts";

/** Time limit of one request, in milliseconds. */
const REQUEST_MS = 30_000;

/** Maximum size of a response, in bytes. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** Maximum length of a message from the server. */
const MAX_MESSAGE_LENGTH = 1_000;

/** Options for {@linkcode apiRequests}. */
export interface ApiRequestsOptions {
  /** Scheme, host and port of the server. */
  readonly origin: string;
  readonly client: Deno.HttpClient;
  /**
   * Called before each request; returns the headers for authentication.
   *
   * @throws {RunnerError} If the server cannot be reached.
   */
  readonly prepare: (
    signal: AbortSignal,
  ) => Promise<Readonly<Record<string, string>>>;
}

/** Sends requests to an API server over HTTP. */
export function apiRequests(
  { origin, client, prepare }: ApiRequestsOptions,
): Pick<ClusterTransport, "send" | "stream"> {
  async function request(
    { method, path, body }: ClusterRequest,
    signal: AbortSignal,
  ): Promise<Response> {
    const login = await prepare(signal);
    let response: Response;
    try {
      response = await fetch(origin + path, {
        method,
        client,
        signal,
        redirect: "manual",
        headers: {
          ...login,
          accept: "application/json",
          ...body === undefined ? {} : { "content-type": "application/json" },
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (cause) {
      throw unreachable(cause);
    }
    if (response.ok) return response;
    throw refusal(response.status, await readText(response, signal));
  }

  return {
    async send(sent, signal) {
      using late = abortAfter(REQUEST_MS);
      const eitherSignal = AbortSignal.any([signal, late.signal]);
      try {
        const response = await request(sent, eitherSignal);
        return parseJson(await readText(response, eitherSignal));
      } catch (error) {
        if (!late.signal.aborted || signal.aborted) throw error;
        throw unreachable(new Error(`no response in ${REQUEST_MS / 1_000} s`));
      }
    },
    async *stream(path, signal) {
      yield* readBytes(await request({ method: "GET", path }, signal), signal);
    },
  };
}

/**
 * Reads the body of a response.
 *
 * Deno drops the signal of a request when its response is garbage-collected, even
 * while the body is being read. The reader is therefore cancelled here.
 *
 * @throws {ClusterError} If the connection breaks.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
async function* readBytes(
  { body }: Response,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  using _ = onAbort(signal, () => void reader.cancel().catch(() => {}));
  try {
    for (;;) {
      const { value, done } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      yield value;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw unreachable(cause);
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function readText(
  response: Response,
  signal: AbortSignal,
): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const bytes of readBytes(response, signal)) {
    parts.push(bytes);
    length += bytes.length;
    if (length > MAX_RESPONSE_BYTES) {
      throw unreachable(
        new RangeError(
          `its response is larger than ${MAX_RESPONSE_BYTES} bytes`,
        ),
      );
    }
  }
  return new TextDecoder().decode(joinBytes(parts));
}

function unreachable(cause: unknown): ClusterError {
  return new ClusterError(`Cannot reach the cluster: ${messageOf(cause)}`, {
    status: undefined,
    cause,
  });
}

/** Creates the error for a failed request; a proxy may respond with plain text. */
function refusal(status: number, text: string): ClusterError {
  const answer = parseJson(text);
  const message = isObject(answer) ? answer.message : text;
  const excerpt = typeof message === "string"
    ? oneLine(message.slice(0, MAX_MESSAGE_LENGTH)).trim()
    : "";
  return new ClusterError(
    `The cluster refused a request: ${excerpt || `status ${status}`}`,
    { status },
  );
}
