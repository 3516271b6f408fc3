import program from "./matcher_program.js" with { type: "text" };
import type { StepLog } from "../output/job_log.ts";
import type { RunningProcess } from "../process/spawn.ts";
import type {
  Problem,
  ProblemMatcher,
  ProblemPattern,
  ProblemSeverity,
} from "./problem_matchers.ts";

/** Maximum number of different problems of a run. */
const MAX_PROBLEMS = 1_000;

/** Maximum length of the message of a problem, in UTF-16 units. */
const MAX_MESSAGE_LENGTH = 2_000;

/** Maximum length of other texts of a problem, in UTF-16 units. */
const MAX_FIELD_LENGTH = 500;

/** Default time limit of one expression on one line, in milliseconds. */
const STUCK_MS = 2_000;

/** Default time limit of all expressions in a run, in milliseconds. */
const BUDGET_MS = 30_000;

/**
 * Length of queued lines at which their writer has to wait, in UTF-16 units.
 */
const MAX_WAITING = 4 * 1024 * 1024;

/** Searches the output of the steps of a job for problems. */
export interface StepProblems extends AsyncDisposable {
  /**
   * Searches everything written to the log of a step.
   *
   * @param step Name of the step.
   * @param log The log, which gets the same bytes as before.
   * @param cwd Directory in which the step runs.
   * @returns The log to write to.
   */
  watch(step: string, log: StepLog, cwd: string): StepLog;
}

/**
 * Number of checks without a response after which the process counts as stuck.
 */
const MAX_SILENT_CHECKS = 4;

/** Options for {@linkcode ProblemFinder}. */
export interface ProblemFinderOptions {
  /**
   * Starts a process that runs the program for matchers, with pipes for its
   * input and, separately, for both of its outputs.
   */
  start: () => RunningProcess;
  /** Called with each problem, and with the name of its output, once. */
  onProblem: (output: string, problem: Problem) => void;
  /** Called when not all lines are searched. */
  onWarning: (message: string) => void;
  /**
   * Time limit of an expression on one line, in milliseconds. The line is tried
   * twice, to find out which expression is slow.
   *
   * @default {2_000}
   */
  stuckMs?: number;
  /**
   * Time after which no more lines are searched, in milliseconds.
   *
   * @default {30_000}
   */
  budgetMs?: number;
}

/**
 * Length of the lines that are sent to the process at a time, in UTF-16 units.
 */
const MAX_BATCH = 256 * 1024;

/** Lines of an output that are searched together. */
interface Batch {
  readonly output: string;
  readonly lines: string[];
  size: number;
}

/**
 * Searches lines of several outputs for problems, in a separate process.
 *
 * The lines and the expressions may come from anyone, and can make a regular
 * expression run forever. A stuck process can be killed; a stuck thread cannot.
 * The next process names each matcher before trying it, and the one after that
 * omits the matcher that got stuck.
 */
export class ProblemFinder implements AsyncDisposable {
  readonly #options: ProblemFinderOptions;
  #matchers: readonly ProblemMatcher[];
  #process: MatcherProcess | undefined;
  #isReady = false;
  #isCareful = false;
  /** Index of the matcher that is being tried, if the process names them. */
  #tried = 0;
  /** Number of checks without a response from the process. */
  #silence = 0;
  readonly #endings: Promise<unknown>[] = [];
  readonly #queue: Batch[] = [];
  #waitingSize = 0;
  /** Runs while the process searches lines. */
  #timer: ReturnType<typeof setInterval> | undefined;
  #startMs = 0;
  #usedMs = 0;
  #change = Promise.withResolvers<void>();
  readonly #seen = new Set<string>();

  /** Creates a finder; its process starts with the first line. */
  constructor(
    matchers: readonly ProblemMatcher[],
    options: ProblemFinderOptions,
  ) {
    this.#matchers = matchers;
    this.#options = options;
  }

