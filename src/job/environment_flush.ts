import { parseDuration } from "../config/duration.ts";
import { configKey } from "../config/keys.ts";
import { RunnerError } from "../errors.ts";
import type { FlushTriggersOptions } from "./flush_triggers.ts";
import type { TriggerTransport } from "./job_options.ts";
import type { RunnerParts } from "./runner_parts.ts";

/**
 * Finds how follow-up jobs that belong to no job are handed over: as the
 * environment says.
 *
 * @param parts What the runner owns.
 * @returns Options.
 * @throws {RunnerError} `invalid-config`, if the environment makes no sense.
 */
export function environmentFlush(parts: RunnerParts): FlushTriggersOptions {
  const { triggersFile: file, allowInsecureTransport } = parts;
  const { value, variable, kind } = setting(parts, "trigger_transport");
  const { choices } = kind as { choices: readonly string[] };
  if (!choices.includes(value)) {
    throw unusable(variable, `it must be ${choices.join(", ")}`);
  }
  return {
    file,
    transport: value as TriggerTransport,
    coordinatorTimeoutMs: coordinatorTimeoutMs(parts),
    allowInsecureTransport,
  };
}

/**
 * Finds how long one request to the coordinator may take.
 *
 * @param parts What the runner owns.
 * @returns Milliseconds.
 * @throws {RunnerError} `invalid-config`, if the environment makes no sense.
 */
export function coordinatorTimeoutMs(parts: RunnerParts): number {
  const { value, variable } = setting(parts, "coordinator_timeout");
  const timeoutMs = parseDuration(value);
  if (timeoutMs !== undefined) return timeoutMs;
  throw unusable(variable, 'it must be a time such as "90s"');
}

function setting({ host }: RunnerParts, name: string) {
  const { env: variable = "", defaultValue = "", kind } = configKey(name)!;
  return { value: host.env[variable] || defaultValue, variable, kind };
}

function unusable(variable: string, state: string): RunnerError {
  return new RunnerError(`Cannot use "${variable}": ${state}`, {
    code: "invalid-config",
  });
}
