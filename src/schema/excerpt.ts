/** A position in a text; both numbers start at 1. */
export interface TextPlace {
  /** Number of the line. */
  line: number;
  /** Number of the character in its line, in UTF-16 units. */
  column: number;
}

/** Maximum number of characters of a line that are shown. */
const MAX_SHOWN = 100;

/**
 * Number of characters that are shown before the position, if the line is
 * longer.
 */
const SHOWN_BEFORE = 60;

/** Maximum length of a line that is shown in part, in characters. */
const MAX_LINE = 2_000;

/** Maximum number of lines that are searched for private values. */
const MAX_LINES = 5_000;

/** Minimum length of a value whose repetitions are hidden. */
const MIN_VALUE = 4;

/** Maximum length of a key that is recognized as private, in characters. */
const MAX_KEY = 100;

/** Placeholder for text that may be secret. */
const HIDDEN = "[REDACTED]";

/** Keys whose values may be or contain secrets. */
export const PRIVATE_KEYS: ReadonlySet<string> = new Set([
  "environment",
  "env",
  "job_env",
  "secret_values_list",
  "secrets",
  "vars",
]);

/**
 * A key before its colon, with or without quotes; `=` for lines of variables.
 */
const KEY = /(["']?)([\w.$-]+)\1[ \t]*[:=](?=[ \t"'[{]|$)/g;

/** A key that looks like the name of a variable. */
const VARIABLE_KEY = /^[A-Z_][A-Z0-9_]+$/;

/** A key that looks like the name of a secret. */
const SECRET_KEY =
  /token|secret|passw|credential|api.?key|private.?key|(^|[_-])auth($|[_-])/i;

/**
 * Keys whose values are names or switches, although they match the patterns
 * above.
 */
const PUBLIC_KEY =
  /^(secret_env_(names|patterns)|image_pull_secrets|secrets_file)$/;

/** Full-width characters, which take two columns of a terminal. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/**
 * Formats the line of a position with a caret; empty if the line has no text.
 */
export type Excerpts = (place: TextPlace) => string;

/**
 * Creates a function that formats lines of a text with a caret below a
 * position.
 *
 * Text that may be secret is replaced: values of the keys `environment`, `env`,
 * `secrets` and similar ones, of keys that look like the name of a variable or
 * a secret, and everything after a repetition of such a value in a line.
 *
 * @param privateValues Values that may be secret; by default, those found in
 * the text.
 * @returns Function that formats the line of a position as two lines.
 */
export function makeExcerpts(
  text: string,
  privateValues?: readonly string[],
): Excerpts {
  const lines = splitTextLines(text);
  let bracketed: ReadonlySet<number> | undefined;
  let values = privateValues;
  return ({ line, column }) => {
    const whole = lines[line - 1] ?? "";
    // Checking a longer line for secrets takes too long.
    if (whole.trim() === "" || whole.length > MAX_LINE) return "";
    if (values === undefined && lines.length > MAX_LINES) return "";
    bracketed ??= findLinesInPrivateBrackets(text);
    const isPrivateLine = (at: number) =>
      bracketed!.has(at) || isInPrivateBlock(lines, at);
    values ??= lines.flatMap((one, at) =>
      findValues(one.slice(findHiddenStart(one, isPrivateLine(at))))
    );
    const hiddenAt = findHiddenStart(whole, isPrivateLine(line - 1));
    const shownEnd = values.reduce((end, value) => {
      const at = whole.indexOf(value);
      return at < 0 ? end : Math.min(end, at);
    }, hiddenAt);
    const shown = whole.slice(0, shownEnd);
    const source = shown.length < whole.length ? shown + HIDDEN : whole;
    const at = Math.min(column - 1, shown.length);
    const range = findShownRange(source, at);
    if (range === undefined) return "";
    const [start, end] = range;
    const before = (start > 0 ? "…" : "") +
      replaceInvisible(source.slice(start, at));
    const after = replaceInvisible(source.slice(at, end)) +
      (end < source.length ? "…" : "");
    const indent = [...before].map(toBlank).join("");
    const margin = " ".repeat(`${line}`.length);
    return `    ${line} | ${before}${after}\n    ${margin} | ${indent}^`;
  };
}

/**
 * Returns the range around a position that is shown, or `undefined` if none can
 * be. A longer line is cut at white space, because a part of a secret would not
 * be recognized and masked.
 */
function findShownRange(
  line: string,
  at: number,
): [number, number] | undefined {
  if (line.length <= MAX_SHOWN) return [0, line.length];
  const isCut = (index: number) =>
    /^\S\S$/.test(line.slice(Math.max(0, index - 1), index + 1));
  let start = Math.max(0, at - SHOWN_BEFORE);
  let end = Math.min(line.length, start + MAX_SHOWN);
  while (start <= at && isCut(start)) start++;
  while (end >= at && isCut(end)) end--;
  return start <= at && at <= end ? [start, end] : undefined;
}

/**
 * Replaces tabs by arrows, which take one column, and other control characters,
 * which cannot be shown.
 */
function replaceInvisible(text: string): string {
  return text.replaceAll("\t", "→")
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "�");
}

function toBlank(character: string): string {
  if (/\p{M}/u.test(character)) return "";
  return WIDE.test(character) ? "  " : " ";
}

/** Returns the index from which a line may contain a secret. */
function findHiddenStart(line: string, isPrivateLine: boolean): number {
  if (isPrivateLine) {
    // The name of a variable and the start of a list item may be shown.
    const [name] = /^\s*(?:-\s+)?(["']?)[\w.-]+\1\s*:(?=\s|$)/.exec(line) ??
      /^\s*/.exec(line)!;
    return line.slice(name.length).trim() === "" ? line.length : name.length;
  }
  for (const match of line.matchAll(KEY)) {
    const [whole, , key] = match;
    if (!isPrivate(key)) continue;
    const end = match.index + whole.length;
    return line.slice(end).trim() === "" ? line.length : end;
  }
  return line.length;
}

/** Returns the words in the hidden part of a line. */
function findValues(text: string): string[] {
  return text.split(/[\s,{}[\]"'=]+/)
    .filter((word) => word.length >= MIN_VALUE);
}

function isPrivate(key: string): boolean {
  return PRIVATE_KEYS.has(key) || VARIABLE_KEY.test(key) ||
    SECRET_KEY.test(key) && !PUBLIC_KEY.test(key);
}

/**
 * Checks whether a line is in a block of a private key. The keys of the
 * enclosing blocks are on lines with less indentation.
 */
function isInPrivateBlock(lines: readonly string[], at: number): boolean {
  let limit = indentWidth(lines[at]);
  for (let above = at - 1; above >= 0; above--) {
    const line = lines[above];
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    // A list may have the same indentation as its key.
    const isListKey = isListItem(lines[at]) &&
      indentWidth(line) === limit && !isListItem(line);
    if (indentWidth(line) >= limit && !isListKey) continue;
    const start = line.slice(0, MAX_KEY + limit).replace(/^\s*(?:-\s+)*/, "");
    const [, , key] = /^(["']?)([\w.$-]+)\1\s*:/.exec(start) ?? [];
    if (key !== undefined && isPrivate(key)) return true;
    limit = Math.min(limit, indentWidth(line));
    if (limit === 0 && !isListKey) return false;
  }
  return false;
}

/** Finds the lines that start inside brackets opened by a private key. */
function findLinesInPrivateBrackets(text: string): ReadonlySet<number> {
  const found = new Set<number>();
  const open: boolean[] = [];
  let openCount = 0;
  let line = 0;
  let word = "";
  let key = "";
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "\n") {
      line++;
      if (openCount > 0) found.add(line);
      // An unclosed quote must not hide the brackets of other lines.
      quote = "";
      if (key === "") word = "";
    } else if (quote !== "") {
      if (character === quote) quote = "";
      else if (character === "\\" && quote === '"') at++;
      else word += character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word = "";
    } else if (character === ":") {
      key = word.slice(-MAX_KEY).trim();
      word = "";
    } else if (character === "{" || character === "[") {
      open.push(isPrivate(key));
      if (open.at(-1)) openCount++;
      key = word = "";
    } else if (character === "}" || character === "]") {
      if (open.pop()) openCount--;
      key = word = "";
    } else if (character === ",") key = word = "";
    else if (!/\s/.test(character)) {
      key = "";
      word += character;
    }
  }
  return found;
}

/** Splits text at line feeds, carriage returns, and pairs of them. */
export function splitTextLines(text: string): string[] {
  return text.split(/\r\n|\r|\n/);
}

/** Checks whether a line starts an item of a YAML list. */
export function isListItem(line: string): boolean {
  return /^\s*-(\s|$)/.test(line);
}

/** Counts the spaces and tabs at the start of a line. */
export function indentWidth(line: string): number {
  return line.length - line.trimStart().length;
}

/**
 * Formats a problem of a file with its position and line.
 *
 * @param name Path of the file as the user wrote it.
 * @param excerpts Formats lines of the file.
 * @param place Position of the problem.
 * @param message What is wrong.
 * @returns `FILE:LINE:COLUMN: MESSAGE`, and the line with a caret.
 */
export function placedProblem(
  name: string,
  excerpts: Excerpts,
  place: TextPlace,
  message: string,
): string {
  const excerpt = excerpts(place);
  return `${name}:${place.line}:${place.column}: ${message}` +
    (excerpt === "" ? "" : `\n${excerpt}`);
}
