import type { Environment } from "../environment/variables.ts";
import { osReason, RunnerError } from "../errors.ts";
import { isInside } from "../job_path.ts";
import { referenceProblem } from "../schema/reference.ts";
import type { Setting } from "./settings.ts";

/**
 * Parses a list in text form: items separated by commas, or a JSON list of
 * strings, for items with any content.
 *
 * @returns Items; those separated by commas are trimmed, and empty ones
 * dropped. `undefined` if the text starts like a JSON list of strings but is
 * not one.
 */
export function parseList(text: string): string[] | undefined {
  if (!/^\s*\[\s*"/.test(text)) return splitTrimmed(text, ",");
  try {
    const items: unknown = JSON.parse(text);
    if (
      Array.isArray(items) && items.every((item) => typeof item === "string")
    ) {
      return items;
    }
  } catch {
    // The caller reports the problem.
  }
  return undefined;
}

/**
 * Formats a list for {@linkcode parseList}.
 *
 * @returns Text in one line.
 */
export function listText(items: readonly string[]): string {
  const isPlain = items.every((item) =>
    item !== "" && item === item.trim() && !/[,"\n]/.test(item)
  );
  return isPlain ? items.join(",") : JSON.stringify(items);
}

/** Splits a text into trimmed parts, without empty ones. */
export function splitTrimmed(text: string, separator: string): string[] {
  return text.split(separator).map((part) => part.trim()).filter(Boolean);
}

/** Prefix of a value that names a file with the actual value. */
const FILE_PREFIX = "./job/";

/** Maximum size of the file, in bytes. */
const MAX_BYTES = 1024 * 1024;

/** Text of a value, or the problem of the file that it names. */
export type ValueText = { text: string } | { problem: string };

/**
 * Reads a value, or the file below `./job/` that it names.
 *
 * @param value Value as configured.
 * @param cwd Absolute path of the current directory.
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
      : `"${value}" cannot be read: ${osReason(error)}`;
    return { isFile: true, problem };
  }
}

/** A value that is the path of a file, and therefore not a secret. */
const PATH =
  /^(?:\.{0,2}\/[\w./-]{1,200}|~\/[\w./-]{1,200}|[\w.-]{0,50}\.env)$/;

/** Length of a value above which there is a warning, in characters. */
const LONG_VALUE = 1_000;

/** Variables that jobs rarely replace on purpose. */
const SYSTEM_VARIABLES = ["PATH", "HOME", "USER"];

/** Variables of a job, and their problems. */
export interface JobEnv {
  /** Variables by name. */
  env: Record<string, string>;
  /** Why they cannot be used. */
  problems: string[];
}

/**
 * Parses the variables of a job: `KEY=VALUE` lines, a file of such lines below
 * `./job/`, or a mapping.
 *
 * Lines are trimmed; blank lines and comments that start with `#` are skipped;
 * the last of several values is used. Quotes are kept as text, except after
 * `export`: such a line comes from a file that shells also read, so its value
 * is parsed like dotenv. Single quotes keep everything, double quotes
 * support `\n`, `\r` and `\t`, both may contain line breaks, and ` #` starts a
 * comment.
 *
 * @param cwd Absolute path of the current directory.
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
  if (!read.isFile && PATH.test(value.trim())) {
    result.problems.push(
      `${
        JSON.stringify(value.trim())
      } is not KEY=VALUE lines; a file must be in ./job, such as ./job/.env`,
    );
    return result;
  }
  addLines(result, read.text);
  return result;
}

/**
 * Parses `KEY=VALUE` lines, as {@linkcode parseJobEnv} does, from the text of a
 * file.
 */
export function parseEnvLines(text: string): JobEnv {
  const result: JobEnv = { env: Object.create(null), problems: [] };
  addLines(result, text);
  return result;
}

/** Prefix of a line that shells read as well. */
const EXPORT = /^export[ \t]+(?=\S)/;

/** A quoted value, which only a comment may follow. */
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
        report("has an unclosed quote, or text after the closing quote");
      } else {
        addVariable(result, name, single ?? unescapeQuoted(double));
        // The value may continue over several lines.
        const after = offset + equals + 1 + whole.length;
        number += text.slice(start - 1, after).split("\n").length - 1;
        start = after + 1;
      }
    } else addVariable(result, name, value.replace(/(?:^|\s)#.*$/, "").trim());
  }
}

function unescapeQuoted(text: string): string {
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
 * Returns warnings about valid but unusual variables.
 *
 * @returns Warnings, which contain no values.
 */
export function checkJobEnv(
  env: Environment,
): string[] {
  const warnings: string[] = [];
  for (const [key, value] of Object.entries(env)) {
    if (SYSTEM_VARIABLES.includes(key)) {
      warnings.push(`job_env: ${key} replaces a system variable`);
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
    result.problems.push(`the value of "${key}" must be a string`);
  } else if (key === "") {
    result.problems.push('a variable needs a name before "="');
  } else if (key.includes("=") || (key + value).includes("\0")) {
    result.problems.push(
      `"${key}" cannot be the name of a variable with this value`,
    );
  } else {
    const problem = referenceProblem(value);
    if (problem === undefined) result.env[key] = value;
    else result.problems.push(`"${key}" ${problem}`);
  }
}

/** Splits text at white space; a list stays as it is. */
export function splitWords(
  value: string | readonly string[] | undefined,
): readonly string[] | undefined {
  return typeof value === "string" ? value.trim().split(/\s+/) : value;
}

/** Returns warnings about an unusual image name. */
export function checkImage(image: string | undefined): string[] {
  if (image === undefined) return [];
  const warnings: string[] = [];
  if (/\s/.test(image)) warnings.push("runner_image: contains white space");
  const tag = image.slice(image.lastIndexOf("/") + 1);
  if (!tag.includes(":") || tag.endsWith(":latest")) {
    warnings.push("runner_image: is not pinned to a version");
  }
  return warnings;
}

/** Permissions by plugin and kind, as in a job file and the library. */
export type PluginGrants = Readonly<
  Record<string, { readonly [kind: string]: readonly string[] | undefined }>
>;

/**
 * Formats permissions as in variables and options: lines of the form
 * `NAME:KIND=VALUE,VALUE`.
 *
 * @returns Lines, from which {@linkcode readGrantValues} restores the exact
 * values.
 * @throws {RunnerError} `invalid-config`, if a name or kind is invalid.
 */
export function grantLines(grants: PluginGrants): string[] {
  return Object.entries(grants).flatMap(([name, permissions]) => {
    if (!/^[^:\s]+$/.test(name)) {
      throw grantError(name, "it is not the name of a plugin");
    }
    return Object.entries(permissions).map(([kind, values = []]) => {
      if (!/^[a-z]+$/.test(kind)) {
        throw grantError(`${name}:${kind}`, `"${kind}" is not a permission`);
      }
      return `${name}:${kind}=${listText(values)}`;
    });
  });
}

/**
 * Parses the values of a permission.
 *
 * @param text `VALUE,VALUE` or a JSON list of strings.
 * @throws {TypeError} If the text starts like a JSON list but is not one.
 */
export function readGrantValues(text: string): string[] {
  const values = parseList(text);
  if (values !== undefined) return values;
  throw new TypeError("its values are not a JSON list of strings");
}

function grantError(grant: string, state: string): RunnerError {
  return new RunnerError(
    `Cannot use plugin permission ${JSON.stringify(grant)}: ${state}`,
    { code: "invalid-config" },
  );
}
