import { QUOTE } from "./scanner.ts";
import { DecodedText } from "./decoded_text.ts";
import { Marks } from "./marks.ts";
import type { FormKind } from "./needle_set.ts";

/** Something to look for. */
export interface Form {
  /** Its bytes; valid until the next form. */
  readonly bytes: Uint8Array;
  /**
   * How it is to be looked for: also with line breaks anywhere in it, or, being
   * in normal form, only where escapes are undone.
   */
  readonly kind: FormKind;
}

/** Minimum length of a line of a value of several lines that is a secret by itself, in characters. */
const MIN_LINE = 8;

/** Longer values are quoted line by line only, in ways that leave no trace. */
const MAX_QUOTED = 2048;

/** Values of more lines than these are found encoded as a whole only. */
const MAX_ENCODED_LINES = 256;

/** Minimum length of a form that is found with line breaks in it, in bytes. */
const MIN_JOINED_BYTES = 8;

/**
 * The same for hexadecimal digits, which may have blanks between them, and for
 * values that are searched without their blanks.
 */
const MIN_SPACED_DIGITS = 12;

/**
 * Longer values are taken in parts, which share so much that every stretch of
 * a needle's length is in one: time and memory stay in proportion.
 */
const [PART_LENGTH, SHARED_LENGTH] = [8192, 256];

const LINE_BREAK = /\r\n|[\r\n]/;

/** Texts that need no quotes anywhere and have no parts. */
const PLAIN = /^[\w.-]+$/;

/** Minimum length of what several quotes surround, to be masked by itself, in characters. */
const MIN_INNER_LENGTH = 8;

