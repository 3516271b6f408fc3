import { EscapeReader, GAP, MAX_CODE_BYTES, NORMAL, QUOTE } from "./escapes.ts";
import {
  BLANK,
  DOLLAR,
  ESCAPE,
  isIgnored,
  MARKS,
  startsQuotes,
} from "./marks.ts";
import type { FormKind } from "./needle_set.ts";

/** A form of a secret to search for. */
export interface Form {
  /** Its bytes; valid until the next form. */
  readonly bytes: Uint8Array;
  /** Where to search for it. */
  readonly kind: FormKind;
}

/** Maximum length of values that are quoted as a whole in ways that leave no trace. */
const MAX_QUOTED = 2048;

/** Minimum length of a form that is found with line breaks in it, in bytes. */
export const MIN_JOINED_BYTES = 8;

/**
 * The same for hexadecimal digits, which may be separated by blanks, and for values
 * that are searched without their blanks.
 */
export const MIN_SPACED_DIGITS = 12;

const [QUOTATION_MARK, PERCENT, AMPERSAND] = [0x22, 0x25, 0x26];
const [APOSTROPHE, BACKSLASH] = [0x27, 0x5c];

/** Represent `&`, `%` and `$` that do not begin an escape or quotes. */
const [INERT_AMPERSAND, INERT_PERCENT, INERT_DOLLAR] = [1, 2, 3];

/** Characters that do not begin an escape, as bits; `CODES` are backslashes before some letters. */
const [AMPERSANDS, PERCENTS, DOLLARS, CODES, BACKSLASHES] = [1, 2, 4, 8, 16];
const ALL_BACKSLASHES = CODES | BACKSLASHES;

/** The same where lines are joined: quotes, and so backslashes, are left out. */
const JOINED_CHARACTERS = 32 | AMPERSANDS | PERCENTS | BACKSLASHES;

/** Text that may be a spelling of ESC. */
// deno-lint-ignore no-control-regex
const ESC_CODE = /\x1b|\\[eE]|1[bB]|33|27/;

const encoder = new TextEncoder();

const reader = new EscapeReader();

/** Buffers for a normal form and for a text with replaced characters; valid until the next text. */
let [normalBuffer, inertBuffer] = [new Uint8Array(256), new Uint8Array(256)];

/**
 * Returns a value as it appears in joined lines: without blanks and quotes, and with
 * escapes that a line break may have split.
 */
export function* wrappedForms(value: Uint8Array): Generator<Form> {
  for (const text of [value, replaceInert(value, JOINED_CHARACTERS)]) {
    const joined = restoreInert(toNormalForm(text, true));
    const isSame = joined.length === value.length;
    if (joined.length >= (isSame ? MIN_JOINED_BYTES : MIN_SPACED_DIGITS)) {
      yield { bytes: joined, kind: "wrapped" };
    }
  }
}

/**
 * Returns a value in normal form, and quoted in the ways that leave no trace.
 *
 * @param value The value.
 * @param bytes The same in UTF-8.
 */
export function* quotedForms(
  value: string,
  bytes: Uint8Array,
): Generator<Form> {
  if (value.length <= MAX_QUOTED) yield* doubledForms(value);
  // A backslash at an end may have merged with its neighbor, and a letter after
  // a backslash may have been read as a part of an escape.
  let [from, to] = [0, bytes.length];
  while (to > 0 && bytes[to - 1] === BACKSLASH) to--;
  while (from < to && bytes[from] === BACKSLASH) from++;
  const texts = [bytes];
  if (to - from < bytes.length) texts.push(bytes.subarray(from, to));
  for (const text of texts) {
    const normal = toNormalForm(text, false);
    yield { bytes: normal, kind: "normal" };
    if (value.length <= MAX_QUOTED) yield* splicedForms(normal);
  }
  const isLetter = /^\\*[abefnrtvEuUxMC0-7]/.test(value);
  if (isLetter) {
    const withoutLetter = toNormalForm(bytes.subarray(from + 1, to), false);
    yield { bytes: withoutLetter, kind: "normal" };
  }
  // \xfc is a byte, or the character with that number.
  if (/[\x80-\xff]/.test(value)) {
    yield {
      bytes: toNormalForm(encodeWithLatin1(value), false),
      kind: "normal",
    };
  }
  for (const characters of findInert(value)) {
    for (const text of texts) {
      const normal = toNormalForm(replaceInert(text, characters), false);
      yield { bytes: restoreInert(normal), kind: "normal" };
    }
  }
}

