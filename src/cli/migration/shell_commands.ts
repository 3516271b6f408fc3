/**
 * Finds the commands in shell scripts and in Python or TypeScript programs
 * without running anything.
 *
 * In a shell script:
 *
 * 1. Text is split into words as in a POSIX shell: quotes, escapes, comments,
 *    operators, here-documents.
 * 2. Command substitutions are parsed as nested scripts, even inside quotes.
 * 3. Words that only introduce a command (`if`, `sudo`, `env A=b`, `timeout 5`)
 *    are removed; the script of `sh -c` and the command of
 *    `runnerlib run --job-command` are parsed as well.
 *
 * Each character is read once and nesting is limited, because the text is not
 * trusted.
 *
 * In a program, lists of strings such as `["git", "describe"]` are commands, and
 * strings such as `os.system("make test")` and `command="make test"` are shell
 * scripts. A list counts if its first item is a string; items that are not
 * strings are unknown (`…`). A string counts if it is passed to something that
 * runs commands.
 *
 * @module
 */

/** A command and the line on which it starts. */
export interface ShellCommand {
  /** Program and arguments without quotes; variables are not expanded. */
  readonly argv: readonly string[];
  /** Number of the line, from 1. */
  readonly line: number;
}

/** Maximum nesting of scripts. */
const MAX_DEPTH = 20;

/** Words that precede a command. */
const INTRODUCTIONS = new Set([
  ...["!", "if", "then", "elif", "else", "while", "until", "do", "{", "time"],
  ...["exec", "command", "builtin", "nohup", "setsid", "eval", "coproc"],
]);

/** Programs that run another program, and the number of operands before it. */
const WRAPPERS: Readonly<Record<string, number>> = {
  doas: 0,
  env: 0,
  ionice: 0,
  nice: 0,
  stdbuf: 0,
  sudo: 0,
  timeout: 1,
  xargs: 0,
};

/** Options of wrappers that take the next word as their value. */
const WRAPPER_VALUES: Readonly<Record<string, readonly string[]>> = {
  env: ["-u", "-C", "-S"],
  ionice: ["-c", "-n", "-p"],
  nice: ["-n"],
  stdbuf: ["-i", "-o", "-e"],
  sudo: ["-u", "-g", "-h", "-p", "-C", "-D"],
  timeout: ["-k", "-s"],
  xargs: ["-n", "-I", "-P", "-L", "-d", "-s", "-a", "-E"],
};

const ASSIGNMENT = /^[A-Za-z_]\w*\+?=/;

/**
 * Finds the commands of a script, including nested ones.
 *
 * @param script Text of the script.
 * @param firstLine Number of its first line.
 * @returns Commands, in the order in which they end.
 */
export function findShellCommands(
  script: string,
  firstLine = 1,
): ShellCommand[] {
  const reader = new ScriptReader(script, firstLine, 0);
  reader.readScript();
  return reader.commands;
}

/** Expands a command into itself and the commands that it runs. */
function expandCommand(
  argv: readonly string[],
  line: number,
  depth = 0,
): ShellCommand[] {
  let at = 0;
  while (INTRODUCTIONS.has(argv[at]) || ASSIGNMENT.test(argv[at] ?? "")) at++;
  const rest = argv.slice(at);
  if (rest.length === 0) return [];
  const found: ShellCommand[] = [{ argv: rest, line }];
  if (depth >= MAX_DEPTH) return found;
  const name = baseName(rest[0]);
  if (Object.hasOwn(WRAPPERS, name)) {
    const inner = unwrapCommand(name, rest.slice(1));
    if (inner.length > 0) found.push(...expandCommand(inner, line, depth + 1));
    return found;
  }
  const script = findInnerScript(name, rest);
  if (script !== undefined) {
    const reader = new ScriptReader(script, line, depth + 1);
    reader.readScript();
    found.push(...reader.commands);
  }
  return found;
}

/** Returns the name of a program without its directory. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function unwrapCommand(
  name: string,
  args: readonly string[],
): readonly string[] {
  let at = 0;
  for (; at < args.length; at++) {
    if (ASSIGNMENT.test(args[at]) && name !== "xargs") continue;
    if (!args[at].startsWith("-")) break;
    if (WRAPPER_VALUES[name]?.includes(args[at])) at++;
  }
  return args.slice(at + WRAPPERS[name]);
}

function findInnerScript(
  name: string,
  argv: readonly string[],
): string | undefined {
  if (/^(?:ba|da|a|k|z)?sh$/.test(name)) {
    const at = argv.findIndex((word) => /^-[a-z]*c$/.test(word));
    return at < 0 ? undefined : argv[at + 1];
  }
  if (name !== "runnerlib") return undefined;
  const at = argv.indexOf("--job-command");
  if (at >= 0) return argv[at + 1];
  return argv.find((word) => word.startsWith("--job-command="))
    ?.slice("--job-command=".length);
}

/** Parses a script in a single pass. */
class ScriptReader {
  readonly commands: ShellCommand[] = [];
  readonly #text: string;
  readonly #depth: number;
  #at = 0;
  #line: number;
  #hereDocuments: { word: string; isIndented: boolean }[] = [];

