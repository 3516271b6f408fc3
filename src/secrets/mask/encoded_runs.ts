import { joinBytes } from "../../bytes.ts";
import {
  BASE64_COUNT,
  DecodedRun,
  DECODING_COUNT,
  isInRun,
  type Places,
  runStart,
  STARTS_ESCAPE,
} from "./decoded_run.ts";
import { DecodedText } from "./decoded_text.ts";
import { HEX } from "./escapes.ts";
import { Marks } from "./marks.ts";
import type { NeedleSet } from "./needle_set.ts";
import type { RangeSink } from "./ranges.ts";
import { MIN_GRAM_NEEDLE_BYTES, MIN_GRAMS } from "./scanner.ts";
import { holdsGrams } from "./word_index.ts";

/** Maximum number of encodings inside an encoding that are undone. */
const MAX_DEPTH = 3;

/**
 * Number of bytes from which the start of a secret is recognized. All of their
 * characters but the last one may have been printed by then.
 */
const MIN_RECOGNIZED_BYTES = 3;

/**
 * Minimum length of a run that the scanner takes for encoded text: of letters and
 * digits, and of hexadecimal digits.
 */
const [MIN_RUN, MIN_HEX_RUN] = [11, 16];

const [LF, CR] = [10, 13];

/**
 * Maximum length of the part of a run at the end of a window that may belong to
 * a needle: one that is encoded three times.
 */
const REACH_BYTES = 1280;

/** Number of printed bytes that are searched again with the next window. */
const CONTEXT_BYTES = 256;

/**
 * Number of bytes at the start of a window that are searched together with these. A
 * needle that ends after them contains a position that the scanner has found.
 */
const START_BYTES = 3 * REACH_BYTES;

/**
 * Finds secrets that were encoded more than once. Runs of base64 or hexadecimal
 * digits are decoded where they encode text. The text is searched for needles,
 * also with its escapes undone, and for such runs inside it.
 *
 * The alignment of a run is unknown, so each one is tried. Runs continue after
 * line breaks. The first bytes of a secret are not masked, because they may have
 * been printed before the others arrive.
 */
export class EncodedRuns {
  /** The last bytes that were printed. */
  #context: Uint8Array = new Uint8Array();
  /** The run in the window, and the runs in decoded text. */
  readonly #runs: DecodedRun[] = [new DecodedRun()];
  readonly #marks = new Marks();
  readonly #unescaped = new DecodedText();
  /** Whether the run in the window is read as hexadecimal digits. */
  #isHex = false;
  #text: Uint8Array = new Uint8Array();
  #shift = 0;
  #heldFrom = 0;
  #needles: NeedleSet | undefined;
  #ranges: RangeSink | undefined;

  /**
   * Finds needles in runs.
   *
   * @param window The window.
   * @param isLast Whether the text ends after the window.
   * @param places Where runs may encode text, in ascending order.
   * @param needles Needles to search for.
   * @param ranges Receives the ranges of needles.
   * @returns Start of a part that may still become a needle; the length of the
   * window if there is none.
   */
  find(
    window: Uint8Array,
    isLast: boolean,
    places: readonly number[],
    needles: NeedleSet,
    ranges: RangeSink,
  ): number {
    this.#heldFrom = window.length;
    this.#needles = needles;
    this.#ranges = ranges;
    let done = this.#findAtStart(window, isLast);
    // A needle with a position after `done` may start before it.
    let min = done === START_BYTES - REACH_BYTES ? done - REACH_BYTES : done;
    for (let next = 0; next < places.length;) {
      const place = places[next];
      if (place >= done) {
        const from = runStart(window, place + 1, window.length);
        done = min = this.#load(window, Math.max(min, from), 0);
        const isOpen = !isLast && done === window.length;
        for (let at = next; places[at] < done; at++) {
          this.#decodeAt(places[at], isOpen);
        }
        if (isOpen) this.#decodeEnd(0);
      }
      next++;
    }
    if (!isLast && done < window.length) {
      const from = Math.max(done, runStart(window, window.length, REACH_BYTES));
      if (from < window.length) {
        this.#load(window, from, 0);
        this.#decodeRun(0, true);
      }
    }
    return this.#heldFrom;
  }