/** Encodes a text as UTF-8, except that each character up to U+00FF becomes one byte. */
function encodeWithLatin1(text: string): Uint8Array {
  const bytes = Array.from(text, (char) => {
    const code = char.charCodeAt(0);
    return code < 0x100 ? [code] : [...encoder.encode(char)];
  });
  return Uint8Array.from(bytes.flat());
}

/**
 * Finds the characters in a value that may not begin escapes. They do not begin any if
 * every character of an escape was itself escaped.
 */
function findInert(value: string): Set<number> {
  let found = 0;
  // An ampersand may also be part of a terminal code.
  if (/&[#%A-Za-z0-9]/.test(value) || ESC_CODE.test(value)) {
    found |= AMPERSANDS;
  }
  if (value.includes("%")) found |= PERCENTS;
  if (value.includes("\\")) found |= BACKSLASHES;
  if (/\\[uUxMC]/.test(value)) found |= CODES;
  // The quote after a dollar sign may be escaped, which opens no quotes.
  const dollars = value.includes("$'") ? DOLLARS : 0;
  const all = [
    0,
    AMPERSANDS,
    AMPERSANDS | PERCENTS | CODES,
    AMPERSANDS | PERCENTS | BACKSLASHES,
  ].flatMap((characters) => [characters & found, characters & found | dollars]);
  return new Set(all.filter((characters) => characters !== 0));
}

/** Replaces characters by bytes that do not begin an escape. */
function replaceInert(text: Uint8Array, characters: number): Uint8Array {
  if (inertBuffer.length < text.length) {
    inertBuffer = new Uint8Array(2 * text.length);
  }
  const inert = inertBuffer;
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    let byte = text[at];
    if (byte === AMPERSAND && (characters & AMPERSANDS) !== 0) {
      byte = INERT_AMPERSAND;
    } else if (byte === PERCENT && (characters & PERCENTS) !== 0) {
      byte = INERT_PERCENT;
    } else if (byte === DOLLAR && (characters & DOLLARS) !== 0) {
      if (text[at + 1] === APOSTROPHE) byte = INERT_DOLLAR;
    } else if (byte === BACKSLASH && (characters & ALL_BACKSLASHES) !== 0) {
      let end = at + 1;
      while (text[end] === BACKSLASH) end++;
      if ((characters & BACKSLASHES) !== 0 || startsCode(text[end])) {
        at = end - 1;
        if (characters === JOINED_CHARACTERS) continue;
        byte = QUOTATION_MARK;
      } else {
        for (; at < end - 1; at++) inert[length++] = BACKSLASH;
      }
    }
    inert[length++] = byte;
  }
  return inert.subarray(0, length);
}

/** Whether a letter after a backslash begins a code of several characters: `u`, `U`, `x`, `M` or `C`. */
function startsCode(byte: number): boolean {
  return byte === 0x75 || byte === 0x55 || byte === 0x78 || byte === 0x4d ||
    byte === 0x43;
}

/** Restores the characters that did not begin an escape. */
function restoreInert(text: Uint8Array): Uint8Array {
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case INERT_AMPERSAND:
        text[at] = AMPERSAND;
        break;
      case INERT_PERCENT:
        text[at] = PERCENT;
        break;
      case INERT_DOLLAR:
        text[at] = DOLLAR;
    }
  }
  return text;
}