/** Lines that every file of their kind has. */
const STRUCTURAL = /^(-----(BEGIN|END) .*-----|[\s{}[\]()<>;:,"'=_*#/.-]*)$/;

/** Stand for an ampersand, a percent sign and a dollar sign that begin no escape and no quotes. */
const INERT = ["\x01", "\x02", "\x03"];

/** What they stand for. */
const INERT_BYTES: Readonly<Record<number, number>> = {
  1: 0x26,
  2: 0x25,
  3: 0x24,
};

/**
 * Maximum size of values that are found in base32, in bytes: ten more forms of a
 * long one would take long to register.
 */
const MAX_BASE32_BYTES = 4096;

/**
 * Maximum number of preceding bytes that affect how a value is encoded, in
 * base64 and in base32.
 */
const [MAX_SHIFT, MAX_SHIFT_32] = [2, 4];

const encoder = new TextEncoder();

const BASE64_DIGITS = encoder.encode(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
);
const HEX_DIGITS = ["0123456789abcdef", "0123456789ABCDEF"].map((digits) =>
  encoder.encode(digits)
);
const BASE32_DIGITS = [
  "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
  "abcdefghijklmnopqrstuvwxyz234567",
].map((digits) => encoder.encode(digits));
const [PLUS, SLASH, MINUS, UNDERSCORE] = [0x2b, 0x2f, 0x2d, 0x5f];

/** Where values are decoded, one after the other. */
const [marks, decoded] = [new Marks(), new DecodedText()];

/**
 * Returns every form in which a secret may be printed and which is no matter of
 * escapes: those are undone in the text.
 *
 * These are the value, the value without the white space or quotes around it,
 * its longer lines, and what each of these leaves in base64 and hexadecimal
 * digits, wherever it stands in what was encoded.
 *
 * @param value The secret.
 * @returns The forms; some may be there twice.
 */
export function* formsOf(value: string): Generator<Form> {
  const { whole, lines, loose } = variantsOf(value);
  for (const variant of whole) yield* formsOfVariant(variant);
  for (const line of lines) {
    if (lines.size <= MAX_ENCODED_LINES) yield* formsOfVariant(line);
    else yield* writtenForms(line);
  }
  for (const variant of loose) {
    for (const part of partsOf(variant)) {
      yield { bytes: encoder.encode(part), kind: "plain" };
    }
  }
  yield* joinedForms(value);
}

function* formsOfVariant(variant: string): Generator<Form> {
  for (const part of partsOf(variant)) {
    const bytes = encoder.encode(part);
    yield* writtenForms(part, bytes);
    yield* encodedForms(bytes, part);
  }
}

function* writtenForms(
  value: string,
  bytes = encoder.encode(value),
): Generator<Form> {
  if (PLAIN.test(value)) {
    const isLong = bytes.length >= MIN_JOINED_BYTES;
    yield { bytes, kind: isLong ? "wrapped" : "plain" };
    return;
  }
  yield* wrappedForms(value, bytes.length);
  yield { bytes, kind: "plain" };
  yield* quotedForms(value);
}

/**
 * A value as it appears in joined lines: without blanks and quotes, also with
 * escapes that a line break may have split.
 */
function* wrappedForms(value: string, size: number): Generator<Form> {
  const inert = value.replaceAll("&", INERT[0]).replaceAll("%", INERT[1])
    .replace(/\\+/g, "");
  for (const text of new Set([value, inert])) {
    const joined = withSigns(normalForm(encoder.encode(text), true));
    const isSame = joined.length === size;
    if (joined.length >= (isSame ? MIN_JOINED_BYTES : MIN_SPACED_DIGITS)) {
      yield { bytes: joined, kind: "wrapped" };
    }
  }
}

function* partsOf(value: string): Generator<string> {
  for (let at = 0;; at += PART_LENGTH - SHARED_LENGTH) {
    yield value.slice(at, at + PART_LENGTH);
    if (at + PART_LENGTH >= value.length) return;
  }
}

/** What a secret may be printed as, apart from how it is written. */
interface Variants {
  /** All of it. */
  whole: Set<string>;
  /** Its longer lines. */
  lines: Set<string>;
  /** What a shell makes of it in a variable without quotes, and all lines in one. */
  loose: Set<string>;
}

function variantsOf(value: string): Variants {
  const variants: Variants = {
    whole: new Set([value]),
    lines: new Set(),
    loose: new Set(),
  };
  if (PLAIN.test(value)) return variants;
  const trimmed = value.trim();
  if (trimmed === "") return { ...variants, whole: new Set() };
  variants.whole.add(trimmed);
  const unquoted = /^(["'])(.*)\1$/s.exec(trimmed)?.[2] ?? "";
  if (unquoted.trim() !== "") variants.whole.add(unquoted);
  // Of several quotes at an edge, one may be escaped and the others not.
  const inner = trimmed.replace(/^["']{2,}|["']{2,}$/g, "");
  if (inner !== trimmed && inner.length >= MIN_INNER_LENGTH) {
    variants.whole.add(inner);
  }
  const lines = trimmed.split(LINE_BREAK);
  if (lines.length === 1) return variants;
  variants.loose.add(trimmed.replace(/\s+/g, " "));
  variants.loose.add(lines.join(""));
  for (const line of lines.map((it) => it.trim())) {
    if (line.length >= MIN_LINE && !STRUCTURAL.test(line)) {
      variants.lines.add(line);
    }
  }
  return variants;
}

/** A value in normal form, and quoted in the ways that leave no trace of it. */
function* quotedForms(value: string): Generator<Form> {
  const isLong = value.length > MAX_QUOTED;
  for (const text of isLong ? [] : doubledForms(value)) {
    if (text !== value) yield { bytes: encoder.encode(text), kind: "plain" };
  }
  // A backslash at an end may have merged with what is next to it, and a
  // letter behind a backslash may have been taken for a part of an escape.
  const inner = value.replace(/\\+$/, "").replace(/^\\+/, "");
  const withoutLetter = inner.replace(/^[abefnrtvEuUxMC0-7]/, "");
  for (const variant of new Set([value, inner, withoutLetter])) {
    const normal = normalForm(encoder.encode(variant), false);
    yield { bytes: normal, kind: "normal" };
    if (isLong || variant === withoutLetter && variant !== inner) continue;
    for (const form of splicedForms(normal)) {
      yield { bytes: form, kind: "normal" };
    }
  }
  // \xfc is a byte, or the character with that number.
  if (/[\x80-\xff]/.test(value)) {
    yield { bytes: normalForm(withLatinBytes(value), false), kind: "normal" };
  }
  for (const text of new Set([value, inner].flatMap(inertTexts))) {
    const normal = normalForm(encoder.encode(text), false);
    yield { bytes: withSigns(normal), kind: "normal" };
  }
}

function withSigns(text: Uint8Array): Uint8Array {
  return text.map((byte) => INERT_BYTES[byte] ?? byte);
}

/** A text in UTF-8, but with a single byte for each character that has such a number. */
function withLatinBytes(text: string): Uint8Array {
  const bytes = Array.from(text, (char) => {
    const code = char.charCodeAt(0);
    return code < 0x100 ? [code] : [...encoder.encode(char)];
  });
  return Uint8Array.from(bytes.flat());
}

/** A value in which what looks like an escape is none: it is not one either when every sign of it is escaped. */
function inertTexts(value: string): string[] {
  const withoutEntities = value.replaceAll("&", INERT[0]);
  const withoutSigns = withoutEntities.replaceAll("%", INERT[1]);
  const texts = [
    value,
    withoutEntities,
    withoutSigns.replace(/\\+(?=[uUxMC])/g, '"'),
    withoutSigns.replace(/\\+/g, '"'),
  ];
  // The quote behind a dollar sign may be escaped, which opens no quotes.
  const withoutDollars = texts.map((it) => it.replaceAll("$'", `${INERT[2]}'`));
  return [...texts, ...withoutDollars].filter((text) => text !== value);
}

/**
 * Returns a text as shells quote it that end a quoting in front of what it cannot
 * quote, and begin it again behind that.
 *
 * @param normal The text in normal form.
 */
function splicedForms(normal: Uint8Array): Uint8Array[] {
  const isControl = (byte: number) => byte < 0x20 || byte === 0x7f;
  const isOther = (byte: number) => isControl(byte) || byte >= 0x80;
  return [isControl, isOther].flatMap((isSpecial) =>
    normal.some((byte) => byte !== QUOTE && isSpecial(byte))
      ? [spliced(normal, isSpecial, true), spliced(normal, isSpecial, false)]
      : []
  );
}

/** Puts quotes around each special byte, or each run of them, unless it is at an end. */
function spliced(
  normal: Uint8Array,
  isSpecial: (byte: number) => boolean,
  areApart: boolean,
): Uint8Array {
  const bytes: number[] = [];
  let wasSpecial = false;
  for (const byte of normal) {
    const is = byte !== QUOTE && isSpecial(byte);
    const isEdge = is !== wasSpecial || is && areApart;
    const isFirst = bytes.length === 0;
    if (isEdge && !isFirst && byte !== QUOTE && bytes.at(-1) !== QUOTE) {
      bytes.push(QUOTE);
    }
    bytes.push(byte);
    wasSpecial = is;
  }
  return Uint8Array.from(bytes);
}

/** A value quoted in the ways that leave no trace in the text around it. */
function doubledForms(value: string): string[] {
  const doubled = [["'", "''"], ["'", `'"'"'`], ['"', '""']].flatMap(
    ([quote, quotes]) => {
      const text = value.replaceAll(quote, quotes);
      return [text, text.replaceAll(quote, quotes)];
    },
  );
  return [
    ...doubled,
    value.replace(/["$`]/g, "`$&"),
    value.replace(/[&<>|^"]/g, "^$&"),
    quotedPrintable(value),
  ];
}

function quotedPrintable(value: string): string {
  return value.replace(/[=\x80-\u{10ffff}]/gu, (char) =>
    Array.from(
      encoder.encode(char),
      (byte) => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    ).join(""));
}

/**
 * Returns a text as the masker looks at it: with its escapes undone, and with
 * one sign for all that quotes.
 */
function normalForm(bytes: Uint8Array, isJoined: boolean): Uint8Array {
  marks.find(bytes.slice(), true);
  decoded.decode(bytes, marks, 0, bytes.length, isJoined);
  return decoded.view().slice();
}

/** A secret of several lines without white space and quotes, and what it has between lines such as `-----BEGIN`. */
function* joinedForms(value: string): Generator<Form> {
  const lines = value.trim().split(LINE_BREAK);
  if (lines.length === 1) return;
  const body = lines.filter((line) => !STRUCTURAL.test(line.trim()));
  for (const text of [lines, body]) {
    for (const part of partsOf(text.join(""))) {
      const bytes = normalForm(encoder.encode(part), true);
      if (bytes.length >= MIN_JOINED_BYTES) yield { bytes, kind: "encoded" };
    }
  }
}

/** What a value leaves in base64 and base32, in both alphabets of each, and in hexadecimal digits. */
function* encodedForms(bytes: Uint8Array, value: string): Generator<Form> {
  for (const source of [bytes, utf16Bytes(value)]) {
    for (let shift = 0; shift <= MAX_SHIFT; shift++) {
      const text = digitsOf(source, shift, 6, BASE64_DIGITS);
      yield form(text);
      if (replaceForUrls(text)) yield form(text);
    }
  }
  const maxShift = bytes.length > MAX_BASE32_BYTES ? -1 : MAX_SHIFT_32;
  for (let shift = 0; shift <= maxShift; shift++) {
    for (const digits of BASE32_DIGITS) {
      yield form(digitsOf(bytes, shift, 5, digits));
    }
  }
  yield form(hex(bytes, HEX_DIGITS[0]), MIN_SPACED_DIGITS);
  yield form(hex(bytes, HEX_DIGITS[1]), MIN_SPACED_DIGITS);
}

function form(bytes: Uint8Array, minLength = MIN_JOINED_BYTES): Form {
  return { bytes, kind: bytes.length >= minLength ? "encoded" : "plain" };
}

/**
 * Returns what bytes leave in a text in base64 or base32.
 *
 * Three bytes become four characters, or five bytes eight, so they show in one
 * of three or five ways. The characters at the edges also depend on what is next
 * to them and are left out.
 *
 * @param bytes The bytes.
 * @param shift Number of bytes that precede them in the first group.
 * @param width Bits of a character.
 * @param digits The characters.
 */
function digitsOf(
  bytes: Uint8Array,
  shift: number,
  width: number,
  digits: Uint8Array,
): Uint8Array {
  const firstBit = -8 * shift;
  const first = Math.ceil(8 * shift / width);
  const end = Math.floor(8 * (shift + bytes.length) / width);
  const text = roomFor(end - first);
  let bits = 0;
  let bitCount = 0;
  let at = 0;
  let length = 0;
  // The bits in front of the first whole character are those of no character.
  let skipped = width * first + firstBit;
  while (length < text.length) {
    while (bitCount < width + skipped) {
      bits = bits << 8 | bytes[at++];
      bitCount += 8;
    }
    bitCount -= skipped;
    skipped = 0;
    bitCount -= width;
    text[length++] = digits[bits >>> bitCount & (1 << width) - 1];
    bits &= (1 << bitCount) - 1;
  }
  return text;
}

/** Puts a text in base64 into the alphabet of URLs; `false` if it is the same there. */
function replaceForUrls(text: Uint8Array): boolean {
  let isOther = false;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === PLUS) text[at] = MINUS;
    else if (text[at] === SLASH) text[at] = UNDERSCORE;
    else continue;
    isOther = true;
  }
  return isOther;
}

function hex(bytes: Uint8Array, digits: Uint8Array): Uint8Array {
  const text = roomFor(2 * bytes.length);
  for (let at = 0; at < bytes.length; at++) {
    text[2 * at] = digits[bytes[at] >> 4];
    text[2 * at + 1] = digits[bytes[at] & 15];
  }
  return text;
}

/** Returns room for a form, the same for each of them. */
function roomFor(length: number): Uint8Array {
  if (room.length < length) room = new Uint8Array(2 * length);
  return room.subarray(0, length);
}

let room = new Uint8Array(1024);

/** The text in UTF-16 as the little-endian machines that Deno runs on have it. */
function utf16Bytes(text: string): Uint8Array {
  const units = new Uint16Array(text.length);
  for (let at = 0; at < text.length; at++) units[at] = text.charCodeAt(at);
  return new Uint8Array(units.buffer);
}
