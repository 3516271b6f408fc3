import type { Sinks } from "../output/printer.ts";
import type { Sink } from "../output/sink.ts";
import { triggerNonce, TriggerSpoofFilter } from "../triggers/trigger_lines.ts";
import type { RunnerContext } from "./runner_context.ts";

/**
 * Creates the sinks for the output of steps if a worker reads triggers from
 * standard output, where no step must be able to forge one.
 *
 * @param runner The context of the runner, in which the filter is stored.
 * @param sinks Sinks for the filtered output.
 * @throws {RunnerError} `invalid-config` if the worker has not set a nonce.
 */
export function filteredSinks(
  runner: RunnerContext,
  sinks: Sinks,
): { readonly stdout: Sink; readonly stderr: Sink } {
  const { env } = runner.host;
  // Reports a missing nonce now, and not after the steps have run.
  triggerNonce(env);
  // Each line is inside a JSON object, which is never a trigger.
  if (env.LOG_FORMAT === "json") return sinks;
  return runner.spoofFilter ??= new TriggerSpoofFilter(
    sinks.stdout,
    sinks.stderr,
  );
}
