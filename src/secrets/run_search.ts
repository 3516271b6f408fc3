import type { Ranges } from "./ranges.ts";
import type { Place } from "./word_index.ts";

/**
 * Tells whether all bytes of a word are the same.
 *
 * @param word The word, as a signed 32-bit integer.
 */
export function isUniform(word: number): boolean {
  return word === Math.imul(word & 0xff, 0x01010101);
}

/**
 * Finds the needles in a run of one byte, such as a line of dashes.
 *
 * Nearly every place in the run could be the start of a needle that begins
 * like it. Instead of trying them all, the run is laid against the one in the
 * needle, which leaves a single place for each needle.
 *
 * @param text The text.
 * @param words The text as words.
 * @param at Number of a word in the run that is registered.
 * @param places Places of that word.
 * @param ranges Receives the occurrences.
 * @returns Where the run ends.
 */
export function findInRun(
  text: Uint8Array,
  words: Int32Array,
  at: number,
  places: readonly Place[],
  ranges: Ranges,
): number {
  const word = words[at];
  let last = at;
  while (last + 1 < words.length && words[last + 1] === word) last++;
  const [start, end] = [runStart(text, at << 2), runEnd(text, last << 2)];
  for (const { needle, offset } of places) {
    const needleEnd = runEnd(needle, offset);
    const needleStart = runStart(needle, offset);
    if (needleEnd < needle.length) {
      addMatch(needle, text, end - needleEnd, ranges);
    } else if (needleStart > 0) {
      addMatch(needle, text, start - needleStart, ranges);
    } else if (end - start >= needle.length) {
      ranges.add(start, end);
    }
  }
  return end;
}

/**
 * Adds a range if a needle stands at a place of a text.
 *
 * @param needle The needle.
 * @param text The text.
 * @param start The place, possibly outside of the text.
 * @param ranges Receives the occurrence.
 */
export function addMatch(
  needle: Uint8Array,
  text: Uint8Array,
  start: number,
  ranges: Ranges,
): void {
  if (start < 0 || start + needle.length > text.length) return;
  // From the end: secrets that share a beginning differ there.
  for (let at = needle.length - 1; at >= 0; at--) {
    if (needle[at] !== text[start + at]) return;
  }
  ranges.add(start, start + needle.length);
}

function runStart(bytes: Uint8Array, at: number): number {
  let start = at;
  while (start > 0 && bytes[start - 1] === bytes[at]) start--;
  return start;
}

function runEnd(bytes: Uint8Array, at: number): number {
  let end = at + 1;
  while (end < bytes.length && bytes[end] === bytes[at]) end++;
  return end;
}
