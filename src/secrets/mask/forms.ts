import { decodeUtf8 } from "../../bytes.ts";
import { dataSourcePassword } from "../../url_secrets.ts";
import {
  type Form,
  MIN_JOINED_BYTES,
  MIN_SPACED_DIGITS,
  quotedForms,
  toNormalForm,
  wrappedForms,
} from "./quoted_forms.ts";

/** Minimum length of a line of a multi-line value that is a secret by itself, in characters. */
const MIN_LINE = 8;

/** Maximum number of lines that are encoded one by one; of more, only the whole value is. */
const MAX_ENCODED_LINES = 256;

/**
 * Longer values are split into parts, so that time and memory stay proportional.
 * Parts overlap, so that each sequence as long as a needle is within one of them.
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
 * Maximum size of values that are found in base32, in bytes: creating ten more
 * forms of a longer one would take too long.
 */
const MAX_BASE32_BYTES = 4096;

/**
 * Maximum number of preceding bytes that affect how a value is encoded, in
 * base64 and in base32.
 */
const [MAX_SHIFT, MAX_SHIFT_32] = [2, 4];

/** Maximum number of parts of a document that are separate secrets. */
const MAX_PARTS = 1_000;

/** Maximum depth of nested documents. */
const MAX_PART_DEPTH = 8;

/** Minimum length of a part that is a secret because of its name, in characters. */
const MIN_NAMED = 6;

/** Minimum length of a part that is a secret because it looks random, in characters. */
const MIN_RANDOM = 16;

/** Maximum number of characters that are checked for randomness. */
const MAX_RANDOM = 128;

/** Names of secrets, in any spelling. */
const SECRET_NAME =
  /pass(?!ive|age|enger|ed\b)|pwd|secret|token|credential|priv|signature|(?:^|[^a-z])(?:sig|sas|auth|psk|pin|otp|salt|seed|hmac|jwt|bearer|cookie)(?:$|[^a-z])|(?:api|access|account|encryption|signing|master|shared|host|storage|client|license|ssh|ssl|tls|gpg|rsa|aes)[-_.]?key|(?:^|[^a-z])key(?:$|s$|[-_.]?(?:data|material|value|file)$)|_auth$/i;

/** Names of values that describe a secret but are not secret. */
const PLAIN_NAME =
  /(?:ur[il]|type|name|user|email|expir\w*|(?:^|[-_.])ids?|version|algorithm|endpoint|host|port|path|file|region|scopes?|issuer|audience|lifetime|ttl|_at|length|policy|enabled)$/i;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A line `KEY=VALUE` or `KEY: VALUE`, as in environment files, settings and YAML. */
