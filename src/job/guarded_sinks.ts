import type { Sink } from "../output/sink.ts";
import { OutputGuard } from "../triggers/output_guard.ts";
import { nonceOf } from "../triggers/trigger_message.ts";
import type { RunnerParts } from "./runner_parts.ts";

/**
 * Gives the sinks for what steps print while a worker watches standard output
 * for messages, which no step is to imitate.
 *
 * @param parts What the runner owns; it gets the guard.
 * @returns Where the output of steps goes.
 * @throws {RunnerError} `invalid-config`, if the worker gave no nonce.
 */
export function guardedSinks(
  parts: RunnerParts,
): { readonly stdout: Sink; readonly stderr: Sink } {
  const { env } = parts.host;
  // Told before the steps have run for hours.
  nonceOf(env);
  // An object that is made of a line is no message, whatever the line says.
  if (env.LOG_FORMAT === "json") return parts;
  return parts.guard ??= new OutputGuard(parts.stdout, parts.stderr);
}
