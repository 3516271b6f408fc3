import type { StepLog } from "../output/job_log.ts";
import { LineMatcher } from "./line_matcher.ts";
import type { Problem, ProblemMatcher } from "./problem_matchers.ts";

/** Maximum number of different problems of a run. */
const MAX_PROBLEMS = 1_000;

/** Maximum length of the message of a problem, in UTF-16 units. */
const MAX_MESSAGE_LENGTH = 2_000;

/** Maximum length of other texts of a problem, in UTF-16 units. */
const MAX_FIELD_LENGTH = 500;

/** Default time that one expression may take for one line, in milliseconds. */
const STUCK_MS = 2_000;

/** Default time that all expressions may take in a run, in milliseconds. */
const BUDGET_MS = 30_000;

/** Amount of lines that may wait, in UTF-16 units, before their writer does. */
const MAX_WAITING = 4 * 1024 * 1024;

/** Searches the output of the steps of a job for problems. */
export interface StepProblems extends AsyncDisposable {
  /**
   * Searches what is written to the log of a step.
   *
   * @param step Name of the step.
   * @param log The log, which gets the same bytes as before.
   * @param cwd Directory in which the step runs.
   * @returns The log to write to.
   */
  watch(step: string, log: StepLog, cwd: string): StepLog;
}

/** Options for {@linkcode ProblemFinder}. */
export interface ProblemFinderOptions {
  /** Called with each problem, and with the name of its output, once. */
  onProblem: (output: string, problem: Problem) => void;
  /** Called when not all lines are searched. */
  onWarning: (message: string) => void;
  /**
   * Time after which an expression that searches one line is given up, in
   * milliseconds, or at most twice as much.
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

/** Amount of lines that the thread gets at once, in UTF-16 units. */
const MAX_BATCH = 256 * 1024;

/** Lines of an output that are searched together. */
interface Batch {
  readonly output: string;
  readonly lines: string[];
  size: number;
}

/** What the thread answers: a problem, or that it has searched its lines. */
type Answer = { readonly problem: Problem } | { readonly isDone: true };

/**
 * What the thread does. It shares a list of two numbers with the runner: how
 * many expressions it has tried, and whose it tries now, or -1.
 */
const THREAD = `${LineMatcher}
let matchers, progress;
const outputs = new Map();
onmessage = ({ data }) => {
  if (data.matchers) return void ({ matchers, progress } = data);
  const { output, lines } = data;
  if (!outputs.has(output)) {
    outputs.set(output, new LineMatcher(matchers, (index) => {
      Atomics.add(progress, 0, 1);
      Atomics.store(progress, 1, index);
    }));
  }
  for (const line of lines) {
    const problem = outputs.get(output).next(line);
    if (problem) postMessage({ problem });
  }
  Atomics.store(progress, 1, -1);
  postMessage({ isDone: true });
};`;

/**
 * Searches lines of several outputs for problems, in a thread of its own.
 *
 * The lines and the expressions may come from anyone, and together they can
 * take a regular expression longer than the universe exists. The thread is
 * ended then, and goes on without the matcher that it was stuck in.
 */
export class ProblemFinder implements AsyncDisposable {
  readonly #options: ProblemFinderOptions;
  #matchers: readonly ProblemMatcher[];
  #thread: Worker | undefined;
  #progress: Int32Array = new Int32Array(2);
  readonly #queue: Batch[] = [];
  #waitingSize = 0;
  /** Runs while the thread searches lines. */
  #timer: ReturnType<typeof setInterval> | undefined;
  #startMs = 0;
  #usedMs = 0;
  #change = Promise.withResolvers<void>();
  readonly #seen = new Set<string>();

  /** Creates a finder; its thread starts with the first line. */
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
   * @returns Resolves when more lines may come.
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

  /** Waits until all lines are searched, and ends the thread. */
  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#queue.length > 0) await this.#change.promise;
    this.#end();
  }

  get #isOver(): boolean {
    return this.#matchers.length === 0;
  }

  /** Searches no more lines, not even those that wait. */
  abandon(): void {
    this.#matchers = [];
    this.#stop();
    this.#end();
    this.#queue.length = 0;
    this.#waitingSize = 0;
    this.#notify();
  }

  /** Gives the thread the first lines that wait. */
  #work(): void {
    const [batch] = this.#queue;
    if (this.#timer !== undefined || batch === undefined) return;
    const thread = this.#thread ??= this.#start();
    thread.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (this.#thread !== thread) return;
      if ("problem" in data) return this.#report(batch.output, data.problem);
      this.#stop();
      this.#queue.shift();
      this.#waitingSize -= batch.size;
      this.#notify();
      this.#work();
    };
    thread.onerror = (event) => {
      event.preventDefault();
      this.#giveUp(`Cannot search for problems: ${event.message}`);
    };
    this.#watch();
    thread.postMessage({ output: batch.output, lines: batch.lines });
  }

  /** Looks whether the thread gets on. */
  #watch(): void {
    const { stuckMs = STUCK_MS, budgetMs = BUDGET_MS } = this.#options;
    this.#startMs = performance.now();
    let tried = -1;
    this.#timer = setInterval(() => {
      const count = Atomics.load(this.#progress, 0);
      const matcher = Atomics.load(this.#progress, 1);
      if (this.#usedMs + performance.now() - this.#startMs > budgetMs) {
        this.#giveUp(
          `Problem matchers have used their ${
            budgetMs / 1000
          } s; the rest of the output is not searched`,
        );
      } else if (matcher >= 0 && count === tried) this.#drop(matcher);
      tried = count;
    }, stuckMs);
  }

  #stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#usedMs += performance.now() - this.#startMs;
  }

  #start(): Worker {
    const thread = new Worker(
      `data:text/javascript,${encodeURIComponent(THREAD)}`,
      { type: "module" },
    );
    this.#progress = new Int32Array(new SharedArrayBuffer(8)).fill(-1);
    thread.postMessage({ matchers: this.#matchers, progress: this.#progress });
    return thread;
  }

  /** Goes on without a matcher; the lines are searched again by the others. */
  #drop(matcher: number): void {
    const { owner } = this.#matchers[matcher];
    this.#stop();
    this.#end();
    this.#matchers = this.#matchers.toSpliced(matcher, 1);
    this.#options.onWarning(
      `Problem matcher "${owner}" is not used any more: an expression takes too long for a line`,
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
      `Problem matchers have found ${MAX_PROBLEMS} problems; the rest of the output is not searched`,
    );
  }

  #giveUp(message: string): void {
    this.#options.onWarning(message);
    this.abandon();
  }

  #end(): void {
    this.#thread?.terminate();
    this.#thread = undefined;
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
