import { LINE_FEED } from "./line_limit.ts";
import { styledText } from "../terminal/styles.ts";
import { withoutSequences } from "../terminal/text.ts";

/** Number of last lines of a failed step that are shown again. */
export const TAIL_LINES = 20;

/**
 * Maximum length of a line in characters. Only the end of a longer line is
 * shown.
 */
const TAIL_LINE_LENGTH = 2_000;

/** Number of bytes that are kept. */
const TAIL_BYTES = 64 * 1024;

const MIN_ROOM_BYTES = 1024;

/**
 * Keeps the last bytes of an output, at the cost of one copy.
 *
 * They are split into lines only on request.
 */
export class LogTail {
  #bytes = new Uint8Array();
  #length = 0;
  #isCut = false;

  /** Adds bytes to the output. */
  add(bytes: Uint8Array): void {
    const last = bytes.subarray(-TAIL_BYTES);
    if (last.length < bytes.length) this.#isCut = true;
    this.#makeRoom(last.length);
    this.#bytes.set(last, this.#length);
    this.#length += last.length;
  }

  /**
   * Returns the last lines of the last 64 KiB, with at most 2,000 characters
   * each.
   *
   * @param rest Continuation of the last line, if it is unfinished.
   * @param other Another unfinished line.
   * @param lineCount Number of lines.
   * @returns Lines without line breaks, and without terminal sequences except for
   * colors and styles.
   */
  lines(
    rest: Uint8Array,
    other: Uint8Array,
    lineCount: number = TAIL_LINES,
  ): readonly string[] {
    const { lines, open } = this.#split(lineCount);
    const ends = [open + styledText(rest), styledText(other)]
      .filter((line) => withoutSequences(line) !== "");
    return [...lines, ...ends].slice(-lineCount).map(shorten);
  }

  /** Releases the memory. */
  release(): void {
    this.#bytes = new Uint8Array();
    this.#length = 0;
  }

  /** Returns the last complete lines, and the unfinished one. */
  #split(lineCount: number): { lines: string[]; open: string } {
    const lines: string[] = [];
    let end = this.#length;
    while (lines.length <= lineCount && end >= 0) {
      const start = this.#bytes.subarray(0, end).lastIndexOf(LINE_FEED) + 1;
      const mark = start === 0 && this.#isCut ? "…" : "";
      lines.push(mark + styledText(this.#bytes.subarray(start, end)));
      end = start - 1;
    }
    const [open, ...complete] = lines;
    return { lines: complete.reverse(), open };
  }

  #makeRoom(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    if (needed > 2 * TAIL_BYTES) {
      const kept = Math.min(this.#length, TAIL_BYTES - count);
      this.#bytes.copyWithin(0, this.#length - kept, this.#length);
      this.#length = kept;
      this.#isCut = true;
      return;
    }
    const room = new Uint8Array(
      Math.min(
        Math.max(2 * this.#bytes.length, needed, MIN_ROOM_BYTES),
        2 * TAIL_BYTES,
      ),
    );
    room.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = room;
  }
}

/** A line that is cut has no colors: the cut may be within a sequence. */
function shorten(line: string): string {
  if (line.length <= TAIL_LINE_LENGTH) return line;
  const plain = withoutSequences(line);
  return plain.length > TAIL_LINE_LENGTH
    ? `…${plain.slice(1 - TAIL_LINE_LENGTH).toWellFormed()}`
    : plain;
}
