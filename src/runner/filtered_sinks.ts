import type { Sink } from "../output/sink.ts";
import { triggerNonce, TriggerSpoofFilter } from "../triggers/trigger_lines.ts";
import type { RunnerParts } from "./runner_parts.ts";

/**
 * Creates the sinks for the output of steps if a worker reads triggers from
 * standard output, where no step must be able to forge one.
 *
 * @param parts The context of the runner, in which the filter is stored.
 * @throws {RunnerError} `invalid-config` if the worker has not set a nonce.
 */
export function filteredSinks(
  parts: RunnerParts,
): { readonly stdout: Sink; readonly stderr: Sink } {
  const { env } = parts.host;
  // A missing nonce is reported before the steps run, perhaps for hours.
  triggerNonce(env);
  // Each line is inside a JSON object, which is never a trigger.
  if (env.LOG_FORMAT === "json") return parts;
  return parts.spoofFilter ??= new TriggerSpoofFilter(
    parts.stdout,
    parts.stderr,
  );
}
