import { isObject } from "../json_value.ts";

/** Maximum number of matchers of a run; GitHub has no limit. */
const MAX_MATCHERS = 100;

/** Maximum number of lines of one problem. */
const MAX_PATTERNS = 10;

/** Maximum length of an expression, in UTF-16 units. */
const MAX_EXPRESSION_LENGTH = 4_000;

/** Fields of a pattern that refer to a group of its expression. */
const GROUPS = [
  "file",
  "fromPath",
  "line",
  "column",
  "severity",
  "code",
  "message",
] as const;

/** How bad a problem is. */
export type ProblemSeverity = "error" | "warning" | "notice";

/** A problem that a tool found, usually in a line of a source file. */
export interface Problem {
  /** Name of the matcher that has found it. */
  readonly owner: string;
  readonly severity: ProblemSeverity;
  readonly message: string;
  /** Path as the tool prints it. */
  readonly file?: string;
  /** Number of the line, from 1. */
  readonly line?: number;
  /** Number of the column, from 1. */
  readonly column?: number;
  /** Rule of the tool. */
  readonly code?: string;
}

/** Expression for one line, and the group number of each field. */
export interface ProblemPattern
  extends Readonly<Partial<Record<typeof GROUPS[number], number>>> {
  readonly regexp: string;
  /**
   * Whether the last line of a problem may be followed by more lines of the
   * same kind.
   */
  readonly loop?: boolean;
}

/** Finds the problems of one tool in its output. */
export interface ProblemMatcher {
  /** Name, which is unique in a run. */
  readonly owner: string;
  /** Severity of problems whose lines have none. */
  readonly severity: string;
  /** Path of a file to whose directory paths are relative. */
  readonly fromPath?: string;
  /** Expressions for one line each, in the order of the lines. */
  readonly patterns: readonly ProblemPattern[];
}

/**
 * Reads problem matchers in the format of GitHub.
 *
 * @param text Text of the file.
 * @returns The matchers.
 * @throws {Error} If the text is invalid; the message lists all problems and
 * continues `Cannot use …: `.
 * @see https://github.com/actions/toolkit/blob/main/docs/problem-matchers.md
 */
export function parseProblemMatchers(text: string): ProblemMatcher[] {
  let document: unknown;
  try {
    document = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    throw new Error("not valid JSON");
  }
  const problems: string[] = [];
  const matchers = readMatchers(document, (place, what) => {
    problems.push(place === "" ? what : `${place} ${what}`);
  });
  if (problems.length > 0) throw new Error(problems.join("\n  "));
  return matchers;
}

/** Reports a problem at a position in the document. */
type Report = (place: string, what: string) => void;

function readMatchers(document: unknown, report: Report): ProblemMatcher[] {
  const list = isObject(document) ? document.problemMatcher : undefined;
  if (!Array.isArray(list)) {
    report("", 'must be an object with a list "problemMatcher"');
    return [];
  }
  if (list.length > MAX_MATCHERS) {
    report("problemMatcher", `must have at most ${MAX_MATCHERS} members`);
    return [];
  }
  return list.flatMap((value, index) =>
    readMatcher(value, `problemMatcher[${index}]`, report) ?? []
  );
}

function readMatcher(
  value: unknown,
  place: string,
  report: Report,
): ProblemMatcher | undefined {
  if (!isObject(value)) return void report(place, "must be an object");
  const { owner, severity = "error", fromPath } = value;
  if (typeof owner !== "string" || owner === "") {
    report(`${place}.owner`, "must be a string that is not empty");
  }
  if (typeof severity !== "string") {
    report(`${place}.severity`, "must be a string");
  }
  if (fromPath !== undefined && typeof fromPath !== "string") {
    report(`${place}.fromPath`, "must be a string");
  }
  const patternValues = Array.isArray(value.pattern)
    ? value.pattern
    : [value.pattern];
  if (patternValues.length === 0 || patternValues.length > MAX_PATTERNS) {
    report(`${place}.pattern`, `must have 1 to ${MAX_PATTERNS} members`);
    return undefined;
  }
  const patterns = patternValues.flatMap((one, index) =>
    readPattern(one, `${place}.pattern[${index}]`, report) ?? []
  );
  if (patterns.length === patternValues.length) {
    checkPatterns(patterns, `${place}.pattern`, report);
  }
  return { owner, severity, fromPath, patterns } as ProblemMatcher;
}

function readPattern(
  value: unknown,
  place: string,
  report: Report,
): ProblemPattern | undefined {
  if (!isObject(value)) return void report(place, "must be an object");
  const { regexp, loop = false } = value;
  if (typeof regexp !== "string" || regexp.length > MAX_EXPRESSION_LENGTH) {
    report(
      `${place}.regexp`,
      `must be a string of at most ${MAX_EXPRESSION_LENGTH} characters`,
    );
    return undefined;
  }
  const reason = findExpressionProblem(regexp);
  if (reason !== undefined) report(`${place}.regexp`, reason);
  if (typeof loop !== "boolean") {
    report(`${place}.loop`, "must be true or false");
  }
  const groups: Record<string, unknown> = {};
  for (const name of GROUPS) {
    const { [name]: group } = value;
    if (group === undefined || group === null) continue;
    groups[name] = group;
    if (Number.isSafeInteger(group) && (group as number) >= 0) continue;
    report(`${place}.${name}`, "must be the number of a group");
  }
  return { regexp, ...loop ? { loop: true } : {}, ...groups } as ProblemPattern;
}

function findExpressionProblem(regexp: string): string | undefined {
  try {
    new RegExp(regexp);
    return undefined;
  } catch {
    return "must be a regular expression of JavaScript";
  }
}

function checkPatterns(
  patterns: readonly ProblemPattern[],
  place: string,
  report: Report,
): void {
  const last = patterns.length - 1;
  for (const [index, { loop, message }] of patterns.entries()) {
    if (loop && (index < last || last === 0)) {
      report(
        `${place}[${index}].loop`,
        "is only for the last of several patterns",
      );
    }
    if (loop && message === undefined) {
      report(`${place}[${index}].message`, "is required with loop");
    }
  }
  for (const name of GROUPS) {
    const count = patterns.filter((one) => one[name] !== undefined).length;
    if (count > 1) report(place, `must have only one "${name}"`);
    if (count === 0 && name === "message") {
      report(place, 'must have a "message"');
    }
  }
}
