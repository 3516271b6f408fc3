import { readOptions } from "../config/load_config.ts";
import type { Layer } from "../config/settings.ts";
import type { FlushTriggersOptions } from "./flush_triggers.ts";
import type { RunnerParts } from "./runner_parts.ts";

/**
 * Returns how follow-up jobs that belong to no job are submitted, by the
 * variables of the environment.
 *
 * @param parts What the runner owns.
 * @param layer What overrides the environment.
 * @returns Options.
 * @throws {RunnerError} `invalid-config`, if a setting is invalid.
 */
export function triggerOptionsFromEnv(
  { host, allowInsecureTransport }: RunnerParts,
  layer: Layer = {},
): FlushTriggersOptions {
  const options = readOptions(
    host,
    ["triggers_file", "trigger_transport", "coordinator_timeout"],
    layer,
  );
  return {
    file: options.triggers_file,
    transport: options.trigger_transport,
    coordinatorTimeoutMs: options.coordinator_timeout,
    allowInsecureTransport,
  };
}
