import { joinBytes } from "../../bytes.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { isObject, parseJson } from "../../json_value.ts";
import { onAbort } from "../../process/cancellation.ts";
import { abortAfter } from "../../process/time_limit.ts";
import { oneLine } from "../../terminal/text.ts";

/** Time limit of one request, in milliseconds. */
const REQUEST_MS = 30_000;

/** Maximum size of a response, in bytes. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** Maximum length of a message from the server. */
const MAX_MESSAGE_LENGTH = 1_000;

/** Directory in a Pod to which its token is mounted. */
export const TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Method of a request to the API server. */
export type ClusterMethod = "GET" | "POST" | "PUT" | "DELETE";

/** A request to the API server. */
export interface ClusterRequest {
  readonly method: ClusterMethod;
  /** Path and query. */
  readonly path: string;
  /**
   * Object to send as JSON.
   *
   * @default {nothing}
   */
  readonly body?: unknown;
}

/** A program to run in a container of a Pod. */
export interface ExecTarget {
  /** Name of the Pod. */
  readonly pod: string;
  /** Name of the container. */
  readonly container: string;
  /** Program and arguments. */
  readonly command: readonly string[];
}

/** A connection to the API server of a cluster, without retries. */
export interface ClusterTransport extends AsyncDisposable {
  /** Namespace of the objects. */
  readonly namespace: string;
  /**
   * Sends a request.
   *
   * @returns The object that the server returns.
   * @throws {ClusterError} If it fails.
   */
  send(request: ClusterRequest, signal: AbortSignal): Promise<unknown>;
  /**
   * Reads a streaming response, which may never end.
   *
   * @param path Path and query.
   * @returns Bytes, until the server ends the response.
   * @throws {ClusterError} If the request fails, or the connection breaks.
   */
  stream(path: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * Runs a program in a container.
   *
   * @param input Standard input.
   * @returns Standard output; ends when the program has succeeded.
   * @throws {ClusterError} If the program or the connection fails.
   */
  exec(
    target: ExecTarget,
    input: AsyncIterable<Uint8Array> | undefined,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array>;
}

/** Statuses of transient failures other than 5xx. */
const TRANSIENT = [408, 425, 429];

/** Error of a request to an API server. */
export class ClusterError extends RunnerError {
  /** HTTP status; `undefined` if there was no response. */
  readonly status: number | undefined;

  constructor(
    message: string,
    options: { readonly status: number | undefined; readonly cause?: unknown },
  ) {
    super(message, { code: "cluster-failed", cause: options.cause });
    this.status = options.status;
  }

  /** Whether the request may succeed when it is retried. */
  get isTransient(): boolean {
    const { status } = this;
    return status === undefined || status >= 500 || TRANSIENT.includes(status);
  }
}

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
      throw connectionError(cause);
    }
    if (response.ok) return response;
    throw responseError(response.status, await readText(response, signal));
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
        throw connectionError(
          new Error(`no response in ${REQUEST_MS / 1_000} s`),
        );
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
    throw connectionError(cause);
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
      throw connectionError(
        new RangeError(
          `its response is larger than ${MAX_RESPONSE_BYTES} bytes`,
        ),
      );
    }
  }
  return new TextDecoder().decode(joinBytes(parts));
}

function connectionError(cause: unknown): ClusterError {
  return new ClusterError(`Cannot reach the cluster: ${messageOf(cause)}`, {
    status: undefined,
    cause,
  });
}

/** Creates the error for a failed request; a proxy may respond with plain text. */
function responseError(status: number, text: string): ClusterError {
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
