import { RunnerError } from "../errors.ts";
import { isSecretKey } from "../secrets/references.ts";

/** What {@linkcode parseEnvFile} finds. */
export interface EnvFile {
  /** Values by name; the last one of several. */
  readonly values: ReadonlyMap<string, string>;
  /** Names that have no value. */
  readonly empty: readonly string[];
}

/**
 * Reads lines of the form `NAME=VALUE` or `export NAME=VALUE`.
 *
 * Blank lines and those that start with `#` are left out. White space around
 * a value goes, then one pair of quotation marks; nothing else is special: no
 * escapes, no variables, no comments behind a value.
 *
 * @param text Text of the file.
 * @param name What the file is called in messages.
 * @returns Names and values.
 * @throws {RunnerError} `invalid-config`, with the numbers of all lines that
 * are wrong, and nothing of what is in them.
 */
export function parseEnvFile(text: string, name: string): EnvFile {
  const values = new Map<string, string>();
  const problems: string[] = [];
  for (const [at, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const [, key, value] = /^(?:export\s+)?([^=]*?)\s*=\s*(.*)$/s.exec(line) ??
      [];
    const problem = problemOf(key, value);
    if (problem === undefined) values.set(key, unquote(value));
    else problems.push(`  line ${at + 1} ${problem}`);
  }
  if (problems.length > 0) {
    throw new RunnerError(`Cannot import "${name}":\n${problems.join("\n")}`, {
      code: "invalid-config",
    });
  }
  const empty = [...values].filter(([, value]) => value === "")
    .map(([key]) => key);
  for (const key of empty) values.delete(key);
  return { values, empty };
}

function problemOf(
  key: string | undefined,
  value: string | undefined,
): string | undefined {
  if (key === undefined || value === undefined) return `has no "="`;
  if (!isSecretKey(key)) {
    return `has a name that is not made of letters, digits, "_" and "-"`;
  }
  if (value.includes("\0")) return "holds a NUL character";
  // The lines that follow would be taken for names and values.
  return /^["']/.test(value) && unquote(value) === value
    ? "has a quotation mark that is not closed at its end"
    : undefined;
}

function unquote(value: string): string {
  return /^(["'])(.*)\1$/s.exec(value)?.[2] ?? value;
}
