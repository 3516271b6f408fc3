import type { Setting } from "./settings.ts";
import { readValue } from "./value_file.ts";

/** Name of a variable, as a shell takes it. */
export const VARIABLE_NAME: RegExp = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Longest value that is not worth a warning, in characters. */
const LONG_VALUE = 1_000;

/** Variables that a job seldom wants to replace. */
const SYSTEM_VARIABLES = ["PATH", "HOME", "USER"];

/** Variables of a job, and what is wrong with them. */
export interface JobEnv {
  /** Variables by name. */
  env: Record<string, string>;
  /** What keeps them from being used. */
  problems: string[];
}

/**
 * Reads the variables of a job: `KEY=VALUE` lines, a file of such lines below
 * `./job/`, or variables by name.
 *
 * Lines are trimmed, blank ones and those that start with `#` are left out,
 * and the last of several values wins. Quotes have no meaning.
 *
 * @param setting Variables as configured.
 * @param cwd Absolute path of the current directory.
 * @returns Variables and problems.
 */
export function parseJobEnv(setting: Setting, cwd: string): JobEnv {
  const { value } = setting;
  const result: JobEnv = { env: Object.create(null), problems: [] };
  if (typeof value !== "string") {
    for (const [key, text] of Object.entries(value)) {
      addVariable(result, key, text);
    }
    return result;
  }
  const read = readValue(value, cwd);
  if ("problem" in read) {
    result.problems.push(read.problem);
    return result;
  }
  for (const [at, raw] of read.text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const equals = line.indexOf("=");
    // The line may be a secret, so only its number is told.
    if (equals < 0) result.problems.push(`line ${at + 1} has no "="`);
    else {addVariable(
        result,
        line.slice(0, equals),
        line.slice(equals + 1).trim(),
      );}
  }
  return result;
}

/**
 * Tells what is unusual about variables, though not wrong.
 *
 * @param env Variables of a job.
 * @returns Warnings, which name variables and tell no value.
 */
export function jobEnvWarnings(
  env: Readonly<Record<string, string>>,
): string[] {
  const warnings: string[] = [];
  for (const [key, value] of Object.entries(env)) {
    if (SYSTEM_VARIABLES.includes(key)) {
      warnings.push(`job_env: ${key} replaces the variable of the system`);
    }
    if (value.length > LONG_VALUE) {
      warnings.push(`job_env: ${key} is longer than ${LONG_VALUE} characters`);
    }
  }
  return warnings;
}

function addVariable(result: JobEnv, name: string, value: string): void {
  const key = name.trim();
  if (typeof value !== "string") {
    result.problems.push(`the value of "${key}" is no text`);
  } else if (key === "" || key.includes("=") || (key + value).includes("\0")) {
    result.problems.push(
      `"${key}" cannot be the name of a variable with this value`,
    );
  } else result.env[key] = value;
}
