import { RunnerError } from "./errors.ts";

/**
 * Spellings of booleans in other programs. Only the first of each list is
 * always accepted; workers use the first three.
 */
const WORDS = {
  true: ["true", "1", "yes", "y", "on"],
  false: ["false", "0", "no", "n", "off"],
} as const;

/** Options for {@linkcode parseBoolean}. */
export interface ParseBooleanOptions {
  /**
   * Whether to also accept `1`, `yes`, `0` and `no` in any case, as in
   * variables that workers set.
   *
   * @default {false}
   */
  acceptsWorkerWords?: boolean;
}

/**
 * Parses a boolean of an option, a variable, a job file or an input of an
 * evaluation.
 *
 * @returns The boolean; `undefined` for any text except `true` and `false`.
 */
export function parseBoolean(
  text: string,
  options: ParseBooleanOptions = {},
): boolean | undefined {
  if (text === "true" || text === "false") return text === "true";
  if (!options.acceptsWorkerWords) return undefined;
  const word = text.trim().toLowerCase();
  if (WORDS.true.slice(0, 3).includes(word as "true")) return true;
  if (WORDS.false.slice(0, 3).includes(word as "false")) return false;
  return undefined;
}

/**
 * Describes what is wrong with a text that is not a boolean.
 *
 * @returns The problem, phrased to follow the name of the value.
 */
export function booleanProblem(text: string): string {
  const near = findNearBoolean(text);
  return `must be true or false, not ${JSON.stringify(text.slice(0, 100))}` +
    (near === undefined ? "" : `; did you mean ${near}?`);
}

/**
 * Checks whether other programs parse a text as a boolean, so that it is
 * probably not a name.
 */
export function isNearlyBoolean(text: string): boolean {
  return findNearBoolean(text) !== undefined;
}

/**
 * Reads a boolean from an environment variable.
 *
 * @returns The boolean; `undefined` if the variable is unset or empty.
 * @throws {RunnerError} `invalid-config` for any other text.
 */
export function readBoolean(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  options: ParseBooleanOptions = {},
): boolean | undefined {
  const text = env[name] ?? "";
  if (text.trim() === "") return undefined;
  const value = parseBoolean(text, options);
  if (value !== undefined) return value;
  throw new RunnerError(`Cannot use ${name}: it ${booleanProblem(text)}`, {
    code: "invalid-config",
  });
}

/**
 * Checks whether a variable that other programs define, such as `CI` or
 * `FORCE_COLOR`, is enabled: set to anything except an empty text, `0` and
 * `false`.
 */
export function isSwitchedOn(text: string | undefined): boolean {
  return !["", "0", "false"].includes(text?.toLowerCase() ?? "");
}

function findNearBoolean(text: string): string | undefined {
  const word = text.trim().toLowerCase();
  return Object.entries(WORDS)
    .find(([, words]) => (words as readonly string[]).includes(word))?.[0];
}