  /**
   * Searches the next lines of an output.
   *
   * @param output Name of the output.
   * @param lines Lines without escape sequences and breaks.
   * @returns Resolves when more lines are accepted.
   */
  async search(output: string, lines: readonly string[]): Promise<void> {
    if (lines.length === 0 || this.#isOver) return;
    const size = lines.reduce((sum, line) => sum + line.length + 1, 0);
    const last = this.#queue.at(-1);
    if (
      this.#queue.length > 1 && last?.output === output &&
      last.size < MAX_BATCH
    ) {
      last.lines.push(...lines);
      last.size += size;
    } else this.#queue.push({ output, lines: [...lines], size });
    this.#waitingSize += size;
    this.#work();
    while (this.#waitingSize > MAX_WAITING) await this.#change.promise;
  }

  /** Waits until all lines are searched, and ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#queue.length > 0) await this.#change.promise;
    this.#end();
    await Promise.all(this.#endings);
  }

  get #isOver(): boolean {
    return this.#matchers.length === 0;
  }

  /** Stops searching, and drops the lines that wait. */
  abandon(): void {
    this.#matchers = [];
    this.#stop();
    this.#end();
    this.#queue.length = 0;
    this.#waitingSize = 0;
    this.#notify();
  }

  /** Sends the first waiting lines to the process. */
  #work(): void {
    const [batch] = this.#queue;
    if (this.#timer !== undefined || batch === undefined) return;
    const { output, lines } = batch;
    this.#process ??= this.#start();
    this.#watch();
    this.#process.send({ output, lines });
  }

  #answer(answer: MatcherAnswer): void {
    this.#isReady = true;
    this.#silence = 0;
    const [batch] = this.#queue;
    if ("matcher" in answer) this.#tried = answer.matcher;
    else if ("problem" in answer) this.#report(batch.output, answer.problem);
    else if ("isDone" in answer) {
      this.#stop();
      this.#queue.shift();
      this.#waitingSize -= batch.size;
      this.#notify();
      this.#work();
    }
  }

  /** Checks whether the process makes progress. */
  #watch(): void {
    const { stuckMs = STUCK_MS, budgetMs = BUDGET_MS } = this.#options;
    this.#startMs = performance.now();
    this.#silence = 0;
    this.#timer = setInterval(() => {
      if (this.#usedMs + performance.now() - this.#startMs > budgetMs) {
        this.#giveUp(
          `Problem matchers have reached their time limit of ${
            budgetMs / 1000
          } s; the rest of the output is not searched`,
        );
      } else if (this.#isReady && ++this.#silence > MAX_SILENT_CHECKS) {
        this.#onStuck();
      }
    }, stuckMs / MAX_SILENT_CHECKS);
  }

  #stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#usedMs += performance.now() - this.#startMs;
  }

  #start(): MatcherProcess {
    this.#isReady = false;
    const process = new MatcherProcess(this.#options.start(), {
      matchers: this.#matchers,
      isCareful: this.#isCareful,
      onAnswer: (answer) => this.#answer(answer),
      onEnd: () =>
        this.#giveUp("Cannot search for problems: the process has ended"),
    });
    this.#endings.push(process.ended);
    return process;
  }

  #onStuck(): void {
    this.#stop();
    this.#end();
    if (this.#isCareful) return this.#drop(this.#tried);
    this.#isCareful = true;
    this.#work();
  }

  /** Continues without a matcher; the others search the lines again. */
  #drop(matcher: number): void {
    const { owner } = this.#matchers[matcher];
    this.#matchers = this.#matchers.toSpliced(matcher, 1);
    this.#options.onWarning(
      `Problem matcher "${owner}" disabled: an expression takes too long on a line`,
    );
    if (this.#isOver) this.abandon();
    else this.#work();
  }

  #report(output: string, problem: Problem): void {
    const cut = cutTexts(problem);
    const key = JSON.stringify([output, cut]);
    if (this.#isOver || this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#options.onProblem(output, cut);
    if (this.#seen.size < MAX_PROBLEMS) return;
    this.#giveUp(
      `Problem matchers found ${MAX_PROBLEMS} problems; the rest of the output is not searched`,
    );
  }

  #giveUp(message: string): void {
    this.#options.onWarning(message);
    this.abandon();
  }

  #end(): void {
    this.#process?.kill();
    this.#process = undefined;
  }

  #notify(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}

function cutTexts(problem: Problem): Problem {
  return Object.fromEntries(
    Object.entries(problem).map(([name, value]) => {
      const limit = name === "message" ? MAX_MESSAGE_LENGTH : MAX_FIELD_LENGTH;
      return [
        name,
        typeof value === "string" && value.length > limit
          ? `${value.slice(0, limit - 1).toWellFormed()}…`
          : value,
      ];
    }),
  ) as unknown as Problem;
}

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
      return LineMatcher.#createProblem(matcher, found);
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
  static #createProblem(
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
type MatcherAnswer =
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
class MatcherProcess {
  /** Resolves when the process has ended and its output was read. */
  readonly ended: Promise<unknown>;
  readonly #child: RunningProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #options: MatcherProcessOptions;
  #isKilled = false;

  /**
   * Controls a process that runs {@linkcode MATCHER_PROGRAM}.
   *
   * @param child The process; each of its streams is a separate pipe.
   * @param options Matchers and callbacks.
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
