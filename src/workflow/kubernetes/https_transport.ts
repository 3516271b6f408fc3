import { joinBytes } from "../../bytes.ts";
import type { Environment } from "../../environment/variables.ts";
import { messageOf, osReason, RunnerError } from "../../errors.ts";
import { isObject, parseJson } from "../../json_value.ts";
import { timeLimit } from "../../process/time_limit.ts";
import {
  ClusterError,
  type ClusterRequest,
  type ClusterTransport,
} from "./cluster_transport.ts";
import { execSocket } from "./exec_socket.ts";

/** Time limit of one request, in milliseconds. */
const REQUEST_MS = 30_000;

/** Maximum size of a response, in bytes. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** Options for {@linkcode httpsTransport}. */
export interface HttpsOptions {
  /** Variables that name the API server. */
  readonly env: Environment;
  /** Absolute path of the directory with the token and the certificate. */
  readonly directory: string;
  /**
   * Namespace.
   *
   * @default {that of the Pod}
   */
  readonly namespace?: string;
}

/**
 * Reaches the cluster of the Pod that this process runs in, by HTTPS and with
 * the token of its service account. It is read for each request, because it is
 * replaced every hour.
 *
 * @throws {RunnerError} `cluster-failed` if the Pod has no token or address.
 */
export async function httpsTransport(
  { env, directory, namespace }: HttpsOptions,
): Promise<ClusterTransport> {
  const {
    KUBERNETES_SERVICE_HOST: host = "",
    KUBERNETES_SERVICE_PORT: port = "443",
  } = env;
  if (host === "") {
    throw new RunnerError(
      "Cannot reach the cluster: KUBERNETES_SERVICE_HOST is not set",
      { code: "cluster-failed" },
    );
  }
  const origin = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const client = Deno.createHttpClient({
    caCerts: [await read(`${directory}/ca.crt`)],
    http2: false,
  });
  const space = namespace ?? (await read(`${directory}/namespace`)).trim();
  const login = async () => ({
    authorization: `Bearer ${(await read(`${directory}/token`)).trim()}`,
  });

  async function request(
    { method, path, body }: ClusterRequest,
    signal: AbortSignal,
  ): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(origin + path, {
        method,
        client,
        signal,
        redirect: "manual",
        headers: {
          ...await login(),
          accept: "application/json",
          ...body === undefined ? {} : { "content-type": "application/json" },
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (cause) {
      throw unreachable(cause);
    }
    if (response.ok) return response;
    throw refusal(response.status, await textOf(response));
  }

  return {
    namespace: space,
    [Symbol.dispose]: () => client.close(),
    async send(sent, signal) {
      const late = new AbortController();
      using limit = timeLimit(REQUEST_MS);
      void limit.reached.then(() => late.abort());
      const both = AbortSignal.any([signal, late.signal]);
      const response = await request(sent, both);
      return parseJson(await textOf(response));
    },
    async *stream(path, signal) {
      const { body } = await request({ method: "GET", path }, signal);
      try {
        yield* body ?? [];
      } catch (cause) {
        signal.throwIfAborted();
        throw unreachable(cause);
      }
    },
    async *exec({ pod, container, command }, input, signal) {
      const query = new URLSearchParams({
        container,
        stdin: String(input !== undefined),
        stdout: "true",
        stderr: "true",
      });
      for (const word of command) query.append("command", word);
      const url = `${origin.replace("https:", "wss:")}/api/v1/namespaces/${
        encodeURIComponent(space)
      }/pods/${encodeURIComponent(pod)}/exec?${query}`;
      yield* execSocket(url, {
        client,
        headers: await login(),
        input,
        signal,
      });
    },
  };
}

async function read(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new RunnerError(
      `Cannot reach the cluster: Cannot read "${path}": ${osReason(cause)}`,
      { code: "cluster-failed", cause },
    );
  }
}

async function textOf({ body }: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const bytes of body ?? []) {
      parts.push(bytes);
      length += bytes.length;
      if (length > MAX_RESPONSE_BYTES) {
        throw new RangeError(`it is larger than ${MAX_RESPONSE_BYTES} bytes`);
      }
    }
  } catch (cause) {
    throw unreachable(cause);
  }
  return new TextDecoder().decode(joinBytes(parts));
}

function unreachable(cause: unknown): ClusterError {
  return new ClusterError(`Cannot reach the cluster: ${messageOf(cause)}`, {
    status: undefined,
    cause,
  });
}

function refusal(status: number, text: string): ClusterError {
  const answer = parseJson(text);
  const message = isObject(answer) && typeof answer.message === "string"
    ? answer.message
    : `status ${status}`;
  return new ClusterError(`The cluster refused a request: ${message}`, {
    status,
  });
}
