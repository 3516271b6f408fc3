import { joinBytes } from "../../bytes.ts";
import { DecodedText, holdsMark, MarkGate, markStart } from "./decoded_text.ts";
import { MAX_CODE_BYTES } from "./escapes.ts";
import { DumpRows } from "./dump_rows.ts";
import { EncodedRuns } from "./encoded_runs.ts";
import {
  BREAK,
  ESCAPE,
  LOST_BYTES,
  type MarkList,
  Marks,
  NEAR_BYTES,
} from "./marks.ts";
import type { NeedleSet } from "./needle_set.ts";
import {
  lastListStart,
  NumberList,
  RADIXES,
  TAIL_BYTES,
} from "./number_list.ts";
import { PrefixedLines } from "./prefixed_lines.ts";
import {
  MarkedRegions,
  MaskPrinter,
  Ranges,
  type RangeSink,
  type WholeWords,
  WORD_CONTEXT_BYTES,
} from "./ranges.ts";
import { holdsGrams } from "./word_index.ts";

/** Carriage return. */
const CR = 13;

/** Result of masking a window of a stream. */
export interface MaskedWindow {
  /** Bytes that may be printed; valid until the next window, and possibly a view of this one. */
  output: Uint8Array;
  /** Where the bytes start that are held back, to begin the next window with. */
  heldFrom: number;
}

/** Secrets and placeholder of a {@linkcode MaskStream}. */
export interface MaskRules {
  /** Secrets in all their forms; may grow while the stream flows. */
  readonly needles: NeedleSet;
  /** Ordinary values, which are masked as whole words only; may grow, too. */
  readonly words: WholeWords;
  /** Text that replaces a range of secret bytes. */
  readonly placeholder: Uint8Array;
}

/** Minimum number of hexadecimal digits of a list of numbers. */
const MIN_LISTED_DIGITS = 12;

/** Number of four-byte grams in them. */
const LISTED_GRAMS = MIN_LISTED_DIGITS - 3;

/**
 * Masks one stream of bytes, window by window; `masker.ts` describes how.
 *
 * A window consists of the bytes held back from the last one, and new bytes. All
 * views of it are searched, needles are masked where they are, and bytes that may
 * still become a secret are held back for the next window.
 */
