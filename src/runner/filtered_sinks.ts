import type { Sink } from "../output/sink.ts";
import { triggerNonce, TriggerSpoofFilter } from "../triggers/trigger_lines.ts";
import type { RunnerParts } from "./runner_parts.ts";

/**
 * Creates the sinks for the output of steps while a worker watches standard
 * output for triggers, which no step must be able to forge.
 *
 * @param parts What the runner owns; it gets the filter.
 * @throws {RunnerError} `invalid-config`, if the worker has set no nonce.
 */
export function filteredSinks(
  parts: RunnerParts,
): { readonly stdout: Sink; readonly stderr: Sink } {
  const { env } = parts.host;
  // Reported before the steps have run for hours.
  triggerNonce(env);
  // A JSON object around a line is not a trigger, whatever the line says.
  if (env.LOG_FORMAT === "json") return parts;
  return parts.spoofFilter ??= new TriggerSpoofFilter(
    parts.stdout,
    parts.stderr,
  );
}