  constructor(text: string, firstLine: number, depth: number) {
    this.#text = text;
    this.#line = firstLine;
    this.#depth = depth;
  }

  /** Reads commands up to the end, or up to the given character. */
  readScript(end?: ")" | "`", depth = this.#depth): void {
    let argv: string[] = [];
    let line = this.#line;
    const finish = () => {
      if (argv.length > 0) {
        this.commands.push(...expandCommand(argv, line, depth));
      }
      argv = [];
    };
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at];
      if (character === end) {
        this.#at++;
        break;
      }
      if (character === "\n") {
        this.#newLine();
        finish();
      } else if (/\s/.test(character)) {
        this.#at++;
      } else if (this.#text.startsWith("\\\n", this.#at)) {
        this.#at += 2;
        this.#line++;
      } else if (character === "#") {
        this.#skipLine();
      } else if (/[;&|(){}]/.test(character) && !this.#isWordBrace(argv)) {
        this.#at++;
        finish();
      } else if (character === "<" || character === ">") {
        this.#redirection(depth);
      } else {
        const start = this.#line;
        const word = this.#word(end, depth);
        // It is the descriptor of a redirection.
        if (/^\d+$/.test(word) && /[<>]/.test(this.#text[this.#at] ?? "")) {
          continue;
        }
        if (argv.length === 0) line = start;
        argv.push(word);
      }
    }
    finish();
  }

  /** Checks whether a brace is literal; as a separate command it is syntax. */
  #isWordBrace(argv: readonly string[]): boolean {
    const character = this.#text[this.#at];
    if (character !== "{" && character !== "}") return false;
    return argv.length > 0 || /\S/.test(this.#text[this.#at + 1] ?? " ");
  }

  #newLine(): void {
    this.#at++;
    this.#line++;
    for (const { word, isIndented } of this.#hereDocuments.splice(0)) {
      while (this.#at < this.#text.length) {
        const end = this.#text.indexOf("\n", this.#at);
        const stop = end < 0 ? this.#text.length : end;
        const line = this.#text.slice(this.#at, stop);
        this.#at = stop + (end < 0 ? 0 : 1);
        this.#line++;
        if ((isIndented ? line.replace(/^\t+/, "") : line) === word) break;
      }
    }
  }

  #skipLine(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  #redirection(depth: number): void {
    const [operator] = /^(?:<<<|<<-?|[<>]\(|[<>]&?|>>)/.exec(
      this.#text.slice(this.#at, this.#at + 3),
    ) ?? ["<"];
    this.#at += operator.length;
    if (operator.endsWith("(")) {
      this.#nested(")", depth);
      return;
    }
    while (/[ \t]/.test(this.#text[this.#at] ?? "")) this.#at++;
    if (/[\n;&|]/.test(this.#text[this.#at] ?? "\n")) return;
    const word = this.#word(undefined, depth);
    if (operator === "<<" || operator === "<<-") {
      this.#hereDocuments.push({ word, isIndented: operator === "<<-" });
    }
  }

  #nested(end: ")" | "`", depth: number): void {
    if (depth >= MAX_DEPTH) return this.#skipLine();
    this.readScript(end, depth + 1);
  }

  #word(end: string | undefined, depth: number): string {
    const parts: string[] = [];
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at];
      if (character === end || /[\s;&|()<>]/.test(character)) break;
      parts.push(this.#piece(depth));
    }
    return parts.join("");
  }

  #piece(depth: number): string {
    const character = this.#text[this.#at];
    switch (character) {
      case "'": {
        const end = this.#text.indexOf("'", this.#at + 1);
        const stop = end < 0 ? this.#text.length : end;
        return this.#take(this.#at + 1, stop, stop + 1);
      }
      case '"':
        return this.#doubleQuoted(depth);
      case "\\":
        if (this.#text[this.#at + 1] === "\n") {
          this.#take(this.#at, this.#at, this.#at + 2);
          return "";
        }
        return this.#take(this.#at + 1, this.#at + 2, this.#at + 2);
      case "$":
      case "`":
        return this.#expansion(depth);
      default:
        return this.#take(this.#at, this.#at + 1, this.#at + 1);
    }
  }

  #doubleQuoted(depth: number): string {
    const parts: string[] = [];
    this.#at++;
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at];
      if (character === '"') {
        this.#at++;
        break;
      }
      if (character === "\\") {
        const next = this.#text[this.#at + 1] ?? "";
        const keeps = /[$`"\\\n]/.test(next) ? "" : "\\";
        const text = this.#take(this.#at + 1, this.#at + 2, this.#at + 2);
        parts.push(next === "\n" ? "" : keeps + text);
      } else if (character === "$" || character === "`") {
        parts.push(this.#expansion(depth));
      } else {
        parts.push(this.#take(this.#at, this.#at + 1, this.#at + 1));
      }
    }
    return parts.join("");
  }

  /** Keeps variables, and replaces command substitutions by `$(…)`. */
  #expansion(depth: number): string {
    if (this.#text[this.#at] === "`") {
      this.#at++;
      this.#nested("`", depth);
      return "$(…)";
    }
    if (
      this.#text.startsWith("$(", this.#at) &&
      !this.#text.startsWith("$((", this.#at)
    ) {
      this.#at += 2;
      this.#nested(")", depth);
      return "$(…)";
    }
    const [variable] = /^\$(?:\{[^}\n]*\}|\(\([^\n]*?\)\)|\w+|[@*#?$!-])?/.exec(
      this.#text.slice(this.#at, this.#at + 1_000),
    ) ?? ["$"];
    return this.#take(
      this.#at,
      this.#at + variable.length,
      this.#at + variable.length,
    );
  }

  /** Returns a part of the text, and continues at `next`. */
  #take(from: number, to: number, next: number): string {
    const text = this.#text.slice(from, to);
    const passed = this.#text.slice(this.#at, next);
    for (const character of passed) if (character === "\n") this.#line++;
    this.#at = next;
    return text;
  }
}

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
export function findSourceCommands(
  source: string,
  language: SourceLanguage,
): ShellCommand[] {
  const literals = readLiterals(source, language);
  const commands: ShellCommand[] = [];
  for (let at = 0; at < literals.length; at++) {
    const { text, before, line } = literals[at];
    if (/\[\s*[rfbu]?$/i.test(before)) {
      const argv = readList(literals, at);
      commands.push(...expandCommand(argv, line));
      const script = /^-[a-z]*c$/.test(argv[1] ?? "") ? argv[2] : undefined;
      if (script !== undefined) {
        commands.push(...findShellCommands(script, line));
      }
    } else if (STARTS_PROGRAM.test(before)) {
      const [next] = literals.slice(at + 1);
      const hasList = /^\s*,\s*(?:\{\s*args:\s*)?\[\s*$/.test(
        next?.before ?? "",
      );
      const args = hasList ? readList(literals, at + 1) : [];
      commands.push(...expandCommand([text, ...args], line));
    } else if (RUNS_TEXT.test(before)) {
      commands.push(...findShellCommands(text, line));
    }
  }
  return commands;
}

/** Returns the items of a list that starts with the given literal. */
function readList(literals: readonly Literal[], first: number): string[] {
  const argv = [literals[first].text];
  for (const { text, before } of literals.slice(first + 1, first + 200)) {
    const code = before.replace(/[rfbu]$/i, "");
    if (!/^[^\[\]]*$/.test(code)) {
      const inside = code.slice(0, code.search(/[\[\]]/));
      argv.push(...createPlaceholders(inside));
      break;
    }
    argv.push(...createPlaceholders(code), text);
  }
  return argv;
}

/** Returns a placeholder for each item between two strings of a list. */
function createPlaceholders(code: string): string[] {
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
  const lineAt = createLineCounter(source);
  for (
    let match = pattern.exec(source);
    match !== null;
    match = pattern.exec(source)
  ) {
    before += source.slice(from, match.index);
    const [found, quote] = match;
    if (quote === undefined) {
      const end = found === "/*"
        ? findEnd(source, "*/", match.index + 2)
        : match.index + found.length;
      from = pattern.lastIndex = end;
      continue;
    }
    const start = match.index + quote.length;
    const stop = findStringEnd(source, start, quote);
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

function findEnd(source: string, mark: string, from: number): number {
  const end = source.indexOf(mark, from);
  return end < 0 ? source.length : end + mark.length;
}

/** Finds the end of a string; a single-line string ends with its line at latest. */
function findStringEnd(source: string, from: number, quote: string): number {
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
export function createLineCounter(text: string): (offset: number) => number {
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