  /**
   * Remembers the printed bytes.
   *
   * @param printed The part of the window that is printed.
   */
  remember(printed: Uint8Array): void {
    this.#context = printed.length < CONTEXT_BYTES
      ? joinBytes([this.#context, printed]).slice(-CONTEXT_BYTES)
      : printed.slice(-CONTEXT_BYTES);
  }

  /**
   * Searches a run that began before the window.
   *
   * @returns Where the search has to continue: at the end of the run, or earlier if
   * the run is long.
   */
  #findAtStart(window: Uint8Array, isLast: boolean): number {
    const from = runStart(this.#context, this.#context.length, CONTEXT_BYTES);
    const context = this.#context.subarray(from);
    if (context.length === 0) return 0;
    const text = joinBytes([context, window.subarray(0, START_BYTES)]);
    const isLong = window.length > START_BYTES;
    const end = this.#load(text, 0, context.length);
    const isOpen = !isLast && !isLong && end === text.length;
    if (end > context.length && (end >= MIN_RUN || isOpen)) {
      this.#decodeRun(0, isOpen);
    }
    return isLong && end === text.length
      ? START_BYTES - REACH_BYTES
      : Math.max(0, end - context.length);
  }

  /**
   * Loads a run.
   *
   * @param text The window, possibly with printed bytes before it.
   * @param from Where the run, or the part of it to decode, starts.
   * @param shift Number of bytes before the window.
   * @returns Where the run ends.
   */
  #load(text: Uint8Array, from: number, shift: number): number {
    this.#text = text;
    this.#shift = shift;
    return this.#runs[0].load(text, from);
  }

  /** Decodes the text that the scanner has found at a position of the window. */
  #decodeAt(place: number, isEnd: boolean): void {
    const run = this.#runs[0];
    const char = run.charAt(place);
    const [base64, hex] = [char & 3, BASE64_COUNT + (char & 1)];
    if (run.mayBeText(base64, char)) {
      this.#decode(0, base64, char, isEnd, false);
    }
    if (run.mayBeText(hex, char)) this.#decode(0, hex, char, isEnd, false);
  }