const ASSIGNMENT =
  /^\s*(?:-\s+)?(?:export\s+|set\s+|declare\s+(?:-\w+\s+)*|ENV\s+)?(["']?)([\w./:@$-]*[\w$])\1\s*(?:=|:\s)(.*)$/s;

/** Words in pairs, as in `.netrc`. */
const WORD_PAIR = /(?:^|\s)(password|passwd|secret|token)\s+(\S+)/gi;

/** A name and its quoted value, as in JSON with comments, XML, connection strings and source code. */
const QUOTED_PAIR =
  /(?<![\w.-])(["']?)([\w.-]{1,64})\1\s*(?::|=>?|,)\s*("(?:[^"\\\r\n]|\\.)+"|'[^'\r\n]+')/g;

/** Value of an HTTP header, with the token that follows the scheme. */
const SCHEME_AND_TOKEN = /^(?:Bearer|Basic|Token|ApiKey)\s+(\S+)$/i;

/** Fields of a form, joined as in the query of a URL. */
const FORM = /^[\w.%-]+=[^\s&]*(?:&[\w.%-]+=[^\s&]*)+$/;

/** A comment after a value in settings and environment files. */
const COMMENT = /(?<!\s)\s+[#;]\s.*$/;

const BASE64 = /^[A-Za-z0-9+/]{8,}={0,2}$/;

/** Minimum length of a document in base64 that has no name, in characters. */
const MIN_BASE64_DOCUMENT = 24;

const URL_START = /^[a-z][a-z0-9+.-]*:\/\//i;

/** Characters of which each document has at least one. */
const DOCUMENT = /[\s:={[]/;

const encoder = new TextEncoder();

const BASE32_DIGITS = encoder.encode("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");

const CAPITAL_A = 0x41;

/** The bit in which lowercase and uppercase letters differ. */
const CASE = 0x20;

/**
 * Finds the parts of a secret that are separate secrets.
 *
 * Documents are JSON, lines of `KEY=VALUE` or `KEY: VALUE`, names with quoted
 * values, connection strings, headers, forms and URLs, possibly nested or in
 * base64. A part counts if it has the name of a secret, if it is long and looks
 * random, or if it is a private key.
 *
 * @param secret The secret.
 * @returns Parts as they are written in it, and decoded.
 */
export function findSecretParts(secret: string): Set<string> {
  const parts = new Set<string>();
  addParts(secret, parts, 0);
  parts.delete(secret);
  return parts;
}

/**
 * Returns every form in which a secret may be printed, apart from escapes, which
 * are undone in the text.
 *
 * These are the value, the value without surrounding whitespace or quotes, its
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

/** Returns a multi-line secret without whitespace and quotes, with and without lines such as `-----BEGIN`. */
function* joinedForms(texts: Iterable<string>): Generator<Form> {
  for (const text of texts) {
    for (const part of splitForm(text)) {
      const bytes = toNormalForm(encoder.encode(part), true);
      if (bytes.length >= MIN_JOINED_BYTES) yield { bytes, kind: "encoded" };
    }
  }
}

/** Returns a value in base64 (both alphabets), base32 and hexadecimal digits (both cases). */
function* encodedForms(bytes: Uint8Array, value: string): Generator<Form> {
  yield* base64Forms(bytes);
  yield* base64Forms(encodeUtf16(bytes, value));
  if (bytes.length <= MAX_BASE32_BYTES) {
    for (let shift = 0; shift <= MAX_SHIFT_32; shift++) {
      const text = encodeBase32(bytes, shift);
      yield form(text);
      yield form(toLowercase(text));
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
 * Three bytes become four characters, so there are three alignments. The characters
 * at the edges also depend on the bytes next to the value and are left out.
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

/** Does the same in base32, where five bytes become eight characters. */
function encodeBase32(bytes: Uint8Array, shift: number): Uint8Array {
  const first = Math.ceil(8 * shift / 5);
  const text = getBuffer(Math.floor(8 * (shift + bytes.length) / 5) - first);
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

/** Converts uppercase letters to lowercase, in place. */
function toLowercase(text: Uint8Array): Uint8Array {
  for (let at = 0; at < text.length; at++) {
    if (text[at] >= CAPITAL_A) text[at] |= CASE;
  }
  return text;
}

/** Encodes ASCII text in the shared buffer, which the next form overwrites. */
function encodeText(text: string): Uint8Array {
  const bytes = getBuffer(text.length);
  encoder.encodeInto(text, bytes);
  return bytes;
}

/** Returns a view of the shared buffer, which the next form overwrites. */
function getBuffer(length: number): Uint8Array<ArrayBuffer> {
  if (buffer.length < length) buffer = new Uint8Array(2 * length);
  return buffer.subarray(0, length);
}

let buffer = new Uint8Array(1024);

/** Encodes a text as UTF-16LE, the byte order of all machines that Deno runs on. */
function encodeUtf16(bytes: Uint8Array, text: string): Uint8Array {
  const isAscii = bytes.length === text.length;
  const units = isAscii
    ? new Uint16Array(bytes)
    : Uint16Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
  return new Uint8Array(units.buffer);
}

function addParts(text: string, parts: Set<string>, depth: number): void {
  if (depth > MAX_PART_DEPTH) return;
  const trimmed = text.trim();
  const decoded = trimmed.length >= MIN_BASE64_DOCUMENT
    ? decodeBase64(trimmed)
    : undefined;
  if (decoded !== undefined && DOCUMENT.test(decoded.trim())) {
    putPart(decoded, parts);
    return addParts(decoded, parts, depth + 1);
  }
  // Most secrets are one word.
  if (!DOCUMENT.test(text)) return;
  if (/^["{[]/.test(trimmed)) {
    const value = parseJson(trimmed);
    if (value !== undefined) return addValueParts("", value, parts, depth);
  }
  if (URL_START.test(trimmed) && !/\s/.test(trimmed)) {
    return addUrlParts(trimmed, parts);
  }
  if (trimmed.startsWith("-----BEGIN ")) {
    // Tools that read keys from variables undo the escapes of line breaks.
    if (trimmed.includes("\\n")) parts.add(trimmed.replaceAll("\\n", "\n"));
    return;
  }
  const token = SCHEME_AND_TOKEN.exec(trimmed)?.[1];
  if (token !== undefined) {
    putPart(token, parts);
    return addCredentials(token, parts);
  }
  const [password] = dataSourcePassword(trimmed) ?? [];
  if (password !== undefined) return putPart(password, parts);
  if (FORM.test(trimmed)) return addFields(`?${trimmed}`, parts);
  const pieces = /[\r\n]/.test(trimmed)
    ? trimmed.split(/[\r\n]+/)
    : trimmed.split(/;|[\s,](?=[\w.-]+=)/);
  addAssignments(new Set(pieces), parts, depth);
  for (const [, name, value] of trimmed.matchAll(WORD_PAIR)) {
    addPart(name, value, parts, depth);
  }
  for (const [, , name, value] of trimmed.matchAll(QUOTED_PAIR)) {
    addQuoted(name, value, parts, depth);
  }
}

/** Adds a quoted value, as written and with its escapes undone. */
function addQuoted(
  name: string,
  quoted: string,
  parts: Set<string>,
  depth: number,
): void {
  addPart(name, quoted.slice(1, -1), parts, depth);
  if (quoted[0] !== '"' || !quoted.includes("\\")) return;
  const text = parseJson(quoted);
  if (typeof text === "string") addPart(name, text, parts, depth);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // It only looks like JSON.
    return undefined;
  }
}

function addValueParts(
  name: string,
  value: unknown,
  parts: Set<string>,
  depth: number,
): void {
  if (depth > MAX_PART_DEPTH) return;
  if (typeof value === "string") addPart(name, value, parts, depth);
  else if (typeof value === "number") {
    addPart(name, String(value), parts, depth);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      // Items of a list have the name of the list.
      const itemName = Array.isArray(value) ? name : key;
      addValueParts(itemName, item, parts, depth + 1);
    }
  }
}

function addAssignments(
  pieces: Iterable<string>,
  parts: Set<string>,
  depth: number,
): void {
  for (const piece of pieces) {
    const [, , name, rest] = ASSIGNMENT.exec(piece) ?? [];
    const value = rest?.trim().replace(/;$/, "");
    if (!value) continue;
    if (/^(["'])(.*)\1$/s.test(value)) addQuoted(name, value, parts, depth);
    else {
      addPart(name, value, parts, depth);
      const plain = value.replace(COMMENT, "");
      if (plain !== value) addPart(name, plain, parts, depth);
    }
  }
}

function addUrlParts(url: string, parts: Set<string>): void {
  const userInfo = /^[^/]*:\/\/([^/?#]*)@/.exec(url)?.[1] ?? "";
  const colon = userInfo.indexOf(":");
  if (colon >= 0) addDecodedPart(userInfo.slice(colon + 1), parts);
  else if (userInfo.length >= MIN_RANDOM) addDecodedPart(userInfo, parts);
  // A password may have been written without being encoded.
  const raw = /^[^/]*:\/\/[^:/?#@]*:(?!\d+\/)(.+)@/.exec(url)?.[1];
  if (raw !== undefined) addDecodedPart(raw, parts);
  addFields(url, parts);
}

function addFields(url: string, parts: Set<string>): void {
  for (const [, name, value] of url.matchAll(/[?&#;]([^=&#;?]+)=([^&#;]*)/g)) {
    if (isSecretPart(name, value)) addDecodedPart(value, parts);
  }
}

/** Adds a text as written in a URL, and its decoded value. */
function addDecodedPart(text: string, parts: Set<string>): void {
  parts.add(text);
  try {
    parts.add(decodeURIComponent(text));
  } catch {
    // The part is not percent-encoded.
  }
}

function addPart(
  name: string,
  value: string,
  parts: Set<string>,
  depth: number,
): void {
  if (isSecretPart(name, value)) {
    putPart(value, parts);
    addCredentials(value, parts);
    const decoded = decodeBase64(value);
    if (decoded !== undefined) putPart(decoded, parts);
  }
  addParts(value, parts, depth + 1);
}

/** Adds the parts of `user:password` in base64, as in configurations of clients. */
function addCredentials(value: string, parts: Set<string>): void {
  const text = decodeBase64(value.replace(/^Basic\s+/, "")) ?? "";
  const password = /^[\x21-\x39\x3b-\x7e]+:([\x20-\x7e]+)$/.exec(text)?.[1];
  if (password !== undefined) putPart(password, parts);
}

/** Decodes a word in base64; returns `undefined` if it does not encode text. */
function decodeBase64(word: string): string | undefined {
  if (word.length % 4 !== 0 || !BASE64.test(word)) return undefined;
  const bytes = Uint8Array.fromBase64(word);
  if (
    bytes.some((byte) => byte < 0x20 && !/\s/.test(String.fromCharCode(byte)))
  ) {
    return undefined;
  }
  return decodeUtf8(bytes);
}

function putPart(part: string, parts: Set<string>): void {
  if (part.trim().length >= MIN_NAMED && parts.size < MAX_PARTS) {
    parts.add(part);
  }
}

function isSecretPart(name: string, value: string): boolean {
  const text = value.trim();
  if (text.startsWith("-----BEGIN ") && !/PUBLIC|CERTIFICATE/.test(text)) {
    return true;
  }
  if (URL_START.test(text)) return false;
  const isNamed = SECRET_NAME.test(separateWords(name)) &&
    !PLAIN_NAME.test(name);
  return isNamed ? text.length >= MIN_NAMED : isRandom(text);
}

/** Separates the words of a name. */
function separateWords(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, "_");
}

/** Checks whether a word looks random: long, with letters and digits in any order. */
function isRandom(text: string): boolean {
  if (text.length < MIN_RANDOM || !/^[\w+/=.~-]+$/.test(text)) return false;
  if (UUID.test(text)) return false;
  // Names and versions consist of words and numbers; in a token, they alternate.
  const transitions = text.slice(0, MAX_RANDOM).match(
    /[a-z](?=[A-Z0-9])|[A-Z](?=[0-9])|[0-9](?=[A-Za-z])/g,
  );
  return (transitions?.length ?? 0) * 8 >= Math.min(text.length, MAX_RANDOM);
}
