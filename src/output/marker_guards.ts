/**
 * Neutralizes markers in the output of programs that the CI system would
 * interpret: commands of GitHub Actions, and headings of Buildkite. An invisible
 * word joiner in the marker makes it plain text.
 *
 * @module
 */
import { joinBytes } from "../bytes.ts";
import { WORD_JOINER } from "../terminal/text.ts";
import { LINE_FEED } from "./line_limit.ts";
import type { Sinks } from "./printer.ts";
import type { Sink } from "./sink.ts";

const CARRIAGE_RETURN = 13;
const COLON = 0x3a;
const ESCAPE = 0x1b;
const BRACKET = 0x5b;

const JOINER = new TextEncoder().encode(WORD_JOINER);

/**
 * Wraps sinks so that no output of a program works as a marker of a CI system.
 *
 * @param system Name of the CI system.
 * @returns The sinks; `undefined` if masking is enough for the system.
 */
export function guardedSinks(
  system: string,
  { stdout, stderr }: Sinks,
): Sinks | undefined {
  if (!Object.hasOwn(GUARDS, system)) return undefined;
  const { [system]: Guard } = GUARDS;
  return { stdout: new Guard(stdout), stderr: new Guard(stderr) };
}

/** State of a line: before its text, after a colon there, or in its text. */
type LineState = "start" | "colon" | "text";

/**
 * Keeps lines of a program from being commands of GitHub Actions: lines that
 * begin with `::` after any white space.
 *
 * GitHub has a command that stops commands until a token is printed. It reads
 * the two streams of a program independently, so the token can take effect
 * before the last lines of the other stream, or of a job that runs at the same
 * time.
 *
 * @see https://docs.github.com/actions/reference/workflow-commands-for-github-actions
 */
export class CommandGuard implements Sink {
  readonly #sink: Sink;
  #state: LineState = "start";

  /** Creates a guard for the output that goes to a sink. */
  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Writes output, with joiners where they are needed. */
  write(bytes: Uint8Array): Promise<void> {
    const parts: Uint8Array[] = [];
    let from = 0;
    for (let at = 0; at < bytes.length; at++) {
      if (this.#state === "text") {
        at = findLineBreak(bytes, at);
        if (at < 0) break;
      }
      if (this.#state === "colon" && bytes[at] === COLON) {
        parts.push(bytes.subarray(from, at), JOINER);
        from = at;
      }
      this.#state = nextState(bytes[at], this.#state);
    }
    if (parts.length === 0) return this.#sink.write(bytes);
    return this.#sink.write(joinBytes([...parts, bytes.subarray(from)]));
  }
}

function findLineBreak(bytes: Uint8Array, from: number): number {
  const feed = bytes.indexOf(LINE_FEED, from);
  const end = feed < 0 ? bytes.length : feed;
  for (let at = from; at < end; at++) {
    if (bytes[at] === CARRIAGE_RETURN) return at;
  }
  return feed;
}

function nextState(byte: number, state: LineState): LineState {
  if (byte === LINE_FEED || byte === CARRIAGE_RETURN) return "start";
  if (state !== "start") return "text";
  if (byte === COLON) return "colon";
  // Anything outside ASCII could be white space of Unicode.
  return byte <= 0x20 || byte >= 0x7f ? "start" : "text";
}

/** A heading begins with three equal bytes of these. */
const MARKS: ReadonlySet<number> = new Set(
  Array.from("-+~^", (mark) => mark.charCodeAt(0)),
);

/** Backspace and carriage return, after which a terminal writes over the line. */
const RETURNS: ReadonlySet<number> = new Set([8, 13]);

/** White space after the marks, except line breaks; so is any byte of Unicode. */
const WHITE_SPACE: ReadonlySet<number> = new Set([9, 11, 12, 13, 32]);

/** Count of marks once the line can no longer become a heading. */
const INSIDE = -1;

/**
 * Keeps lines of a program from being headings: lines that begin with `---`,
 * `+++`, `~~~` or `^^^` and white space. Buildkite folds the log at such lines.
 *
 * The word joiner precedes the white space, so that a diff still looks like one.
 * Colors before and between the marks are not counted, as in Buildkite's agent.
 *
 * @see https://buildkite.com/docs/pipelines/configure/managing-log-output
 */
export class HeadingGuard implements Sink {
  readonly #sink: Sink;
  /** Number of marks with which the line begins; {@linkcode INSIDE} after them. */
  #count = 0;
  #mark = 0;
  /** Outside an escape sequence (0), after its first byte (1), or in it (2). */
  #escape: 0 | 1 | 2 = 0;

  /** Creates a guard for the output that goes to a sink. */
  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Writes output, with joiners where they are needed. */
  write(bytes: Uint8Array): Promise<void> {
    const pieces: Uint8Array[] = [];
    let from = 0;
    for (const [at, byte] of bytes.entries()) {
      if (!this.#completesHeading(byte)) continue;
      pieces.push(bytes.subarray(from, at), JOINER);
      from = at;
    }
    if (pieces.length === 0) return this.#sink.write(bytes);
    return this.#sink.write(joinBytes([...pieces, bytes.subarray(from)]));
  }

  #completesHeading(byte: number): boolean {
    // A control character ends a sequence that is not complete.
    if (byte < 0x20) this.#escape = 0;
    if (this.#escape > 0) {
      this.#passEscape(byte);
      return false;
    }
    if (byte === LINE_FEED) {
      this.#count = 0;
      return false;
    }
    if (byte === ESCAPE) {
      this.#escape = 1;
      return false;
    }
    const isHeading = this.#count === 3 &&
      (WHITE_SPACE.has(byte) || byte >= 0x80);
    if (RETURNS.has(byte)) this.#count = 0;
    else if (this.#count !== INSIDE) this.#countMark(byte);
    return isHeading;
  }

  #countMark(byte: number): void {
    const isNext = MARKS.has(byte) && this.#count < 3 &&
      (this.#count === 0 || byte === this.#mark);
    this.#count = isNext ? this.#count + 1 : INSIDE;
    this.#mark = byte;
  }

  #passEscape(byte: number): void {
    if (this.#escape === 1) {
      this.#escape = byte === BRACKET ? 2 : 0;
      return;
    }
    if (byte < 0x40 || byte > 0x7e) return;
    this.#escape = 0;
    // Other sequences than those of colors and clearing move the cursor.
    if (byte !== 0x6d && byte !== 0x4b) this.#count = 0;
  }
}

const GUARDS: Readonly<Record<string, new (sink: Sink) => Sink>> = {
  github: CommandGuard,
  buildkite: HeadingGuard,
};
