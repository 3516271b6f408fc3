import {
  type Form,
  MIN_JOINED_BYTES,
  MIN_SPACED_DIGITS,
  normalForm,
  quotedForms,
  wrappedForms,
} from "./quoted_forms.ts";

/** Minimum length of a line of a value of several lines that is a secret by itself, in characters. */
const MIN_LINE = 8;

/** Values of more lines than these are found encoded as a whole only. */
const MAX_ENCODED_LINES = 256;

/**
 * Longer values are split into parts. They overlap, so that every stretch of a
 * needle's length is in one part; time and memory stay proportional.
 */
const [PART_LENGTH, SHARED_LENGTH] = [8192, 256];

const LINE_BREAK = /\r\n|[\r\n]/;

/** Texts that need no quotes anywhere and have no parts. */
const PLAIN = /^[\w.-]+$/;

/** Minimum length of text inside several quotes that is masked by itself, in characters. */
const MIN_INNER_LENGTH = 8;

/** Lines that all files of a kind share. */
const STRUCTURAL = /^(-----(BEGIN|END) .*-----|[\s{}[\]()<>;:,"'=_*#/.-]*)$/;

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

const BASE32_DIGITS = encoder.encode("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");

const CAPITAL_A = 0x41;

/** The bit in which small and capital letters differ. */
const CASE = 0x20;

/**
 * Returns every form in which a secret may be printed, apart from escapes, which
 * are undone in the text.
 *
 * These are the value, the value without surrounding white space or quotes, its
 * longer lines, and the part of each of these that does not change in base64 and
 * hexadecimal digits, at any position of the encoded data.
 *
 * @param value The secret.
 * @returns The forms, possibly with duplicates.
 */
export function* generateForms(value: string): Generator<Form> {
  const { whole, lines, loose, joined } = createVariants(value);
  for (const variant of whole) yield* variantForms(variant);
  for (const line of lines) {
    if (lines.size <= MAX_ENCODED_LINES) yield* variantForms(line);
    else yield* writtenForms(line);
  }
  for (const variant of loose) {
    for (const part of splitForm(variant)) {
      yield { bytes: encoder.encode(part), kind: "plain" };
    }
  }
  yield* joinedForms(joined);
}

function* variantForms(variant: string): Generator<Form> {
  for (const part of splitForm(variant)) {
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
  yield* wrappedForms(bytes);
  yield { bytes, kind: "plain" };
  yield* quotedForms(value, bytes);
}

function* splitForm(value: string): Generator<string> {
  for (let at = 0;; at += PART_LENGTH - SHARED_LENGTH) {
    yield value.slice(at, at + PART_LENGTH);
    if (at + PART_LENGTH >= value.length) return;
  }
}

/** Variants of a secret, before encoding. */
interface Variants {
  /** The whole value. */
  whole: Set<string>;
  /** Its longer lines. */
  lines: Set<string>;
  /** The value as an unquoted variable in a shell, and with all lines joined. */
  loose: Set<string>;
  /** All lines joined, and without the lines that all files of a kind share. */
  joined: Set<string>;
}

function createVariants(value: string): Variants {
  const variants: Variants = {
    whole: new Set([value]),
    lines: new Set(),
    loose: new Set(),
    joined: new Set(),
  };
  if (PLAIN.test(value)) return variants;
  const trimmed = value.trim();
  if (trimmed === "") return { ...variants, whole: new Set() };
  variants.whole.add(trimmed);
  const unquoted = /^(["'])(.*)\1$/s.exec(trimmed)?.[2] ?? "";
  if (unquoted.trim() !== "") variants.whole.add(unquoted);
  // If there are several quotes at an edge, only some may be escaped.
  const inner = trimmed.replace(/^["']{2,}|["']{2,}$/g, "");
  if (inner !== trimmed && inner.length >= MIN_INNER_LENGTH) {
    variants.whole.add(inner);
  }
  const lines = trimmed.split(LINE_BREAK);
  if (lines.length === 1) return variants;
  variants.loose.add(trimmed.replace(/\s+/g, " "));
  variants.loose.add(lines.join(""));
  const structural = new Set<string>();
  for (const line of new Set(lines)) {
    const text = line.trim();
    if (STRUCTURAL.test(text)) structural.add(line);
    else if (text.length >= MIN_LINE) variants.lines.add(text);
  }
  const body = lines.filter((line) => !structural.has(line));
  variants.joined.add(lines.join("")).add(body.join(""));
  return variants;
}

/** A multi-line secret without white space and quotes, with and without lines such as `-----BEGIN`. */
function* joinedForms(texts: Iterable<string>): Generator<Form> {
  for (const text of texts) {
    for (const part of splitForm(text)) {
      const bytes = normalForm(encoder.encode(part), true);
      if (bytes.length >= MIN_JOINED_BYTES) yield { bytes, kind: "encoded" };
    }
  }
}

/** Encoded forms of a value: base64 and base32 in both alphabets, and hexadecimal digits. */
function* encodedForms(bytes: Uint8Array, value: string): Generator<Form> {
  yield* base64Forms(bytes);
  yield* base64Forms(utf16Bytes(bytes, value));
  if (bytes.length <= MAX_BASE32_BYTES) {
    for (let shift = 0; shift <= MAX_SHIFT_32; shift++) {
      const text = encodeBase32(bytes, shift);
      yield form(text);
      yield form(inSmallLetters(text));
    }
  }
  const digits = bytes.toHex();
  yield form(encodeText(digits), MIN_SPACED_DIGITS);
  yield form(encodeText(digits.toUpperCase()), MIN_SPACED_DIGITS);
}

function form(bytes: Uint8Array, minLength = MIN_JOINED_BYTES): Form {
  return { bytes, kind: bytes.length >= minLength ? "encoded" : "plain" };
}

/**
 * Returns the base64 characters that depend only on the given bytes.
 *
 * Three bytes become four characters, so they show in one of three ways. The
 * characters at the edges also depend on what is next to them and are left out.
 */
function* base64Forms(bytes: Uint8Array): Generator<Form> {
  const shifted = new Uint8Array(MAX_SHIFT + bytes.length);
  shifted.set(bytes, MAX_SHIFT);
  for (let shift = 0; shift <= MAX_SHIFT; shift++) {
    const source = shifted.subarray(MAX_SHIFT - shift);
    const first = Math.ceil(8 * shift / 6);
    const end = Math.floor(8 * source.length / 6);
    const text = source.toBase64();
    yield form(encodeText(text).subarray(first, end));
    if (!/[+/]/.test(text)) continue;
    const forUrls = source.toBase64({ alphabet: "base64url" });
    yield form(encodeText(forUrls).subarray(first, end));
  }
}

/** The same in base32, where five bytes become eight characters. */
function encodeBase32(bytes: Uint8Array, shift: number): Uint8Array {
  const first = Math.ceil(8 * shift / 5);
  const text = roomFor(Math.floor(8 * (shift + bytes.length) / 5) - first);
  let bits = 0;
  // The bits before the first whole character are skipped.
  let bitCount = 8 * shift - 5 * first;
  let at = 0;
  for (let length = 0; length < text.length; length++) {
    for (; bitCount < 5; bitCount += 8) bits = bits << 8 | bytes[at++];
    bitCount -= 5;
    text[length] = BASE32_DIGITS[bits >>> bitCount & 31];
    bits &= 255;
  }
  return text;
}

/** Changes capital letters to small ones. */
function inSmallLetters(text: Uint8Array): Uint8Array {
  for (let at = 0; at < text.length; at++) {
    if (text[at] >= CAPITAL_A) text[at] |= CASE;
  }
  return text;
}

/** The bytes of a text in ASCII, where the next form will be. */
function encodeText(text: string): Uint8Array {
  const bytes = roomFor(text.length);
  encoder.encodeInto(text, bytes);
  return bytes;
}

/** Returns room for a form, the same for each of them. */
function roomFor(length: number): Uint8Array<ArrayBuffer> {
  if (room.length < length) room = new Uint8Array(2 * length);
  return room.subarray(0, length);
}

let room = new Uint8Array(1024);

/** The text in UTF-16 as the little-endian machines that Deno runs on have it. */
function utf16Bytes(bytes: Uint8Array, text: string): Uint8Array {
  const isAscii = bytes.length === text.length;
  const units = isAscii
    ? new Uint16Array(bytes)
    : Uint16Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
  return new Uint8Array(units.buffer);
}
