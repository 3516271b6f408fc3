import type { RunningProcess } from "../process/spawn.ts";
import { LineMatcher } from "./line_matcher.ts";
import program from "./matcher_program.js" with { type: "text" };
import type { Problem, ProblemMatcher } from "./problem_matchers.ts";

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