export class MaskStream {
  readonly #rules: MaskRules;
  readonly #ranges = new Ranges();
  /** Receives needles in a text whose escapes are undone. */
  readonly #inEscapes: RangeSink = {
    add: (start, end) => {
      const marks = this.#escapes;
      const from = this.#text.getStart(marks, start);
      const to = this.#text.getEnd(marks, end - 1);
      if (holdsMark(marks, from, to, ESCAPE)) this.#ranges.add(from, to);
    },
  };
  /** Receives needles in a text whose lines are joined. */
  readonly #inLines: RangeSink = {
    add: (start, end) => {
      const { starts, ends } = this.#text;
      const [from, to] = [starts[start], ends[end - 1]];
      const isBroken = from < this.#breakBefore ||
        holdsMark(this.#marks, from, to, BREAK);
      if (isBroken) {
        this.#ranges.add(starts[this.#text.firstShown(start, LOST_BYTES)], to);
      }
    },
  };
  /** Receives needles in numbers. The first number may be printed before the next one arrives. */
  readonly #inNumbers: RangeSink = {
    add: (start, end) => {
      if (end - start < MIN_LISTED_DIGITS) return;
      const { starts, ends } = this.#numbers;
      const from = Math.max(0, starts[start + 2] - this.#numbersFrom);
      const to = ends[end - 1] - this.#numbersFrom;
      if (from < to) this.#ranges.add(from, to);
    },
  };
  readonly #printer = new MaskPrinter();
  readonly #marks = new Marks();
  /** The marks whose escapes are undone in the text. */
  #escapes: MarkList = this.#marks;
  readonly #prefixed = new PrefixedLines();
  readonly #dump = new DumpRows();
  readonly #runs = new EncodedRuns();
  readonly #text = new DecodedText();
  readonly #numbers = new NumberList();
  /** Number of bytes that were inserted before the text of the numbers. */
  #numbersFrom = 0;
  /** Last printed bytes, if there are ordinary words. */
  #wordContext = new Uint8Array();
  /** Last printed bytes. */
  #tail = new Uint8Array();
  readonly #gate: MarkGate;
  readonly #softGate: MarkGate;
  /** Last printed bytes, joined. */
  #before = new Uint8Array();
  /** Where these bytes and the last line break start, relative to the window. */
  #beforeStarts = new Int32Array();
  #breakBefore = -Infinity;
  #window: Uint8Array<ArrayBuffer> = new Uint8Array();
  #isLast = false;
  #partialFrom = 0;

  /**
   * Creates a stream.
   *
   * @param rules Secrets and placeholder.
   */
  constructor(rules: MaskRules) {
    this.#rules = rules;
    this.#gate = new MarkGate(this.#marks, rules.needles);
    this.#softGate = new MarkGate(this.#marks.soft, rules.needles);
  }

  /**
   * Masks the next window: the bytes held back last time, then new ones.
   *
   * @param window Bytes that start at the first byte of their buffer.
   * @param isLast Whether the stream ends after the window.
   * @returns Bytes that may be printed, and where the bytes start that are held back.
   */
  mask(window: Uint8Array<ArrayBuffer>, isLast: boolean): MaskedWindow {
    const last = window.length - 1;
    if (isLast || last < 1 || window[last] !== CR) {
      return this.#maskWindow(window, isLast);
    }
    // It may be the first half of a line break, after which a secret continues.
    const before = this.#maskWindow(window.subarray(0, last), false);
    if (before.heldFrom < last) return before;
    const printed = before.output.slice();
    const { output, heldFrom } = this.#maskWindow(window.slice(last), false);
    return { output: joinBytes([printed, output]), heldFrom: last + heldFrom };
  }

  #maskWindow(window: Uint8Array<ArrayBuffer>, isLast: boolean): MaskedWindow {
    const { needles } = this.#rules;
    const ranges = this.#ranges;
    ranges.clear();
    const { coveredBytes } = this.#printer;
    if (coveredBytes > 0) ranges.add(0, coveredBytes);
    const wordsFrom = this.#findWords(window, isLast);
    if (needles.size === 0) {
      const heldFrom = wordsFrom;
      this.#rememberLast(window, heldFrom);
      return { output: this.#print(window, heldFrom), heldFrom };
    }
    needles.find(window, ranges);
    this.#window = window;
    this.#isLast = isLast;
    this.#partialFrom = needles.partialFrom(window);
    this.#marks.find(window, isLast, needles.grams);
    this.#gate.open(window, isLast, needles);
    this.#searchMarks();
    this.#searchSoftMarks();
    this.#searchNumbers();
    const marks = this.#marks;
    const { rows, runs } = marks;
    this.#hold(this.#prefixed.find(window, isLast, marks, needles, ranges));
    this.#hold(this.#dump.find(window, isLast, rows, needles, ranges));
    this.#hold(this.#runs.find(window, isLast, runs, needles, ranges));
    const heldFrom = isLast
      ? window.length
      : Math.min(wordsFrom, this.#heldFrom());
    this.#rememberLast(window, heldFrom);
    this.#remember(heldFrom);
    this.#prefixed.remember(window.subarray(0, heldFrom));
    this.#dump.remember(window, heldFrom);
    this.#runs.remember(window.subarray(0, heldFrom));
    return { output: this.#print(window, heldFrom), heldFrom };
  }

  #findWords(window: Uint8Array, isLast: boolean): number {
    const { words } = this.#rules;
    if (words.size === 0) return window.length;
    return words.find(window, this.#wordContext, isLast, this.#ranges);
  }

  #rememberLast(window: Uint8Array, heldFrom: number): void {
    if (this.#rules.words.size === 0 || heldFrom === 0) return;
    const printed = window.subarray(0, heldFrom);
    this.#wordContext = heldFrom < WORD_CONTEXT_BYTES
      ? joinBytes([this.#wordContext, printed]).slice(-WORD_CONTEXT_BYTES)
      : printed.slice(-WORD_CONTEXT_BYTES);
  }

  #print(window: Uint8Array, heldFrom: number): Uint8Array {
    const { placeholder } = this.#rules;
    return this.#printer.print(window, heldFrom, this.#ranges, placeholder);
  }

  /** Returns where the held bytes start: never within an escape. */
  #heldFrom(): number {
    const { soft } = this.#marks;
    const from = Math.min(this.#partialFrom, this.#marks.limit, soft.limit);
    const before = markStart(this.#marks, markStart(soft, from));
    return before < from ? markStart(soft, before) : from;
  }

  /** Searches the text around all marks that needles may span. */
  #searchMarks(): void {
    const marks = this.#marks;
    const gate = this.#gate;
    const escapes = new MarkedRegions(marks);
    const breaks = new MarkedRegions(marks);
    const { limit } = marks;
    if (this.#before.length > 0 && this.#isStartSuspect()) breaks.add(0, 0);
    for (let next = 0; next < marks.count;) {
      let firstEscape = marks.count;
      let firstBreak = marks.count;
      let lastEscape = -1;
      let lastBreak = -1;
      do {
        const kind = marks.kinds[next];
        if ((kind & BREAK) !== 0) {
          if (lastBreak < 0) firstBreak = next;
          lastBreak = next;
        }
        if ((kind & ESCAPE) !== 0 && gate.isRelevant(next)) {
          if (lastEscape < 0) firstEscape = next;
          lastEscape = next;
        }
        next++;
      } while (
        next < marks.count &&
        marks.starts[next] - marks.ends[next - 1] < NEAR_BYTES
      );
      const last = Math.max(lastEscape, lastBreak);
      if (last < 0 || gate.isClear(Math.min(firstEscape, firstBreak), last)) {
        continue;
      }
      if (lastEscape >= 0 && gate.isSuspect(firstEscape, lastEscape, false)) {
        escapes.add(marks.starts[firstEscape], marks.ends[lastEscape]);
      }
      if (lastBreak >= 0 && gate.isSuspect(firstBreak, lastBreak, true)) {
        breaks.add(marks.starts[firstBreak], marks.ends[lastBreak]);
      }
    }
    if (!this.#isLast) {
      const isOpen = limit < this.#window.length;
      if (isOpen || this.#rules.needles.hasNormalForms) {
        escapes.add(limit, limit);
      }
      // A line break may follow after blanks that have been removed.
      breaks.add(limit, limit);
    }
    for (let i = 0; i < escapes.count; i++) {
      this.#searchEscapes(marks, ...escapes.at(i));
    }
    for (let i = 0; i < breaks.count; i++) this.#searchLines(...breaks.at(i));
  }

  /** Searches the text around escapes of quoted-printable. */
  #searchSoftMarks(): void {
    const { soft } = this.#marks;
    const gate = this.#softGate;
    const escapes = new MarkedRegions(soft);
    gate.open(this.#window, this.#isLast, this.#rules.needles);
    for (let next = 0; next < soft.count;) {
      const first = next;
      let isCounted = false;
      do {
        isCounted ||= gate.isRelevant(next);
        next++;
      } while (
        next < soft.count &&
        soft.starts[next] - soft.ends[next - 1] < NEAR_BYTES
      );
      const isSuspect = isCounted && !gate.isClear(first, next - 1) &&
        gate.isSuspect(first, next - 1, false);
      if (isSuspect) escapes.add(soft.starts[first], soft.ends[next - 1]);
    }
    if (!this.#isLast) escapes.add(soft.limit, soft.limit);
    for (let i = 0; i < escapes.count; i++) {
      this.#searchEscapes(soft, ...escapes.at(i));
    }
  }

  /** Whether a needle may span the line break before the window. */
  #isStartSuspect(): boolean {
    const end = this.#gate.startEnd();
    if (end < 0 && !this.#isLast) return true;
    const { sample } = this.#gate;
    this.#begin(sample);
    const to = end < 0 ? this.#marks.limit : end;
    sample.append(this.#window, this.#marks, 0, to, true);
    return this.#gate.holdsGrams(sample.bytes, sample.length);
  }

  #searchEscapes(marks: MarkList, from: number, to: number): void {
    const { needles } = this.#rules;
    const text = this.#text;
    text.decode(this.#window, marks, from, to, false);
    const view = text.view();
    this.#escapes = marks;
    needles.find(view, this.#inEscapes);
    if (to < marks.limit || this.#isTooFar(marks)) return;
    const partial = needles.partialFrom(view);
    if (partial < view.length) this.#hold(text.getStart(marks, partial));
  }

  #searchLines(from: number, to: number): void {
    const { needles } = this.#rules;
    const text = this.#text;
    text.length = 0;
    if (from === 0) this.#begin(text);
    text.append(this.#window, this.#marks, from, to, true);
    const view = text.view();
    needles.find(view, this.#inLines, true);
    if (to < this.#marks.limit || this.#isTooFar(this.#marks)) return;
    const partial = needles.partialFrom(view, true);
    if (partial === view.length) return;
    const isBroken = text.ends[view.length - 1] < this.#marks.limit;
    if (isBroken && view.length - partial <= LOST_BYTES) return;
    const start = text.starts[text.firstShown(partial, LOST_BYTES)];
    if (start >= 0) this.#hold(start);
  }

  /** Searches the lists of numbers that may encode a needle. */
  #searchNumbers(): void {
    const window = this.#window;
    const { length } = window;
    const { numbers } = this.#marks;
    if (!this.#isLast) {
      const tail = length < TAIL_BYTES ? this.#tail : new Uint8Array();
      const end = tail.length > 0 ? joinBytes([tail, window]) : window;
      const start = lastListStart(end);
      if (start < end.length) numbers.add(start - tail.length - 1, length);
    }
    for (let part = 0; part < numbers.count; part++) {
      const [from, to] = numbers.at(part);
      this.#searchNumberList(from, Math.min(to, length));
    }
  }

  #searchNumberList(from: number, to: number): void {
    const { needles } = this.#rules;
    const window = this.#window;
    const numbers = this.#numbers;
    const isEnd = to === window.length;
    const isStart = from === 0;
    const text = isStart
      ? joinBytes([this.#tail, window.subarray(0, to)])
      : window;
    const shift = this.#numbersFrom = isStart ? this.#tail.length : 0;
    const isCut = !isStart || shift === TAIL_BYTES;
    for (const radix of RADIXES) {
      const isWhole = isEnd && this.#isLast;
      numbers.read(text, radix, from, to + shift, isCut, isWhole);
      const view = numbers.view();
      if (holdsGrams(view, view.length, needles.grams.filter, LISTED_GRAMS)) {
        needles.find(view, this.#inNumbers, true);
      }
      if (!isEnd || this.#isLast || !numbers.isOpen) continue;
      const partial = needles.partialFrom(view, true);
      if (partial + 2 < view.length) {
        this.#hold(Math.max(0, numbers.starts[partial + 2] - shift));
      } else if (partial < view.length && numbers.openFrom >= 0) {
        this.#hold(Math.max(0, numbers.openFrom - shift));
      }
    }
  }

  /** Whether too much text follows the decoded text for anything to continue it. */
  #isTooFar(marks: MarkList): boolean {
    const { length, ends } = this.#text;
    return length > 0 && marks.limit - ends[length - 1] > MAX_CODE_BYTES;
  }

  #hold(from: number): void {
    this.#partialFrom = Math.min(this.#partialFrom, from);
  }

  /** Begins a joined text with the bytes that were printed before the window. */
  #begin(text: DecodedText): void {
    const before = this.#before;
    text.length = before.length;
    text.bytes.set(before);
    for (let at = 0; at < before.length; at++) {
      text.starts[at] = this.#beforeStarts[at];
      text.ends[at] = this.#beforeStarts[at] + 1;
    }
  }

  /** Remembers the last printed bytes, because a line break may follow. */
  #remember(heldFrom: number): void {
    const window = this.#window;
    if (heldFrom === 0) return;
    const printed = window.subarray(0, heldFrom);
    const tail = heldFrom < TAIL_BYTES
      ? joinBytes([this.#tail, printed])
      : printed;
    this.#tail = tail.slice(-TAIL_BYTES);
    const text = this.#gate.sample;
    const marks = this.#marks;
    let from = Math.max(0, heldFrom - 64);
    const mark = marks.firstAfter(from);
    if (mark < marks.count) from = Math.min(from, marks.starts[mark]);
    text.length = 0;
    if (from === 0) this.#begin(text);
    text.append(window, marks, from, heldFrom, true);
    const { length } = text;
    const first = Math.max(0, length - LOST_BYTES);
    this.#before = text.bytes.slice(first, length);
    this.#beforeStarts = text.starts.slice(first, length)
      .map((start) => start - heldFrom);
    this.#breakBefore -= heldFrom;
    for (let at = marks.count - 1; at >= 0; at--) {
      if (marks.starts[at] >= heldFrom) continue;
      if ((marks.kinds[at] & BREAK) === 0) continue;
      this.#breakBefore = marks.starts[at] - heldFrom;
      break;
    }
  }
}
