import type { NeedlePool } from "./needle_pool.ts";
import type { Ranges } from "./ranges.ts";
import type { WordIndex } from "./word_index.ts";

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
 * @param index Index in which it is registered.
 * @param pool Needles of that index.
 * @param ranges Receives the occurrences.
 * @returns Where the run ends.
 */
export function findInRun(
  text: Uint8Array,
  words: Int32Array,
  at: number,
  index: WordIndex,
  pool: NeedlePool,
  ranges: Ranges,
): number {
  const word = words[at];
  let last = at;
  while (last + 1 < words.length && words[last + 1] === word) last++;
  const [start, end] = [runStart(text, at << 2), runEnd(text, last << 2)];
  for (
    let place = index.first(word);
    place >= 0;
    place = index.next(place)
  ) {
    const needle = index.needleOf(place);
    const bytes = pool.bytesOf(needle);
    const needleStart = runStart(bytes, index.offsetOf(place));
    const needleEnd = runEnd(bytes, index.offsetOf(place));
    if (needleEnd - needleStart === bytes.length) {
      if (end - start >= bytes.length) ranges.add(start, end);
      continue;
    }
    const at = needleEnd < bytes.length ? end - needleEnd : start - needleStart;
    if (pool.isAt(needle, text, at)) ranges.add(at, at + bytes.length);
  }
  return end;
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
