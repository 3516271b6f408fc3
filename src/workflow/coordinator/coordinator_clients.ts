import { userAccess } from "../../coordinator/access.ts";
import {
  type CoordinatorClient,
  openClient,
} from "../../coordinator/client.ts";
import { type Environment, Variable } from "../../environment/variables.ts";
import type { RetryPolicy } from "../../process/retry.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";

/** Settings for access to a coordinator. */
export interface CoordinatorSettings {
  /** Environment with the URL of the coordinator and tokens. */
  readonly env: Environment;
  /** Time limit of one request, in milliseconds. */
  readonly timeoutMs: number;
  /** Polling interval of the states of jobs, in milliseconds. */
  readonly pollMs: number;
  /** Maximum time for which the coordinator may be unreachable, in milliseconds. */
  readonly outageMs: number;
}

/** Options for {@linkcode openCoordinator}. */
export interface OpenCoordinatorOptions {
  /** Whether the client only reads, and can use the separate token for reading. */
  readonly isReader?: boolean;
  /** Cancels requests and delays. */
  readonly signal: AbortSignal;
  /**
   * Retries of requests.
   *
   * @default {retries until the coordinator has been unreachable for too long}
   */
  readonly retry?: RetryPolicy;
}

/**
 * Opens a client of the coordinator in the environment.
 *
 * @throws {RunnerError} `invalid-config` if its URL or token is missing or
 * cannot be used.
 */
export function openCoordinator(
  { masker, allowInsecureTransport, logger }: RunnerContext,
  { env, timeoutMs, outageMs }: CoordinatorSettings,
  { isReader = false, signal, retry = outageRetry(outageMs) }:
    OpenCoordinatorOptions,
): CoordinatorClient {
  const { url, token } = userAccess(env);
  return openClient({
    url,
    token: isReader && env[Variable.readToken] || token,
    allowInsecureTransport,
    timeoutMs,
    retry,
    maskText: (text) => masker.maskText(text),
    onRetry: (reason, ms) =>
      logger.warn("workflow", `Retrying the request: ${reason}`, { ms }),
    signal,
  });
}

/** Retries until the coordinator has been unreachable for some time. */
export function outageRetry(outageMs: number): RetryPolicy {
  return {
    attempts: Infinity,
    delayMs: 250,
    maxDelayMs: 5_000,
    maxElapsedMs: outageMs,
  };
}
