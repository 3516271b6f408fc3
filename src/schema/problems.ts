import type { TextPlace } from "./locate.ts";
import { RunnerError, type RunnerErrorCode } from "../errors.ts";

/** Maximum number of problems that are told; the others are counted. */
const MAX_SHOWN = 100;

/**
 * Maximum number of values that are looked at, each use of an alias counted. A file of the
 * largest size cannot hold as many without aliases.
 */
const MAX_VALUES = 1_000_000;

/** Maximum number of characters of keys and values, each use of an alias counted. */
const MAX_CHARACTERS = 16 * 1024 * 1024;

type Path = readonly (string | number)[];

interface Problem {
  readonly path: Path;
  readonly message: string;
  readonly other: Path | undefined;
  readonly isWarning: boolean;
}

/** What kind of file is read, for messages, and what it is to be refused with. */
export interface FileKind {
  /** The kind, worded to stand before the path. */
  readonly words: string;
  /** Code of the error. */
  readonly code: RunnerErrorCode;
}

/** A file that describes one job. */
export const JOB_FILE: FileKind = {
  words: "job file",
  code: "invalid-job-file",
};

/** Gathers what is wrong with a file, and bounds the work of reading it. */
export class Problems {
  readonly #name: string;
  readonly #kind: FileKind;
  readonly #told: Problem[] = [];
  #document: unknown;
  #total = 0;
  #errorCount = 0;
  #valueCount = 0;
  #length = 0;

  /**
   * Creates an empty list.
   *
   * @param name Path of the file as the user gave it.
   * @param kind What kind of file it is.
   */
  constructor(name: string, kind: FileKind = JOB_FILE) {
    this.#name = name;
    this.#kind = kind;
  }

  /**
   * Counts a value that is looked at.
   *
   * @param texts Its key and its text, if it has them.
   * @throws {RunnerError} With the code of the kind, if there are too many.
   */
  count(...texts: unknown[]): void {
    this.#valueCount++;
    for (const text of texts) {
      if (typeof text === "string") this.#length += text.length;
    }
    if (this.#valueCount > MAX_VALUES) this.#stop(`${MAX_VALUES} values`);
    if (this.#length > MAX_CHARACTERS) {
      this.#stop(`${MAX_CHARACTERS} characters`);
    }
  }

  #stop(limit: string): never {
    throw new RunnerError(
      `Cannot read ${this.#kind.words} "${this.#name}": its aliases stand for more than ${limit}`,
      { code: this.#kind.code },
    );
  }

  /**
   * Names the document that is read: no problem is to repeat its secrets.
   *
   * @param document Parsed file, with every scalar as text.
   */
  readFrom(document: unknown): void {
    this.#document = document;
  }

  /**
   * Adds a problem.
   *
   * @param path Keys and indexes that lead to its place.
   * @param message Words what is wrong; called only if it is shown.
   * @param other Place with which the message ends, if there is one.
   */
  add(path: Path, message: () => string, other?: Path): void {
    this.#errorCount++;
    this.#add(path, message, other, false);
  }

  /**
   * Adds a problem that does not keep the file from being used.
   *
   * @param path Keys and indexes that lead to its place.
   * @param message Words what is wrong; called only if it is shown.
   */
  warn(path: Path, message: () => string): void {
    this.#add(path, message, undefined, true);
  }

  #add(
    path: Path,
    message: () => string,
    other: Path | undefined,
    isWarning: boolean,
  ): void {
    this.#total++;
    if (this.#told.length < MAX_SHOWN) {
      this.#told.push({ path, message: message(), other, isWarning });
    }
  }

  /**
   * Fails if there is a problem that is not just a warning. Warnings are listed
   * as well: a mistyped key often is why another one is missing.
   *
   * @param text Text of the file, in which the problems are located.
   * @throws {RunnerError} With the code of the kind, with every problem.
   */
  async throwIfAny(text: string): Promise<void> {
    if (this.#errorCount === 0) return;
    const lines = await this.#lines(text, this.#told);
    throw new RunnerError(
      `Cannot use ${this.#kind.words} "${this.#name}": ${this.#total} problem${
        this.#total > 1 ? "s" : ""
      }\n${lines.join("\n")}`,
      { code: this.#kind.code },
    );
  }

  /**
   * Lists the warnings.
   *
   * @param text Text of the file, in which they are located.
   * @returns A line for each one, with its place.
   */
  async warnings(text: string): Promise<string[]> {
    return this.#total === this.#errorCount
      ? []
      : await this.#lines(text, this.#told.filter((one) => one.isWarning));
  }

  async #lines(text: string, problems: readonly Problem[]): Promise<string[]> {
    const { makeLocator } = await import("./locate.ts");
    const locate = makeLocator(text);
    const textOf = ({ line, column }: TextPlace) =>
      `${this.#name}:${line}:${column}`;
    const lines = problems
      .map((problem) => ({ ...problem, place: locate(problem.path) }))
      .sort((a, b) =>
        a.place.line - b.place.line || a.place.column - b.place.column
      )
      .map(({ place, message, other }) =>
        `${textOf(place)}: ${hideValues(message, this.#document)}` +
        (other === undefined ? "" : ` ${textOf(locate(other))}`)
      );
    const rest = this.#total - this.#told.length;
    return rest > 0 ? [...lines, `and ${rest} more`] : lines;
  }
}

/** Keys whose values may be secret, or hold what is. */
const KEYS: ReadonlySet<string> = new Set([
  "environment",
  "env",
  "job_env",
  "secret_values_list",
  "secrets",
]);

/** Shorter values protect nothing, and are parts of many others. */
const MIN_LENGTH = 4;

/** A value that a message repeats. */
const REPEATED = /\bnot ("(?:[^"\\]|\\.)*")/g;

/**
 * Hides what a message repeats of values that may be secret: variables and
 * listed secrets of a file whose other values are wrong.
 *
 * A file that is wrong is no configuration, so that nothing says which of its
 * variables are secret.
 */
function hideValues(message: string, document: unknown): string {
  if (!message.includes('not "')) return message;
  const hidden = valuesOf(document);
  return message.replace(REPEATED, (whole, quoted) => {
    let text: string;
    try {
      text = JSON.parse(quoted);
    } catch {
      // Cut in the middle of a character.
      return 'not "[REDACTED]"';
    }
    const isHidden = hidden.some((value) =>
      text.includes(value) || text.length >= 100 && value.startsWith(text)
    );
    return isHidden ? 'not "[REDACTED]"' : whole;
  });
}

function valuesOf(document: unknown): string[] {
  const values = new Set<string>();
  const seen = new Set<unknown>();
  const hiddenSeen = new Set<unknown>();
  const visit = (value: unknown, isHidden: boolean): void => {
    if (typeof value === "string") {
      if (!isHidden) return;
      // A text may be lines of variables, or a list.
      for (const part of [value, ...value.split(/[\n,]|(?<=^|\n)[^=\n]*=/)]) {
        if (part.trim().length >= MIN_LENGTH) values.add(part.trim());
      }
    } else if (typeof value === "object" && value !== null) {
      // Visited again where its values are hidden, if they were not before.
      if (seen.has(value) && !isHidden) return;
      if (isHidden && hiddenSeen.has(value)) return;
      seen.add(value);
      if (isHidden) hiddenSeen.add(value);
      for (const [key, member] of Object.entries(value)) {
        visit(member, isHidden || KEYS.has(key));
      }
    }
  };
  visit(document, false);
  return [...values];
}