  /** Decodes the parts of a run that may encode text. */
  #decodeRun(depth: number, isEnd: boolean): void {
    this.#runs[depth].scan((decoding, char) =>
      this.#decode(depth, decoding, char, isEnd, false)
    );
    if (isEnd) this.#decodeEnd(depth);
  }

  /** Decodes the last bytes of a run in each way, because they may continue. */
  #decodeEnd(depth: number): void {
    const run = this.#runs[depth];
    for (let decoding = 0; decoding < DECODING_COUNT; decoding++) {
      const char = run.lastGroup(decoding);
      if (char >= 0) this.#decode(depth, decoding, char, true, true);
    }
  }

  /** Decodes a part of a run, and searches it. */
  #decode(
    depth: number,
    decoding: number,
    place: number,
    isEnd: boolean,
    isLast: boolean,
  ): void {
    const run = this.#runs[depth];
    if (depth === 0) this.#isHex = decoding >= BASE64_COUNT;
    run.decode(decoding, place, isLast);
    const isOpen = isEnd && run.isOpen;
    const min = isOpen ? MIN_RECOGNIZED_BYTES : MIN_GRAM_NEEDLE_BYTES;
    if (run.length < min) return;
    this.#searchText(run.bytes, run.length, run.places, isOpen);
    const isEscaped = (run.kinds & STARTS_ESCAPE) !== 0;
    if (isEscaped || isOpen && this.#needles!.hasNormalForms) {
      this.#searchEscaped(run, isEscaped, isOpen);
    }
    if (depth < MAX_DEPTH) this.#searchRuns(run, depth + 1, isOpen);
  }

  #searchText(
    bytes: Uint8Array<ArrayBuffer>,
    length: number,
    places: Places,
    isEnd: boolean,
  ): void {
    const needles = this.#needles!;
    const last = MIN_RECOGNIZED_BYTES - 1;
    if (holdsGrams(bytes, length, needles.grams.filter, MIN_GRAMS)) {
      needles.find(bytes.subarray(0, length), {
        add: (start, end) => {
          if (end - start < MIN_GRAM_NEEDLE_BYTES) return;
          this.#mask(
            places.getStart(start),
            places.getEnd(start + last) - 1,
            places.getEnd(end - 1),
          );
        },
      });
    }
    if (isEnd) this.#holdPartial(bytes.subarray(0, length), places);
  }

  /** Holds back the start of a needle at the end of a text. */
  #holdPartial(text: Uint8Array, places: Places): void {
    const last = this.#needles!.partialFrom(text) + MIN_RECOGNIZED_BYTES - 1;
    if (last < text.length) this.#hold(places.getEnd(last) - 1);
  }

  /**
   * The same with escapes undone.
   *
   * @param isEscaped Whether there are escapes; otherwise, they may follow.
   */
  #searchEscaped(
    { places, view }: DecodedRun,
    isEscaped: boolean,
    isEnd: boolean,
  ): void {
    const marks = this.#marks;
    const text = this.#unescaped;
    marks.find(view, !isEnd);
    text.decode(view, marks, 0, marks.limit, false);
    const unescaped: Places = {
      getStart: (at) => places.getStart(text.getStart(marks, at)),
      getEnd: (at) => {
        const end = Math.max(text.starts[at] + 1, text.getEnd(marks, at));
        return places.getEnd(end - 1);
      },
    };
    if (isEscaped) {
      this.#searchText(text.bytes, text.length, unescaped, isEnd);
    } else this.#holdPartial(text.view(), unescaped);
    // The next byte may complete the last escape.
    if (marks.limit < view.length) this.#hold(places.getStart(marks.limit));
  }

  /** Decodes the runs in decoded text. */
  #searchRuns(outer: DecodedRun, depth: number, isEnd: boolean): void {
    const { bytes, length, places } = outer;
    const run = this.#runs[depth] ??= new DecodedRun(places);
    for (let at = 0; at < length;) {
      const start = at;
      while (at < length && isInRun(bytes[at])) at++;
      const isWord = at < length && bytes[at] !== LF && bytes[at] !== CR;
      if (at === start || isWord && at - start < MIN_RUN) {
        at++;
        continue;
      }
      at = run.load(outer.view, start);
      const isOpen = isEnd && at === length;
      if (at - start < MIN_RUN && !isOpen) continue;
      if (run.isJoined) {
        const { chars } = run;
        this.#searchText(chars, chars.length, run.charPlaces, isOpen);
      }
      this.#decodeRun(depth, isOpen);
    }
  }

  /** Masks a needle, if it has a run that the scanner knows. */
  #mask(start: number, shown: number, end: number): void {
    const text = this.#text;
    const min = this.#isHex ? MIN_HEX_RUN : MIN_RUN;
    let length = 0;
    for (let at = start; at < end && length < min; at++) {
      const isPart = this.#isHex ? HEX[text[at]] < 16 : isPlain(text[at]);
      length = isPart ? length + 1 : 0;
    }
    const from = Math.max(0, shown - this.#shift);
    const to = end - this.#shift;
    if (length === min && from < to) this.#ranges!.add(from, to);
  }

  #hold(place: number): void {
    const at = Math.max(0, place - this.#shift);
    this.#heldFrom = Math.min(this.#heldFrom, at);
  }
}

/** Whether a character is a letter or a digit. */
function isPlain(char: number): boolean {
  return char >= 0x30 && char <= 0x39 ||
    (char | 0x20) >= 0x61 && (char | 0x20) <= 0x7a;
}
