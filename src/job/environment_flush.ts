import { durationProblem, parseDuration } from "../config/duration.ts";
import { findOption } from "../options/options.ts";
import type { OptionValue } from "../options/value_types.ts";
import { RunnerError } from "../errors.ts";
import { jobPathProblem } from "../job_path.ts";
import type { FlushTriggersOptions } from "./flush_triggers.ts";
import type { RunnerParts } from "./runner_parts.ts";

/** Settings that say how follow-up jobs are submitted. */
export type FlushSettings = Partial<
  Record<"triggers_file" | "trigger_transport" | "coordinator_timeout", string>
>;

/**
 * Finds how follow-up jobs are submitted that belong to no job: as the
 * environment says.
 *
 * @param parts What the runner owns.
 * @param settings What is stronger than the environment.
 * @returns Options.
 * @throws {RunnerError} `invalid-config`, if a setting makes no sense.
 */
export function environmentFlush(
  parts: RunnerParts,
  settings: FlushSettings = {},
): FlushTriggersOptions {
  const { triggersFile, allowInsecureTransport } = parts;
  const file = settings.triggers_file ?? triggersFile;
  const problem = jobPathProblem(file);
  if (problem !== undefined) throw unusable("triggers_file", problem);
  const transport = settings.trigger_transport ??
    valueOf(parts, "trigger_transport");
  const { choices } = findOption("trigger_transport")!.type as {
    choices: readonly string[];
  };
  if (!choices.includes(transport)) {
    throw unusable("trigger_transport", `must be ${choices.join(", ")}`);
  }
  return {
    file,
    transport: transport as OptionValue<"trigger_transport">,
    coordinatorTimeoutMs: coordinatorTimeoutMs(parts, settings),
    allowInsecureTransport,
  };
}

/**
 * Finds how long one request to the coordinator may take.
 *
 * @param parts What the runner owns.
 * @param settings What is stronger than the environment.
 * @returns Milliseconds.
 * @throws {RunnerError} `invalid-config`, if it makes no sense.
 */
export function coordinatorTimeoutMs(
  parts: RunnerParts,
  settings: FlushSettings = {},
): number {
  const text = settings.coordinator_timeout ??
    valueOf(parts, "coordinator_timeout");
  const timeoutMs = parseDuration(text);
  if (timeoutMs !== undefined) return timeoutMs;
  throw unusable("coordinator_timeout", durationProblem(text));
}

function valueOf({ host }: RunnerParts, name: string): string {
  const { env, default: value = "" } = findOption(name)!;
  return env === undefined ? value : host.env[env.name] || value;
}

function unusable(name: keyof FlushSettings, problem: string): RunnerError {
  return new RunnerError(
    `Cannot use the configuration:\n  ${name}: ${problem}`,
    { code: "invalid-config" },
  );
}
