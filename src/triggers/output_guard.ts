import { LINE_BREAK, LINE_FEED } from "../output/line_limit.ts";
import type { Sink } from "../output/sink.ts";
import { LineGuard } from "./line_guard.ts";

/**
 * Keeps what steps print apart from messages to the worker, which watches the
 * same streams.
 */
export class OutputGuard {
  readonly #stdout: Lane;
  readonly #stderr: Lane;

  /**
   * Makes a guard.
   *
   * @param stdout Where standard output goes.
   * @param stderr Where standard error goes.
   */
  constructor(stdout: Sink, stderr: Sink) {
    this.#stdout = new Lane(stdout);
    this.#stderr = new Lane(stderr);
  }

  /** Takes standard output of steps. */
  get stdout(): Sink {
    return this.#stdout;
  }

  /** Takes standard error of steps. */
  get stderr(): Sink {
    return this.#stderr;
  }

  /** Prints what was held back. */
  async end(): Promise<void> {
    await this.#stdout.end();
    await this.#stderr.end();
  }

  /**
   * Prints a message to the worker on a line of its own.
   *
   * @param line The message, with a line feed at its end.
   */
  async pass(line: string): Promise<void> {
    await this.#stdout.end();
    await this.#stdout.pass(new TextEncoder().encode(line));
  }
}

/** One of the streams. */
class Lane implements Sink {
  readonly #guard = new LineGuard();
  readonly #sink: Sink;
  #last: Promise<void> = Promise.resolve();
  #isLineOpen = false;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#inTurn(() => this.#print(this.#guard.take(bytes)));
  }

  end(): Promise<void> {
    return this.#inTurn(() => this.#print(this.#guard.end()));
  }

  pass(line: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isLineOpen) await this.#print(LINE_BREAK);
      await this.#print(line);
    });
  }

  async #print(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#isLineOpen = bytes.at(-1) !== LINE_FEED;
    await this.#sink.write(bytes);
  }

  /** What the guard gives is good until its next turn only. */
  #inTurn(task: () => Promise<void>): Promise<void> {
    // A failed write fails its caller; those behind it try on their own.
    this.#last = this.#last.catch(() => {}).then(task);
    return this.#last;
  }
}
