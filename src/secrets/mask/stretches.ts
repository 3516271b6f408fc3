import type { Marks } from "./decoded_text.ts";
import { MAX_NEEDLE_BYTES } from "./needle_flood.ts";

/** How much text around a mark is looked at, in bytes: more than any needle has, blanks included. */
const REACH_BYTES = 2 * MAX_NEEDLE_BYTES + 64;

/** Stretches of a text that do not touch one another, in order. */
export class Stretches {
  readonly #marks: Marks;
  readonly #bounds: number[] = [];

  /**
   * Makes a list without stretches.
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
