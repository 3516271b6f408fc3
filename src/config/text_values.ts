import { isInside } from "../job_path.ts";
import type { Setting } from "./settings.ts";

/**
 * Parses a list that is written as one text: items with commas between them, or
 * a JSON list of strings, whose items may hold anything.
 *
 * @returns Items, without the white space around them and without empty ones
 * where commas divide them; `undefined` if the text begins like a JSON list of
 * strings and is not one.
 */
export function parseList(text: string): string[] | undefined {
  if (!/^\s*\[\s*"/.test(text)) return splitTrimmed(text, ",");
  try {
    const items: unknown = JSON.parse(text);
    if (Array.isArray(items) && items.every((it) => typeof it === "string")) {
      return items;
    }
  } catch {
    // The caller reports what is expected.
  }
  return undefined;
}

/**
 * Writes a list as {@linkcode parseList} parses it.
 *
 * @returns Text of one line.
 */
export function listText(items: readonly string[]): string {
  const isPlain = items.every((item) =>
    item !== "" && item === item.trim() && !/[,"\n]/.test(item)
  );
  return isPlain ? items.join(",") : JSON.stringify(items);
}

/**
 * Splits a text, and leaves out white space and empty parts.
 *
 * @param separator What stands between the parts.
 */
export function splitTrimmed(text: string, separator: string): string[] {
  return text.split(separator).map((part) => part.trim()).filter(Boolean);
}

/** Prefix of a text that names a file instead of being the value. */
const FILE_PREFIX = "./job/";

/** Maximum size of a file that is read, in bytes. */
const MAX_BYTES = 1024 * 1024;

/** Text of a value, or what is wrong with the file that it names. */
export type ValueText = { text: string } | { problem: string };

/**
 * Reads a value that may be the name of a file below `./job/`.
 *
 * @param value Value as configured.
 * @param cwd Absolute path of the current directory.
 * @returns Whether it was a file, and its text or the value itself.
 */
export function readValue(
  value: string,
  cwd: string,
): { isFile: boolean } & ValueText {
  if (!value.startsWith(FILE_PREFIX)) return { isFile: false, text: value };
  if (value.includes("..") || value.includes("\0")) {
    return { isFile: true, problem: `"${value}" must not leave ./job` };
  }
  try {
    const path = Deno.realPathSync(`${cwd}/${value}`);
    if (!isInside(Deno.realPathSync(`${cwd}/job`), path)) {
      return { isFile: true, problem: `"${value}" must not leave ./job` };
    }
    const { isFile, size } = Deno.statSync(path);
    if (!isFile) throw new TypeError("not a regular file");
    if (size > MAX_BYTES) {
      const problem = `"${value}" is larger than ${MAX_BYTES} bytes`;
      return { isFile: true, problem };
    }
    const decoder = new TextDecoder("utf-8", { fatal: true });
    return { isFile: true, text: decoder.decode(Deno.readFileSync(path)) };
  } catch (error) {
    const problem = error instanceof Deno.errors.NotFound
      ? `"${value}" does not exist`
      : `"${value}" cannot be read`;
    return { isFile: true, problem };
  }
}

/** Name of a variable, as a shell takes it. */
export const VARIABLE_NAME: RegExp = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Maximum length of a value that is not worth a warning, in characters. */
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
 * and the last of several values wins. Quotes have no meaning, except behind
 * `export`: such a line comes from a file that shells read as well, and its
 * value is read as dotenv does. Single quotes keep everything, double quotes
 * know `\n`, `\r` and `\t`, both may hold line breaks, and ` #` starts a
 * comment.
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
  addLines(result, read.text);
  return result;
}

/** What stands before a name in a file that shells read as well. */
const EXPORT = /^export[ \t]+(?=\S)/;

/** A quoted value, with nothing but a comment behind it on its last line. */
const QUOTED =
  /[ \t]*(?:'([^']*)'|"((?:[^"\\]|\\[^])*)")[ \t\r]*(?:#[^\n]*)?(?=\n|$)/y;

function addLines(result: JobEnv, text: string): void {
  let number = 0;
  for (let start = 0; start <= text.length;) {
    let end = text.indexOf("\n", start);
    if (end < 0) end = text.length;
    const raw = text.slice(start, end);
    const line = raw.trim();
    const offset = start + raw.length - raw.trimStart().length;
    start = end + 1;
    number++;
    if (line === "" || line.startsWith("#")) continue;
    // The line may be a secret, so only its number is reported.
    const report = (problem: string) =>
      void result.problems.push(`line ${number} ${problem}`);
    const equals = line.indexOf("=");
    if (equals < 0) {
      report(`has no "="`);
      continue;
    }
    const [exported = ""] = EXPORT.exec(line.slice(0, equals)) ?? [];
    const name = line.slice(exported.length, equals);
    const value = line.slice(equals + 1).trim();
    if (exported === "") addVariable(result, name, value);
    else if (/^["']/.test(value)) {
      QUOTED.lastIndex = offset + equals + 1;
      const [whole, single, double] = QUOTED.exec(text) ?? [];
      if (whole === undefined) {
        report("has a quote that is not closed at its end");
      } else {
        addVariable(result, name, single ?? unescaped(double));
        // The value may go on over several lines.
        const after = offset + equals + 1 + whole.length;
        number += text.slice(start - 1, after).split("\n").length - 1;
        start = after + 1;
      }
    } else addVariable(result, name, value.replace(/(?:^|\s)#.*$/, "").trim());
  }
}

function unescaped(text: string): string {
  const controls: Readonly<Record<string, string>> = {
    n: "\n",
    r: "\r",
    t: "\t",
  };
  return text.replace(
    /\\(?:([nrt])|(["\\$`]))/g,
    (_, control, character) => controls[control] ?? character,
  );
}

/**
 * Returns what is unusual about variables, though not wrong.
 *
 * @param env Variables of a job.
 * @returns Warnings, which name variables and repeat no value.
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
