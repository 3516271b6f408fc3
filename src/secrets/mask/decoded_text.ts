import { GAP, NORMAL, QUOTE } from "./characters.ts";
import { MAX_CODE_BYTES } from "./escapes.ts";
import { DOLLAR, isLeftOut, type Marks, startsQuotes } from "./marks.ts";
import { MAX_NEEDLE_BYTES } from "./needle_flood.ts";
import { grown } from "./words.ts";

const BLANK = 0x20;

/**
 * A stretch of a text in its normal form: escapes are undone, and, if wanted,
 * line breaks, blanks and quotes are left out.
 */
export class DecodedText {
  /** Number of bytes. */
  length = 0;
  /** The bytes, and where in the text each of them starts and ends. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(512);
  starts: Int32Array = new Int32Array(512);
  ends: Int32Array = new Int32Array(512);

  /**
   * Decodes a stretch.
   *
   * @param text The text.
   * @param marks Its marks.
   * @param from Where the stretch starts; not within a mark.
   * @param to Where it ends; not within a mark.
   * @param isJoined Whether lines are joined, and blanks and quotes left out.
   */
  decode(
    text: Uint8Array,
    marks: Marks,
    from: number,
    to: number,
    isJoined: boolean,
  ): void {
    this.length = 0;
    this.append(text, marks, from, to, isJoined);
  }

  /** Adds a stretch to what was decoded before. */
  append(
    text: Uint8Array,
    marks: Marks,
    from: number,
    to: number,
    isJoined: boolean,
  ): void {
    // No escape is shorter than what it stands for.
    this.#makeRoom(to - from + 4);
    let at = from;
    for (let mark = marks.firstBehind(from); mark < marks.count; mark++) {
      const start = marks.starts[mark];
      if (start >= to) break;
      this.#addPlain(text, at, start, isJoined);
      const end = at = marks.ends[mark];
      let value = marks.values[mark];
      for (let i = marks.sizes[mark]; i > 0; i--) {
        this.#add(value & 0xff, start, end, isJoined);
        value >>>= 8;
      }
    }
    this.#addPlain(text, at, to, isJoined);
  }

  /** The bytes as a text that can be searched. */
  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }

  /** Where the byte at a place starts in the text; of several quotes, the last one. */
  startOf(marks: Marks, at: number): number {
    if (this.bytes[at] !== QUOTE) return this.starts[at];
    const end = this.ends[at];
    const mark = marks.firstBehind(end - 1);
    const isMark = mark < marks.count && marks.ends[mark] === end;
    return isMark ? marks.starts[mark] : end - 1;
  }

  /** Where the byte at a place ends in the text; of several quotes, the first one. */
  endOf(marks: Marks, at: number): number {
    if (this.bytes[at] !== QUOTE) return this.ends[at];
    const start = this.starts[at];
    const mark = marks.firstBehind(start);
    const isMark = mark < marks.count && marks.starts[mark] === start;
    return isMark ? marks.ends[mark] : start + 1;
  }

  /** The same as adding each byte, but without calls: most of a text is plain. */
  #addPlain(text: Uint8Array, from: number, to: number, isJoined: boolean) {
    const { bytes, starts, ends } = this;
    let { length } = this;
    for (let at = from; at < to; at++) {
      const byte = text[at];
      if (byte === DOLLAR && startsQuotes(text, at)) continue;
      const normal = NORMAL[byte];
      if (isJoined) {
        if (byte === BLANK || isLeftOut(normal)) continue;
      } else if (
        normal === QUOTE && length > 0 && bytes[length - 1] === QUOTE
      ) {
        ends[length - 1] = at + 1;
        continue;
      }
      if (length > 0 && at - ends[length - 1] > MAX_CODE_BYTES) {
        bytes[length] = GAP;
        starts[length] = ends[length] = at;
        length++;
      }
      bytes[length] = normal;
      starts[length] = at;
      ends[length] = at + 1;
      length++;
    }
    this.length = length;
  }

  #add(byte: number, start: number, end: number, isJoined: boolean): void {
    const at = this.length;
    if (isJoined) {
      if (isLeftOut(byte)) return;
    } else if (byte === QUOTE && at > 0 && this.bytes[at - 1] === QUOTE) {
      this.ends[at - 1] = end;
      return;
    }
    if (at > 0 && start - this.ends[at - 1] > MAX_CODE_BYTES) {
      this.#put(GAP, start, start);
    }
    this.#put(byte, start, end);
  }

  #put(byte: number, start: number, end: number): void {
    const at = this.length++;
    this.bytes[at] = byte;
    this.starts[at] = start;
    this.ends[at] = end;
  }

  #makeRoom(count: number): void {
    const length = this.length + count;
    this.bytes = grown(this.bytes, length) as Uint8Array<ArrayBuffer>;
    this.starts = grown(this.starts, length);
    this.ends = grown(this.ends, length);
  }
}

/** How much text around a mark is looked at, in bytes: more than any needle has, blanks included. */
const REACH_BYTES = 2 * MAX_NEEDLE_BYTES + 64;

/** Stretches of a text that do not touch one another, in order. */
export class Stretches {
  readonly #marks: Marks;
  readonly #bounds: number[] = [];

  /**
   * Creates a list without stretches.
   *
   * @param marks Marks of the text.
   */
  constructor(marks: Marks) {
    this.#marks = marks;
  }

  /** Number of stretches. */
  get count(): number {
    return this.#bounds.length / 2;
  }

  /** Where a stretch starts and ends. */
  at(index: number): [from: number, to: number] {
    return [this.#bounds[2 * index], this.#bounds[2 * index + 1]];
  }

  /**
   * Adds what is around a part of the text, up to its limit.
   *
   * @param start Where the part starts; not within a mark.
   * @param end Where it ends; not within a mark.
   */
  add(start: number, end: number): void {
    const bounds = this.#bounds;
    const lastEnd = bounds.at(-1) ?? 0;
    const from = this.#reachBack(start, lastEnd);
    const to = Math.min(this.#marks.limit, this.#reachOn(end));
    if (bounds.length === 0 || from > lastEnd) bounds.push(from, to);
    else bounds[bounds.length - 1] = Math.max(lastEnd, to);
  }

  /** A place with enough text between it and another one behind it. */
  #reachBack(from: number, least: number): number {
    const marks = this.#marks;
    let mark = marks.firstBehind(from - 1);
    if (mark === marks.count || marks.ends[mark] > from) mark--;
    let rest = REACH_BYTES;
    let at = from;
    for (; mark >= 0 && at > least; mark--) {
      const gap = at - marks.ends[mark];
      if (gap >= rest) return at - rest;
      rest = Math.max(0, rest - gap - marks.sizes[mark]);
      at = marks.starts[mark];
    }
    return mark < 0 ? Math.max(0, at - rest) : at;
  }

  #reachOn(to: number): number {
    const marks = this.#marks;
    let rest = REACH_BYTES;
    let at = to;
    for (let mark = marks.firstBehind(to); mark < marks.count; mark++) {
      const gap = marks.starts[mark] - at;
      if (gap >= rest) return at + rest;
      rest -= gap + marks.sizes[mark];
      at = marks.ends[mark];
      if (rest <= 0) return at;
    }
    return at + rest;
  }
}
