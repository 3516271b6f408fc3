import { DecodedText, type Marks, SPACED } from "./decoded_text.ts";
import { MIN_GRAM_NEEDLE_BYTES, type NeedleSet } from "./needle_set.ts";
import { NORMAL, QUOTE } from "./normal_bytes.ts";
import { wordAt, type WordFilter } from "./word_filter.ts";

/** How many bytes on each side of a mark tell whether a needle may stand across it. */
export const SIDE_BYTES = MIN_GRAM_NEEDLE_BYTES - 1;

/** In how much text these are looked for at most. */
const MAX_SIDE_BYTES = 64;

/** Of so many grams in a row, those of a needle hold at least one of every place. */
const GRAMS_IN_ROW = MIN_GRAM_NEEDLE_BYTES - 3;

/**
 * Tells around which marks of a window a needle may stand: hardly any of an
 * ordinary text. The bytes around them are looked up among the four-byte parts
 * of needles.
 */
export class MarkGate {
  /** What stands around a mark. */
  readonly sample: DecodedText = new DecodedText();
  readonly #marks: Marks;
  #needles: NeedleSet;
  #window: Uint8Array = new Uint8Array();
  #isLast = false;

  /**
   * Makes a gate.
   *
   * @param marks The marks of each window.
   * @param needles What is looked for.
   */
  constructor(marks: Marks, needles: NeedleSet) {
    this.#marks = marks;
    this.#needles = needles;
  }

  /**
   * Goes on to the next window.
   *
   * @param window The window, whose marks have been found.
   * @param isLast Whether the text ends behind it.
   * @param needles What is looked for.
   */
  open(window: Uint8Array, isLast: boolean, needles: NeedleSet): void {
    this.#window = window;
    this.#isLast = isLast;
    this.#needles = needles;
  }

  /** The first place from a given one on that is not within a mark. */
  markEnd(at: number): number {
    const marks = this.#marks;
    const mark = marks.firstBehind(at);
    return mark < marks.count && marks.starts[mark] < at
      ? marks.ends[mark]
      : Math.min(at, this.#window.length);
  }

  /** Whether encoded text may go on behind one of these marks. */
  isBreakSuspect(first: number, last: number): boolean {
    const { starts, ends, kinds } = this.#marks;
    return (kinds[first] & SPACED) !== 0 ||
      this.isSuspect(starts[first], ends[last], true);
  }

  /** Whether white space, which may go on as a line break, ends in what may be a needle. */
  mayBreakAt(at: number): boolean {
    const window = this.#window;
    const marks = this.#marks;
    let end = at;
    let mark = marks.firstBehind(end - 1);
    while (end > 0) {
      if (mark < marks.count && marks.ends[mark] === end) {
        // A code for a terminal, which is nothing, may be among the blanks.
        if (marks.sizes[mark] > 0) break;
        end = marks.starts[mark];
        mark = marks.firstBehind(end - 1);
      } else if (isSpace(window[end - 1])) {
        end--;
        mark = marks.firstBehind(end - 1);
      } else break;
    }
    if (end === at || end < 4) return false;
    mark = marks.firstBehind(end - 4);
    if (mark < marks.count && marks.starts[mark] < end) return true;
    const word = wordAt(window, end - 4, 4);
    return this.#needles.grams.mayHave(word);
  }

  /** Tells whether a needle may lie across what is marked in a stretch. */
  isSuspect(from: number, to: number, isJoined: boolean): boolean {
    const { limit } = this.#marks;
    const first = this.#sideStart(from, isJoined);
    const last = this.#sideEnd(to, isJoined);
    if (last > limit && !this.#isLast) return true;
    const end = Math.min(last, limit);
    this.sample.decode(this.#window, this.#marks, first, end, isJoined);
    return this.holdsGrams() || !isJoined && this.#holdsShortPairs();
  }

  /** A place with {@linkcode SIDE_BYTES} of decoded text between it and another one. */
  #sideStart(from: number, isJoined: boolean): number {
    const window = this.#window;
    const least = Math.max(0, from - MAX_SIDE_BYTES);
    let at = from;
    for (let rest = SIDE_BYTES; rest > 0 && at > least;) {
      if (counts(window[--at], isJoined)) rest--;
    }
    const mark = this.#marks.firstBehind(at);
    return Math.min(at, this.#marks.starts[mark]);
  }

  /** The same on the other side; behind the window if that has too little text. */
  #sideEnd(to: number, isJoined: boolean): number {
    const window = this.#window;
    const most = Math.min(window.length, to + MAX_SIDE_BYTES);
    let at = to;
    let rest = SIDE_BYTES;
    while (rest > 0 && at < most) {
      if (counts(window[at++], isJoined)) rest--;
    }
    if (rest > 0 && at === window.length) return window.length + 1;
    return this.markEnd(at);
  }

  /** Tells whether so many grams in a row of the sample are those of needles as the shortest one has. */
  holdsGrams(): boolean {
    const { bytes, length } = this.sample;
    const grams = this.#needles.grams;
    for (let at = GRAMS_IN_ROW - 1; at + 4 <= length; at += GRAMS_IN_ROW) {
      if (grams.mayHave(wordAt(bytes, at, 4)) && this.#isInRow(at, grams)) {
        return true;
      }
    }
    return false;
  }

  #isInRow(at: number, grams: WordFilter): boolean {
    const { bytes, length } = this.sample;
    let first = at;
    while (first > 0 && grams.mayHave(wordAt(bytes, first - 1, 4))) first--;
    let last = at;
    while (last + 5 <= length && grams.mayHave(wordAt(bytes, last + 1, 4))) {
      last++;
    }
    return last - first + 1 >= GRAMS_IN_ROW;
  }

  #holdsShortPairs(): boolean {
    const pairs = this.#needles.shortPairs;
    if (pairs === undefined) return false;
    const { bytes, length } = this.sample;
    for (let at = 0; at + 3 <= length; at++) {
      if (
        pairs[bytes[at] << 8 | bytes[at + 1]] !== 0 &&
        pairs[bytes[at + 1] << 8 | bytes[at + 2]] !== 0
      ) return true;
    }
    return false;
  }
}

/** Whether a byte is always one of decoded text: quotes may be many, and white space may be left out. */
function counts(byte: number, isJoined: boolean): boolean {
  return NORMAL[byte] !== QUOTE && !(isJoined && isSpace(byte));
}

/** Whether a byte is white space. */
export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte >= 9 && byte <= 13;
}
