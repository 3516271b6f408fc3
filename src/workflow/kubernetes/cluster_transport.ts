import { RunnerError } from "../../errors.ts";

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
