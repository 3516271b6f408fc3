/**
 * Finds the commands that a Python or TypeScript program starts, without
 * running it: lists of strings such as `["git", "describe"]`, and shell
 * commands such as `os.system("make test")` and `command="make test"`.
 *
 * A list counts if its first item is a string; items that are not strings are
 * unknown (`…`). A string counts if it is passed to something that runs
 * commands.
 */

import {
  expandCommand,
  type ShellCommand,
  shellCommands,
} from "./shell_commands.ts";

/** Supported languages. */
export type SourceLanguage = "python" | "typescript";

/** A string literal and the code before it. */
interface Literal {
  /** Content; placeholders are not expanded. */
  readonly text: string;
  /** Code since the last string, without comments. */
  readonly before: string;
  /** Number of the line on which it starts. */
  readonly line: number;
}

/** Matches code before a string that a shell runs. */
const RUNS_TEXT =
  /(?:\b(?:system|popen|getoutput|getstatusoutput|run|call|check_call|check_output|Popen|exec|execSync|create_subprocess_shell|sh|shell)\s*\(\s*[rfbuRFBU]{0,2}|\b(?:job_command|jobCommand|command|cmd)["']?\s*[=:]\s*(?:\(\s*)?[rfbuRFBU]{0,2}|\$)$/;

/** Matches code before the name of a program that is followed by arguments. */
const STARTS_PROGRAM =
  /(?:\bDeno\.Command|\bspawn(?:Sync)?|\bexecFile(?:Sync)?|\bexecvp?e?|\bcreate_subprocess_exec|\bwhich)\s*\(\s*[rfbuRFBU]{0,2}$/;

/**
 * Finds the commands that a program starts.
 *
 * @param source Source code of the program.
 */
export function sourceCommands(
  source: string,
  language: SourceLanguage,
): ShellCommand[] {
  const literals = readLiterals(source, language);
  const commands: ShellCommand[] = [];
  for (let at = 0; at < literals.length; at++) {
    const { text, before, line } = literals[at];
    if (/\[\s*[rfbu]?$/i.test(before)) {
      const argv = listFrom(literals, at);
      commands.push(...expandCommand(argv, line));
      const script = /^-[a-z]*c$/.test(argv[1] ?? "") ? argv[2] : undefined;
      if (script !== undefined) commands.push(...shellCommands(script, line));
    } else if (STARTS_PROGRAM.test(before)) {
      const [next] = literals.slice(at + 1);
      const hasList = /^\s*,\s*(?:\{\s*args:\s*)?\[\s*$/.test(
        next?.before ?? "",
      );
      const args = hasList ? listFrom(literals, at + 1) : [];
      commands.push(...expandCommand([text, ...args], line));
    } else if (RUNS_TEXT.test(before)) {
      commands.push(...shellCommands(text, line));
    }
  }
  return commands;
}

/** Returns the items of a list that starts with the given literal. */
function listFrom(literals: readonly Literal[], first: number): string[] {
  const argv = [literals[first].text];
  for (const { text, before } of literals.slice(first + 1, first + 200)) {
    const code = before.replace(/[rfbu]$/i, "");
    if (!/^[^\[\]]*$/.test(code)) {
      const inside = code.slice(0, code.search(/[\[\]]/));
      argv.push(...unknowns(inside));
      break;
    }
    argv.push(...unknowns(code), text);
  }
  return argv;
}

/** Returns a placeholder for each item between two strings of a list. */
function unknowns(code: string): string[] {
  return code.split(",").map((part) => part.trim()).filter(Boolean)
    .map(() => "…");
}

/** Returns the string literals of a program, in order. */
function readLiterals(source: string, language: SourceLanguage): Literal[] {
  const pattern = language === "python"
    ? /#[^\n]*|("""|'''|"|')/g
    : /\/\/[^\n]*|\/\*|("|'|`)/g;
  const literals: Literal[] = [];
  let before = "";
  let from = 0;
  const lineAt = lineCounter(source);
  for (
    let match = pattern.exec(source);
    match !== null;
    match = pattern.exec(source)
  ) {
    before += source.slice(from, match.index);
    const [found, quote] = match;
    if (quote === undefined) {
      const end = found === "/*"
        ? endOf(source, "*/", match.index + 2)
        : match.index + found.length;
      from = pattern.lastIndex = end;
      continue;
    }
    const start = match.index + quote.length;
    const stop = endOfString(source, start, quote);
    literals.push({
      text: source.slice(start, stop).replace(/\\(["'`\\])/g, "$1")
        .replace(/\\n/g, "\n"),
      before: before.slice(-200),
      line: lineAt(match.index),
    });
    before = "";
    from = pattern.lastIndex = Math.min(stop + quote.length, source.length);
  }
  return literals;
}

function endOf(source: string, mark: string, from: number): number {
  const end = source.indexOf(mark, from);
  return end < 0 ? source.length : end + mark.length;
}

/** Finds the end of a string; a single-line string ends with its line at latest. */
function endOfString(source: string, from: number, quote: string): number {
  const isLong = quote.length > 1 || quote === "`";
  for (let at = from; at < source.length; at++) {
    if (source[at] === "\\") at++;
    else if (source.startsWith(quote, at)) return at;
    else if (!isLong && source[at] === "\n") return at;
  }
  return source.length;
}

/**
 * Creates a function that converts offsets in a text to line numbers. Offsets
 * must not decrease; the text is read once.
 *
 * @returns The number of the line, from 1, of an offset.
 */
export function lineCounter(text: string): (offset: number) => number {
  let line = 1;
  let next = text.indexOf("\n");
  let last = 0;
  return (offset) => {
    if (offset < last) throw new RangeError("offsets must not go back");
    last = offset;
    while (next >= 0 && next < offset) {
      line++;
      next = text.indexOf("\n", next + 1);
    }
    return line;
  };
}
