import type { RunningProcess } from "../process/spawn.ts";
import program from "./matcher_program.js" with { type: "text" };
import type {
  Problem,
  ProblemMatcher,
  ProblemPattern,
  ProblemSeverity,
} from "./problem_matchers.ts";

/** Groups that a pattern has found in its line. */
type Found = Partial<Record<keyof ProblemPattern, string>>;

/**
 * Finds problems in the lines of one output.
 *
 * A separate process gets the text of this class, because an expression may
 * take forever. Therefore, the class uses nothing from its module.
 */
export class LineMatcher {
  readonly #matchers: readonly (ProblemMatcher & { expressions: RegExp[] })[];
  /** For each matcher, the groups found up to each of its patterns. */
  readonly #states: (Found | undefined)[][];
  readonly #onTry: (matcher: number) => void;

  /**
   * Creates a matcher for an output, starting at its first line.
   *
   * @param matchers Matchers; a line goes to the first one that matches it.
   * @param onTry Called with the index of a matcher before that matcher tries a
   * line.
   */
  constructor(
    matchers: readonly ProblemMatcher[],
    onTry: (matcher: number) => void,
  ) {
    this.#matchers = matchers.map((matcher) => ({
      ...matcher,
      expressions: matcher.patterns.map(({ regexp }) => new RegExp(regexp)),
    }));
    this.#states = matchers.map(() => []);
    this.#onTry = onTry;
  }

  /**
   * Matches the next line.
   *
   * @param line The line, without escape sequences.
   * @returns The problem that the line completes.
   */
  next(line: string): Problem | undefined {
    for (const [index, matcher] of this.#matchers.entries()) {
      this.#onTry(index);
      const found = this.#match(index, line);
      if (found === undefined) continue;
      // The problem of another tool ends here.
      for (const other of this.#states.keys()) {
        if (other !== index) this.#states[other] = [];
      }
      return LineMatcher.#problemOf(matcher, found);
    }
    return undefined;
  }

  /**
   * Tries the patterns from the last to the first, so that a line continues a
   * problem before it starts another one.
   */
  #match(index: number, line: string): Found | undefined {
    const { patterns, expressions } = this.#matchers[index];
    const states = this.#states[index];
    const last = patterns.length - 1;
    for (let at = last; at >= 0; at--) {
      const before = at === 0 ? {} : states[at - 1];
      const match = before &&
        LineMatcher.#execute(expressions[at], line);
      const found = match
        ? { ...before, ...LineMatcher.#groups(match, patterns[at]) }
        : undefined;
      if (at < last) {
        states[at] = found;
      } else if (found !== undefined) {
        this.#states[index] = [];
        if (patterns[at].loop) this.#states[index][at - 1] = before;
        return found;
      }
    }
    return undefined;
  }

  /** Executes an expression; it may overflow the stack. */
  static #execute(expression: RegExp, line: string): RegExpExecArray | null {
    try {
      return expression.exec(line);
    } catch {
      return null;
    }
  }

  static #groups(match: RegExpExecArray, pattern: ProblemPattern): Found {
    const found: Found = {};
    for (const [name, group] of Object.entries(pattern)) {
      if (typeof group !== "number") continue;
      const text = match[group]?.trim();
      if (text) found[name as keyof Found] = text;
    }
    return found;
  }

  /** GitHub skips a problem without a message, or of an unknown severity. */
  static #problemOf(
    matcher: ProblemMatcher,
    found: Found,
  ): Problem | undefined {
    const { owner } = matcher;
    const { message, code } = found;
    const severity = (found.severity ?? matcher.severity).toLowerCase();
    const isKnown = ["error", "warning", "notice"].includes(severity);
    if (message === undefined || !isKnown) return undefined;
    const base = found.fromPath ?? matcher.fromPath;
    const { file } = found;
    const isRelative = file !== undefined && !file.startsWith("/");
    const directory = isRelative ? base?.replace(/[^/]*$/, "") ?? "" : "";
    const [line, column] = [found.line, found.column].map((text) =>
      text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
    );
    return {
      owner,
      severity: severity as ProblemSeverity,
      message,
      ...file === undefined ? {} : { file: directory + file },
      ...line === undefined ? {} : { line },
      ...column === undefined ? {} : { column },
      ...code === undefined ? {} : { code },
    };
  }
}

/** Lines that are searched together. */
export interface MatcherRequest {
  /** Name of the output that they belong to. */
  readonly output: string;
  readonly lines: readonly string[];
}

/**
 * Answer of the process: a problem, the index of the matcher that it tries
 * next, that it has searched its lines, or that it is making progress.
 */
export type MatcherAnswer =
  | { readonly problem: Problem }
  | { readonly matcher: number }
  | { readonly isDone: true }
  | Record<string, never>;

/** Options for {@linkcode MatcherProcess}. */
export interface MatcherProcessOptions {
  matchers: readonly ProblemMatcher[];
  /** Whether it names each matcher before trying it, which takes time. */
  isCareful: boolean;
  /** Called with each answer. */
  onAnswer: (answer: MatcherAnswer) => void;
  /** Called if the process ends by itself. */
  onEnd: () => void;
}

/** Program of the process, for Deno. */
export const MATCHER_PROGRAM: string = `${LineMatcher}\n${program}`;

/** A process that searches lines for problems. */
export class MatcherProcess {
  /** Resolves when the process has ended and its output was read. */
  readonly ended: Promise<unknown>;
  readonly #child: RunningProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #options: MatcherProcessOptions;
  #isKilled = false;

  /**
   * Controls a process that runs {@linkcode MATCHER_PROGRAM}.
   *
   * @param child The process; each of its streams is a separate pipe. @param
   * options Matchers and callbacks.
   */
  constructor(child: RunningProcess, options: MatcherProcessOptions) {
    this.#child = child;
    this.#options = options;
    this.#writer = child.stdin!.getWriter();
    this.ended = Promise.all([this.#read(), drain(child.stderr!)])
      .then(() => child.status)
      .then(() => {
        if (!this.#isKilled) options.onEnd();
      })
      .then(() => this.#writer.abort().catch(() => {}));
    const { matchers, isCareful } = options;
    this.#write({ matchers, isCareful });
  }

  /** Sends lines. */
  send(request: MatcherRequest): void {
    this.#write(request);
  }

  /** Kills the process. No callback is called after that. */
  kill(): void {
    this.#isKilled = true;
    this.#child.signal("SIGKILL");
  }

  #write(message: object): void {
    const bytes = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
    // If the process has ended, the code that awaits its end reports it.
    this.#writer.write(bytes).catch(() => {});
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of this.#child.stdout) {
      const lines = (rest + decoder.decode(bytes, { stream: true }))
        .split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (!this.#isKilled) this.#options.onAnswer(JSON.parse(line));
      }
    }
  }
}

async function drain(stream: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of stream);
}
