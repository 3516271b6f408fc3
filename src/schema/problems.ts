import { RunnerError, type RunnerErrorCode } from "../errors.ts";
import type { DocumentNode } from "./document.ts";
import {
  makeExcerpts,
  placedProblem,
  PRIVATE_KEYS,
  type TextPlace,
} from "./excerpt.ts";

/** Maximum number of problems that are listed; the others are counted. */
const MAX_SHOWN = 100;

/**
 * Maximum number of values, counting each use of an alias. Without aliases, a
 * file of the maximum size cannot contain as many.
 */
const MAX_VALUES = 1_000_000;

/**
 * Maximum total length of keys and values in characters, counting each use of
 * an alias.
 */
const MAX_CHARACTERS = 16 * 1024 * 1024;

type Path = readonly (string | number)[];

interface Problem {
  readonly path: Path;
  readonly message: string;
  readonly other: Path | undefined;
  readonly isWarning: boolean;
}

/** Kind of a file, for errors. */
export interface FileKind {
  /** The kind, phrased to precede the path. */
  readonly words: string;
  /** Code of the error. */
  readonly code: RunnerErrorCode;
}

/** A file that describes one job. */
export const JOB_FILE: FileKind = {
  words: "job file",
  code: "invalid-job-file",
};

/** Collects the problems of a file, and limits the work of reading it. */
export class Problems {
  readonly #name: string;
  readonly #kind: FileKind;
  readonly #shown: Problem[] = [];
  #document: unknown;
  #total = 0;
  #errorCount = 0;
  #valueCount = 0;
  #length = 0;

  /** @param name Path of the file as the user wrote it. */
  constructor(name: string, kind: FileKind = JOB_FILE) {
    this.#name = name;
    this.#kind = kind;
  }

  /**
   * Counts a value.
   *
   * @param texts Its key and text, if any.
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
      `Cannot read ${this.#kind.words} "${this.#name}": its aliases expand to more than ${limit}`,
      { code: this.#kind.code },
    );
  }

  /**
   * Sets the document, whose secrets are hidden in all messages.
   *
   * @param document Parsed file, in which all scalars are strings.
   */
  setDocument(document: unknown): void {
    this.#document = document;
  }

  /**
   * Adds a problem.
   *
   * @param path Keys and indexes that lead to its position.
   * @param message Returns the message; called only if it is shown.
   * @param other Path of the position that ends the message.
   */
  add(path: Path, message: () => string, other?: Path): void {
    this.#errorCount++;
    this.#add(path, message, other, false);
  }

  /**
   * Adds a warning, which does not make the file invalid.
   *
   * @param path Keys and indexes that lead to its position.
   * @param message Returns the message; called only if it is shown.
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
    if (this.#shown.length < MAX_SHOWN) {
      this.#shown.push({ path, message: message(), other, isWarning });
    }
  }

  /**
   * Throws if there is a problem that is not just a warning. The error lists
   * the warnings too, since a mistyped key is often the reason why another one
   * is missing.
   *
   * @param text Text of the file, in which positions are looked up.
   * @throws {RunnerError} With the code of the kind, and all problems.
   */
  async throwIfAny(text: string): Promise<void> {
    if (this.#errorCount === 0) return;
    const lines = await this.#formatProblems(text, this.#shown);
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
   * @param text Text of the file, in which positions are looked up.
   * @returns One line for each warning, with its position.
   */
  async warnings(text: string): Promise<string[]> {
    return this.#total === this.#errorCount ? [] : (await this.#formatProblems(
      text,
      this.#shown.filter((problem) => problem.isWarning),
    ))
      .map((problem) => problem.split("\n", 1)[0]);
  }

