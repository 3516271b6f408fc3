import { RunnerError } from "../../errors.ts";
import { lstatIfThere } from "../../fs/files.ts";
import type { Host } from "../../host.ts";
import { type ClusterTransport, TOKEN_DIRECTORY } from "./cluster_transport.ts";
import { kubectlTransport } from "./kubectl_transport.ts";

/** Options for {@linkcode openTransport}. */
export interface TransportOptions {
  /** Process around the runner. */
  readonly host: Host;
  /** Context of the configuration of kubectl. */
  readonly context?: string;
  /** Namespace. */
  readonly namespace?: string;
}

/**
 * Connects to a cluster: through `kubectl`, or over HTTPS in a Pod that has a token
 * and no kubectl.
 *
 * @throws {RunnerError} `cluster-failed` if there is neither.
 */
export async function openTransport(
  options: TransportOptions,
): Promise<ClusterTransport> {
  try {
    return await kubectlTransport(options);
  } catch (error) {
    const isMissing = error instanceof RunnerError &&
      error.code === "command-not-found";
    if (!isMissing) throw error;
  }
  const { host: { env }, context } = options;
  const token = await lstatIfThere(`${TOKEN_DIRECTORY}/token`);
  if (token === undefined || context !== undefined) {
    throw new RunnerError(
      "Cannot reach a cluster: kubectl is not installed" +
        (context === undefined
          ? ", and this is not a pod with a service account token"
          : ", which --context needs"),
      { code: "cluster-failed" },
    );
  }
  const { httpsTransport } = await import("./https_transport.ts");
  return await httpsTransport({
    env,
    directory: TOKEN_DIRECTORY,
    namespace: options.namespace,
  });
}