/**
 * Returns a text as quoted by shells that close the quotes before characters which
 * cannot be quoted, and reopen them afterwards.
 *
 * @param normal The text in normal form.
 */
function* splicedForms(normal: Uint8Array): Generator<Form> {
  const isControl = (byte: number) => byte < 0x20 || byte === 0x7f;
  const isOther = (byte: number) => isControl(byte) || byte >= 0x80;
  for (const isSpecial of [isControl, isOther]) {
    if (!normal.some((byte) => byte !== QUOTE && isSpecial(byte))) continue;
    yield { bytes: spliceQuotes(normal, isSpecial, true), kind: "normal" };
    yield { bytes: spliceQuotes(normal, isSpecial, false), kind: "normal" };
  }
}

/** Puts quotes around each special byte, or each run of them, unless it is at an end. */
function spliceQuotes(
  normal: Uint8Array,
  isSpecial: (byte: number) => boolean,
  areApart: boolean,
): Uint8Array {
  const bytes: number[] = [];
  let wasSpliced = false;
  for (const byte of normal) {
    const isSpliced = byte !== QUOTE && isSpecial(byte);
    const isEdge = isSpliced !== wasSpliced || isSpliced && areApart;
    const isFirst = bytes.length === 0;
    if (isEdge && !isFirst && byte !== QUOTE && bytes.at(-1) !== QUOTE) {
      bytes.push(QUOTE);
    }
    bytes.push(byte);
    wasSpliced = isSpliced;
  }
  return Uint8Array.from(bytes);
}

/** Returns a value quoted in the ways that leave no trace in the text around it. */
function* doubledForms(value: string): Generator<Form> {
  const doubled = [["'", "''"], ["'", `'"'"'`], ['"', '""']].flatMap(
    ([quote, quotes]) => {
      const text = value.replaceAll(quote, quotes);
      return [text, text.replaceAll(quote, quotes)];
    },
  );
  const texts = [
    ...doubled,
    value.replace(/["$`]/g, "`$&"),
    value.replace(/[&<>|^"]/g, "^$&"),
    encodeQuotedPrintable(value),
  ];
  for (const text of texts) {
    if (text !== value) yield { bytes: encoder.encode(text), kind: "plain" };
  }
}

function encodeQuotedPrintable(value: string): string {
  return value.replace(/[=\x80-\u{10ffff}]/gu, (char) =>
    Array.from(
      encoder.encode(char),
      (byte) => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    ).join(""));
}

/**
 * Returns a text in normal form, like {@linkcode DecodedText}: with its escapes
 * undone, and with one character for all quotes.
 */
export function toNormalForm(text: Uint8Array, isJoined: boolean): Uint8Array {
  // No escape is shorter than its value.
  if (normalBuffer.length < text.length + 4) {
    normalBuffer = new Uint8Array(2 * text.length + 4);
  }
  const normal = normalBuffer;
  let length = 0;
  let lastEnd = 0;
  for (let at = 0; at < text.length;) {
    const start = at++;
    const byte = text[start];
    let value = NORMAL[byte];
    let size = 1;
    if (MARKS[byte] === ESCAPE) {
      if (reader.read(text, text.length, start)) {
        ({ value, size, end: at } = reader);
      }
    } else if (byte === DOLLAR && startsQuotes(text, start)) continue;
    else if (isJoined && byte === BLANK) continue;
    for (; size > 0; size--) {
      const next = value & 0xff;
      value >>>= 8;
      if (isJoined && isIgnored(next)) continue;
      const isSameQuote = next === QUOTE && length > 0 &&
        normal[length - 1] === QUOTE;
      if (!isSameQuote) {
        if (length > 0 && start - lastEnd > MAX_CODE_BYTES) {
          normal[length++] = GAP;
        }
        normal[length++] = next;
      }
      lastEnd = at;
    }
  }
  return normal.subarray(0, length);
}