  async #formatProblems(
    text: string,
    problems: readonly Problem[],
  ): Promise<string[]> {
    const { makeLocator } = await import("./locate.ts");
    const locate = makeLocator(text);
    const excerpts = makeExcerpts(text, collectValues(this.#document));
    const formatPlace = ({ line, column }: TextPlace) =>
      `${this.#name}:${line}:${column}`;
    const lines = problems
      .map((problem) => ({ ...problem, place: locate(problem.path) }))
      .sort((a, b) =>
        a.place.line - b.place.line || a.place.column - b.place.column
      )
      .map(({ place, message, other }) =>
        placedProblem(
          this.#name,
          excerpts,
          place,
          hideValues(message, this.#document) +
            (other === undefined ? "" : ` ${formatPlace(locate(other))}`),
        )
      );
    const moreCount = this.#total - this.#shown.length;
    return moreCount > 0 ? [...lines, `and ${moreCount} more`] : lines;
  }
}

/**
 * Minimum length of a value that is hidden, in characters. Shorter values are
 * parts of many others, so hiding them would protect nothing.
 */
const MIN_LENGTH = 4;

/** A value that a message repeats. */
const REPEATED = /\bnot ("(?:[^"\\]|\\.)*")/g;

/**
 * Hides parts of a message that may be secret: values of variables and of
 * listed secrets.
 *
 * An invalid file is not a configuration, so it is unknown which of its
 * variables are secret.
 */
function hideValues(message: string, document: unknown): string {
  if (!message.includes('not "')) return message;
  const hidden = collectValues(document);
  return message.replace(REPEATED, (whole, quoted) => {
    let text: string;
    try {
      text = JSON.parse(quoted);
    } catch {
      // It was cut in the middle of a character.
      return 'not "[REDACTED]"';
    }
    const isHidden = hidden.some((value) =>
      text.includes(value) || text.length >= 100 && value.startsWith(text)
    );
    return isHidden ? 'not "[REDACTED]"' : whole;
  });
}

/** Collects the values of a document that may be secret. */
function collectValues(document: unknown): string[] {
  const values = new Set<string>();
  const seen = new Set<unknown>();
  const hiddenSeen = new Set<unknown>();
  const visit = (value: unknown, isHidden: boolean): void => {
    if (typeof value === "string") {
      if (!isHidden) return;
      // Text may contain variables in lines, or a list.
      for (const part of [value, ...value.split(/[\n,]|(?<=^|\n)[^=\n]*=/)]) {
        if (part.trim().length >= MIN_LENGTH) values.add(part.trim());
      }
    } else if (typeof value === "object" && value !== null) {
      // A value is visited again to hide its parts if they were not hidden
      // before.
      if (seen.has(value) && !isHidden) return;
      if (isHidden && hiddenSeen.has(value)) return;
      seen.add(value);
      if (isHidden) hiddenSeen.add(value);
      for (const [key, member] of Object.entries(value)) {
        visit(member, isHidden || PRIVATE_KEYS.has(key));
      }
    }
  };
  visit(document, false);
  return [...values];
}

/** Paths of the files of other CI systems. */
const FOREIGN_PATHS: readonly (readonly [pattern: RegExp, system: string])[] = [
  [/(^|\/)\.gitlab-ci\.ya?ml$/, "GitLab CI"],
  [/(^|\/)\.(github|gitea|forgejo)\/workflows\/[^/]+$/, "GitHub Actions"],
  [/(^|\/)\.circleci\/[^/]+$/, "CircleCI"],
  [/(^|\/)\.travis\.ya?ml$/, "Travis CI"],
  [/(^|\/)azure-pipelines\.ya?ml$/, "Azure Pipelines"],
  [/(^|\/)bitbucket-pipelines\.ya?ml$/, "Bitbucket Pipelines"],
  [/(^|\/)\.woodpecker(\/[^/]+|\.ya?ml)$/, "Woodpecker CI"],
  [/(^|\/)\.drone\.ya?ml$/, "Drone CI"],
  [/(^|\/)\.buildkite\/[^/]+$/, "Buildkite"],
];

/** Paths of programs, which "runnerlib exec" runs. */
const PIPELINE = /\.(?:[cm]?[jt]s|[jt]sx|py)$/;

/** Keys of job and workflow files; each file has at least one of them. */
const DISTINCTIVE_KEYS: readonly string[] = ["command", "steps", "job", "jobs"];

/**
 * Refuses a file whose path is that of a pipeline, or of a file of another CI
 * system. Its text may be a dialect of YAML that cannot be parsed here.
 *
 * @param name Path as the user wrote it.
 * @throws {RunnerError} With the code of the kind.
 */
export function refuseForeignPath(
  name: string,
  kind: FileKind,
): void {
  if (PIPELINE.test(name)) {
    throw new RunnerError(
      `Cannot read ${kind.words} "${name}": it is a program, which "runnerlib exec ${name}" runs`,
      { code: kind.code },
    );
  }
  for (const [pattern, system] of FOREIGN_PATHS) {
    if (pattern.test(name)) throw foreignError(name, system, kind);
  }
}

/**
 * Refuses a file that is written for another CI system.
 *
 * @param name Path as the user wrote it.
 * @throws {RunnerError} With the code of the kind.
 */
export function refuseForeignDocument(
  document: DocumentNode,
  name: string,
  kind: FileKind,
): void {
  const entries = document.entries ?? [];
  const jobs = entries.find(([key]) => key === "jobs")?.[1].entries ?? [];
  if (jobs.some(([, job]) => hasKey(job, "runs-on"))) {
    throw foreignError(name, "GitHub Actions", kind);
  }
  if (entries.some(([key]) => DISTINCTIVE_KEYS.includes(key))) return;
  if (entries.some(([, value]) => hasKey(value, "script"))) {
    throw foreignError(name, "GitLab CI", kind);
  }
}

function hasKey(node: DocumentNode, key: string): boolean {
  return node.entries?.some(([name]) => name === key) ?? false;
}

function foreignError(
  name: string,
  system: string,
  { words, code }: FileKind,
): RunnerError {
  return new RunnerError(
    `Cannot read ${words} "${name}": it is a ${system} file, and runnerlib has its own format\n` +
      '  "runnerlib init" writes a starter file; docs/recipes.md shows how to translate the rest',
    { code },
  );
}
