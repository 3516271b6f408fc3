import { withoutCommands } from "../terminal/text.ts";
import type { Sink } from "./sink.ts";

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const COLON = 0x3a;

const encoder = new TextEncoder();

/** What {@linkcode withoutCommands} puts between two colons. */
const JOINER = encoder.encode(withoutCommands("::").slice(1, -1));

/** Where a line is: before its text, after a colon there, or in its text. */
type Place = "start" | "colon" | "text";

/**
 * Keeps lines of a program from being commands of GitHub Actions: lines that
 * begin with `::` after any white space.
 *
 * GitHub can be told to ignore commands, but it reads the two streams of a
 * program independently: the word that ends this can take effect before the
 * last lines of the other stream, or of a job that runs at the same time.
 *
 * @see https://docs.github.com/actions/reference/workflow-commands-for-github-actions
 */
export class CommandGuard implements Sink {
  readonly #sink: Sink;
  #place: Place = "start";

  /** Creates a guard for the output that goes to a sink. */
  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Writes output, with joiners where they are needed. */
  write(bytes: Uint8Array): Promise<void> {
    const parts: Uint8Array[] = [];
    let from = 0;
    for (let at = 0; at < bytes.length; at++) {
      if (this.#place === "text") {
        at = nextBreak(bytes, at);
        if (at < 0) break;
      }
      if (this.#place === "colon" && bytes[at] === COLON) {
        parts.push(bytes.subarray(from, at), JOINER);
        from = at;
      }
      this.#place = placeAfter(bytes[at], this.#place);
    }
    if (parts.length === 0) return this.#sink.write(bytes);
    return this.#sink.write(joined([...parts, bytes.subarray(from)]));
  }
}

function nextBreak(bytes: Uint8Array, from: number): number {
  const feed = bytes.indexOf(LINE_FEED, from);
  const end = feed < 0 ? bytes.length : feed;
  for (let at = from; at < end; at++) {
    if (bytes[at] === CARRIAGE_RETURN) return at;
  }
  return feed;
}

function placeAfter(byte: number, place: Place): Place {
  if (byte === LINE_FEED || byte === CARRIAGE_RETURN) return "start";
  if (place !== "start") return "text";
  if (byte === COLON) return "colon";
  // What is not ASCII could be one of the many blanks of Unicode.
  return byte <= 0x20 || byte >= 0x7f ? "start" : "text";
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
