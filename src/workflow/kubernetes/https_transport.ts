import type { Environment } from "../../environment/variables.ts";
import { osReason, RunnerError } from "../../errors.ts";
import { apiRequests } from "./api_requests.ts";
import type { ClusterTransport } from "./cluster_transport.ts";
import { execSocket } from "./exec_socket.ts";

/** Options for {@linkcode httpsTransport}. */
export interface HttpsOptions {
  /** Environment with the address of the API server. */
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
 * Connects to the cluster of the Pod in which this process runs, over HTTPS and with
 * the token of its service account. The token is read for each request, because it
 * is replaced every hour.
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

  return {
    ...apiRequests({ origin, client, prepare: login }),
    namespace: space,
    [Symbol.asyncDispose]() {
      client.close();
      return Promise.resolve();
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
