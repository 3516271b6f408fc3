/** Line feed, the end of a line. */
export const LINE_FEED = 10;

/** A line break. */
export const LINE_BREAK: Uint8Array = Uint8Array.of(LINE_FEED);

/** Least limit for the length of a line that can be kept, in bytes. */
export const MIN_LINE_BYTES = 32;

/** Longest character of UTF-8, in bytes. */
const CHARACTER_BYTES = 4;

/**
 * Finds where a line that is too long is cut: not inside a character.
 *
 * Bytes that are no UTF-8 are cut anywhere.
 *
 * @param bytes Bytes that hold the line.
 * @param end Index of the first byte that does not fit.
 * @param from Index at which the line, or the known part of it, begins.
 * @returns Index of the first byte behind the cut, at most three before `end`.
 */
export function cutAt(bytes: Uint8Array, end: number, from: number): number {
  if (!isContinuation(bytes[end])) return end;
  const start = lastCharacter(bytes, end, from);
  return start + lengthOf(bytes[start]) > end ? start : end;
}

/**
 * Finds a character that has begun and would not fit once it is complete.
 *
 * @param bytes Bytes, the line being at their end.
 * @param from Index at which the known part of the line begins.
 * @param limit Index of the first byte that would not fit.
 * @returns Where the character begins; the length of the bytes without one.
 */
export function crossingFrom(
  bytes: Uint8Array,
  from: number,
  limit: number,
): number {
  const start = lastCharacter(bytes, bytes.length, from);
  return start + lengthOf(bytes[start]) > limit ? start : bytes.length;
}

/** Index of the byte that leads the last character; `end` when none does. */
function lastCharacter(bytes: Uint8Array, end: number, from: number): number {
  const first = Math.max(from, end - CHARACTER_BYTES + 1);
  for (let at = end - 1; at >= first; at--) {
    if (!isContinuation(bytes[at])) return at;
  }
  return end;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/** How long a character is, by its first byte; 0 when there is none. */
function lengthOf(byte: number | undefined): number {
  if (byte === undefined) return 0;
  if (byte >= 0xf8 || byte < 0xc0) return 1;
  if (byte >= 0xf0) return 4;
  return byte >= 0xe0 ? 3 : 2;
}
