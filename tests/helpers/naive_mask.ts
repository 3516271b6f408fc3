// deno-lint-ignore-file no-control-regex
import { findNestedMatches, type Placed } from "./naive_nested.ts";
import { CODE, codePlaces, fillPlaces, readDumps } from "./naive_dump.ts";

/**
 * The expected output of masking, computed in a slow and simple way: the whole
 * text is available, all views of it are computed, and each form is searched
 * separately. Texts are strings of bytes.
 *
 * @module
 */

/** A view of a text, and the position of each of its bytes in the text. */
interface View {
  text: string;
  starts: number[];
  ends: number[];
}

const encoder = new TextEncoder();

/** Returns the UTF-8 bytes of a text, one character for each. */
export function encodeText(text: string): string {
  return String.fromCharCode(...encoder.encode(text));
}

/** Returns the text of such bytes. */
export function decodeBytes(bytes: string): string {
  return new TextDecoder().decode(
    Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)),
  );
}

/** Stands for quotes and backslashes. */
const Q = "\xff";

const NAMES: Record<string, string> = {
  ...{ quot: '"', amp: "&", apos: "'", lt: "<", gt: ">" },
  ...{ nbsp: "\xa0", uuml: "\xfc", eacute: "\xe9", euro: "\u20ac" },
};

/** An entity: the older ones need no semicolon in front of most characters. */
const ENTITY = new RegExp(
  `^&(?:(${Object.keys(NAMES).join("|")})(?:;|%3[bB])|` +
    "(quot|amp|lt|gt|nbsp|uuml|eacute)(?![A-Za-z0-9=]))",
);

/** A numeric reference, which ends where its digits do. */
const NUMBER =
  /^&(?:#|%23)(?:x([0-9a-f]{1,8})(?![0-9a-f])|([0-9]{1,8})(?![0-9]))(?:;|%3b)?/i;

function parseCode([, hex, decimal]: RegExpExecArray): number {
  return hex ? parseInt(hex, 16) : parseInt(decimal);
}

const LETTERS: Record<string, string> = {
  ...{ n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v" },
  ...{ e: "\x1b", E: "\x1b" },
};

/** The start of a text: one character, or an escape sequence. */
interface Head {
  value: string;
  length: number;
}

/** Decodes `%` and `&` at the start repeatedly. */
function decodeReference(text: string): Head {
  let value = text[0];
  let length = 1;
  for (let rest = text.slice(1);; rest = text.slice(length)) {
    const at = value + rest;
    let match = /^%([0-9a-f]{2})/i.exec(at);
    if (match) value = String.fromCharCode(parseInt(match[1], 16));
    else if ((match = /^%u([0-9a-f]{4})/.exec(at))) {
      value = encodeCharacter(parseInt(match[1], 16));
    } else if ((match = NUMBER.exec(at)) && parseCode(match) <= 0x10ffff) {
      value = encodeCharacter(parseCode(match));
    } else if ((match = ENTITY.exec(at))) {
      value = encodeText(NAMES[match[1] ?? match[2]]);
    }
    if (!match) return { value, length };
    length += match[0].length - 1;
  }
}

/** Reads the start of a text in quoted-printable. */
function readQuotedPrintable(text: string): Head {
  const match = /^=(?:([0-9A-F]{2})|\r?\n)/.exec(text);
  if (!match) return { value: text[0], length: 1 };
  const value = match[1] ? String.fromCharCode(parseInt(match[1], 16)) : "";
  return { value, length: match[0].length };
}

function encodeCharacter(code: number): string {
  return encodeText(String.fromCodePoint(code).toWellFormed());
}

/** More characters than any escape sequence has. */
const MAX_HEAD = 1_100;

/** Reads the start of a text. */
function head(text: string): Head {
  if (text[0] === "\0") return { value: "", length: 1 };
  if (!/^[%&\\\x1b]/.test(text)) return { value: text[0], length: 1 };
  let { value, length } = decodeReference(text);
  while (value === "\\" || value === "\x1b") {
    const rest = text.slice(length);
    if (value === "\x1b") {
      return {
        value: "",
        length: length + CODE.exec("\x1b" + rest)![0].length - 1,
      };
    }
    if (length > 1 && rest[0] === "\\") return { value: Q, length };
    const next = decodeBackslash(rest, text[length - 1] === "\\");
    length += next.length;
    if (next.isDone || next.value.length > 1) {
      return { value: next.value, length };
    }
    const again = decodeReference(next.value + text.slice(length));
    value = again.value;
    length += again.length - 1;
  }
  return { value, length };
}

/** Reads what follows a backslash. */
function decodeBackslash(
  text: string,
  isPlain: boolean,
): Head & { isDone: boolean } {
  let runLength = 0;
  let next = text === "" ? { value: "", length: 0 } : decodeReference(text);
  while (next.value === "\\") {
    runLength += next.length;
    const rest = text.slice(runLength);
    next = rest === "" ? { value: "", length: 0 } : decodeReference(rest);
  }
  const isLastPlain = runLength === 0 ? isPlain : text[runLength - 1] === "\\";
  if (next.length > 1 && isLastPlain) {
    return { value: "", length: runLength, isDone: true };
  }
  const at = next.value + text.slice(runLength + next.length);
  const found = (value: string, used: number) => ({
    value,
    length: runLength + next.length + used - 1,
    isDone: false,
  });
  const hex = (code: string) => parseInt(code, 16);
  let match = /^u(d[89ab][0-9a-f]{2})(?:\\|%5c)+u(d[c-f][0-9a-f]{2})/i.exec(at);
  if (match) {
    const pair = String.fromCharCode(hex(match[1]), hex(match[2]));
    return found(encodeText(pair), match[0].length);
  }
  if ((match = /^u([0-9a-f]{4})/i.exec(at))) {
    return found(encodeCharacter(hex(match[1])), match[0].length);
  }
  if ((match = /^[xu]\{([0-9a-f]{1,6})\}/i.exec(at))) {
    return found(encodeCharacter(hex(match[1])), match[0].length);
  }
  if ((match = /^x([0-9a-f]{2})/i.exec(at))) {
    return found(String.fromCharCode(hex(match[1])), match[0].length);
  }
  if ((match = /^(?:[0-3][0-7]{0,2}|[4-7][0-7]?)/.exec(at))) {
    return found(String.fromCharCode(parseInt(match[0], 8)), match[0].length);
  }
  if ((match = /^[abeEfnrtv]/.exec(at))) return found(LETTERS[match[0]], 1);
  if ((match = /^\r?\n[ \t]*/.exec(at))) {
    const length = runLength + next.length + match[0].length - 1;
    return { value: "", length, isDone: true };
  }
  const isLiteral = /^(?:$|[A-Za-z0-9"'`\x1b])/.test(at);
  return { value: isLiteral ? Q : "", length: runLength, isDone: true };
}

/** Decodes all escape sequences. */
function decode(text: string, isJoined: boolean, read = head): View {
  const view: View = { text: "", starts: [], ends: [] };
  for (let at = 0; at < text.length;) {
    const { value, length } = read(text.slice(at, at + MAX_HEAD));
    const isQuoted = /^\$(?:'|$)/.test(text.slice(at));
    if (!isQuoted) {
      for (const byte of value) {
        add(view, byte, at, at + length, isJoined, value === text[at]);
      }
    }
    at += length;
  }
  return view;
}

function add(
  view: View,
  byte: string,
  start: number,
  end: number,
  isJoined: boolean,
  isPlain: boolean,
): void {
  if (/["'`\\]/.test(byte) || byte === Q && !isPlain) byte = Q;
  else if (byte === Q || byte === "\xfe") byte = "\xfd";
  else if (byte === " " && !(isJoined && isPlain)) byte = "+";
  if (isJoined && (byte === Q || /\s/.test(byte) && byte !== "\xa0")) return;
  if (byte === Q && view.text.endsWith(Q)) {
    view.ends[view.ends.length - 1] = end;
    return;
  }
  if (view.text !== "" && start - view.ends.at(-1)! > 1024) {
    view.text += "\xfe";
    view.starts.push(start);
    view.ends.push(start);
  }
  view.text += byte;
  view.starts.push(start);
  view.ends.push(end);
}

/** Returns the last words of lines, joined: the lines may have a prefix. */
function joinLastWords(text: string): View {
  const view: View = { text: "", starts: [], ends: [] };
  let lineStart = 0;
  for (const line of text.split("\n")) {
    const trimmed = line.replace(/[ \t\r]+$/, "");
    let word = /[-+/=_0-9A-Za-z]*$/.exec(trimmed)![0];
    if (word === trimmed) word = word.replace(/^[-+]/, "");
    const start = lineStart + trimmed.length - word.length;
    const gap = () => {
      view.text += "\xfe";
      view.starts.push(-1);
      view.ends.push(-1);
    };
    if (word === "" || trimmed.length - word.length > 64) gap();
    [...word].forEach((char, at) => {
      view.text += char;
      view.starts.push(start + at);
      view.ends.push(start + at + 1);
    });
    if (line.length - trimmed.length > 64) gap();
    lineStart += line.length + 1;
  }
  return view;
}

/**
 * Checks whether a match continues on the next line, behind a word of at least 8
 * bytes, of which at least 4 belong to the match.
 */
function continuesOnNextLine(view: View, start: number, end: number): boolean {
  const breaks = Array.from({ length: end - start - 1 }, (_, i) => start + i)
    .filter((at) => view.starts[at + 1] !== view.ends[at]);
  return breaks.some((at) => {
    let first = at;
    while (first > 0 && view.starts[first] === view.ends[first - 1]) first--;
    return at - first >= 7 && at - Math.max(first, start) >= 3;
  });
}

const NUMBERS: Record<number, RegExp> = {
  16: /^(?:0x|\\{1,4}x)?([0-9a-f]{2})$/i,
  10: /^([0-9]{1,3})$/,
  8: /^([0-7]{3})$/,
};

/** Returns the bytes of lists of numbers, as hexadecimal digits. */
function readNumberLists(text: string, radix: number): View {
  const view: View = { text: "", starts: [], ends: [] };
  let isBroken = true;
  let between = "";
  const put = (chars: string, start: number, end: number) => {
    for (const char of chars) {
      view.text += char;
      view.starts.push(start);
      view.ends.push(end);
    }
  };
  for (
    const { 0: part, index } of text.matchAll(
      /\\*[0-9A-Za-z]+|\\+|[^\\0-9A-Za-z]/g,
    )
  ) {
    if (/^[\t\n\r "'*+,\-./:;<=>?_|]$/.test(part)) {
      between += part;
      continue;
    }
    const digits = NUMBERS[radix].exec(part)?.[1] ?? "";
    const byte = parseInt(digits, radix);
    if (byte < 256) {
      isBroken ||= between === "" || between.length > 10;
      if (isBroken) put("\xfe", index, index);
      put(byte.toString(16).padStart(2, "0"), index, index + part.length);
    }
    isBroken = !(byte < 256);
    between = "";
  }
  return view;
}

/**
 * Checks whether to search for numbers: there are three that are likely to be
 * text.
 */
function isEvident(
  text: string,
  list: View,
  at: number,
  length: number,
): boolean {
  const numbers: string[] = [];
  for (let digit = at; digit < at + length; digit += 2) {
    numbers.push(text.slice(list.starts[digit], list.ends[digit]));
  }
  if (numbers.some((number) => /x/i.test(number))) return true;
  const isLikely = (number: string) =>
    /^(?:[2-9a-f].|.[9a-f]|...)$/i.test(number);
  return numbers.slice(3, -1).some((number, at) =>
    isLikely(number) && isLikely(numbers[at + 2]) && numbers[at + 1].length > 1
  );
}

/** A form of a secret. */
interface Form {
  bytes: string;
  isEncoded: boolean;
}

/** Maximum length of a form; longer ones are found in parts. */
const PIECE = 128;

/**
 * Returns all forms of a secret: those of at least 4 bytes, or the secret
 * itself if it has 3 bytes.
 */
export function listForms(secrets: readonly string[]): Form[] {
  const forms: Form[] = [];
  for (const secret of secrets) {
    const { variants, loose } = listVariants(secret);
    for (const text of loose) {
      forms.push({ bytes: encodeText(text), isEncoded: false });
    }
    for (const variant of variants) {
      const bytes = encodeText(variant);
      const plain = [bytes];
      for (const lines of joinWrapped(variant)) {
        if (lines.length >= (lines.length === bytes.length ? 8 : 12)) {
          forms.push({ bytes: lines, isEncoded: true });
        }
      }
      if (!/^[\w.-]+$/.test(variant)) {
        plain.push(...listQuoted(bytes), toLatin1(variant));
      }
      forms.push(...plain.map((item) => ({ bytes: item, isEncoded: false })));
      forms.push(
        ...listEncoded(bytes, variant).map((item) => ({
          bytes: item,
          isEncoded: item.length >= (/^[0-9a-f]+$/i.test(item) ? 12 : 8),
        })),
      );
    }
    forms.push(...joinLines(secret));
  }
  const short = secrets.map((secret) => encodeText(secret.trim()))
    .filter((bytes) => bytes.length === 3)
    .map((bytes) => ({ bytes, isEncoded: false }));
  return [...short, ...forms.filter(({ bytes }) => bytes.length >= 4)]
    .flatMap(({ bytes, isEncoded }) =>
      split(bytes).map((item) => ({ bytes: item, isEncoded }))
    )
    .filter(({ bytes }) => /[^\t-\r ]/.test(bytes));
}

/** Returns a secret as it is where lines are joined. */
function joinWrapped(secret: string): string[] {
  const bytes = encodeText(secret);
  if (/^[\w.-]+$/.test(secret)) return [bytes];
  const inert = bytes.replace(/\\/g, "").replaceAll("&", "\x01")
    .replaceAll("%", "\x02");
  return [
    decode(bytes, true).text,
    decode(inert, true).text.replaceAll("\x01", "&").replaceAll("\x02", "%"),
  ];
}

function split(bytes: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at + PIECE < bytes.length; at += PIECE - 1) {
    pieces.push(bytes.slice(at, at + PIECE));
  }
  return [...pieces, bytes.slice(-PIECE)];
}

const STRUCTURAL = /^(-----(BEGIN|END) .*-----|[\s{}[\]()<>;:,"'=_*#/.-]*)$/;

function listVariants(
  secret: string,
): { variants: Set<string>; loose: string[] } {
  const trimmed = secret.trim();
  const variants = [secret, trimmed];
  const loose: string[] = [];
  const inQuotes = /^(["'])(.*)\1$/s.exec(trimmed);
  if (inQuotes) variants.push(inQuotes[2]);
  const inner = trimmed.replace(/^["']{2,}|["']{2,}$/g, "");
  if (inner !== trimmed && inner.length >= 8) variants.push(inner);
  if (/[\r\n]/.test(trimmed)) {
    const lines = trimmed.split(/\r\n|[\r\n]/);
    loose.push(trimmed.replace(/\s+/g, " "), lines.join(""));
    for (const line of lines.map((line) => line.trim())) {
      if (line.length >= 8 && !STRUCTURAL.test(line)) variants.push(line);
    }
  }
  const texts = variants.filter((variant) => variant.trim() !== "");
  return { variants: new Set(texts), loose };
}

function listQuoted(bytes: string): string[] {
  const inner = bytes.replace(/^\\+|\\+$/g, "");
  const normal = (text: string) => decode(text, false).text;
  return [
    bytes.replaceAll("'", "''"),
    bytes.replaceAll("'", "''''"),
    bytes.replaceAll('"', '""'),
    bytes.replaceAll('"', '"'.repeat(4)),
    bytes.replaceAll("'", `'"'"'`),
    bytes.replaceAll("'", `'"'"'"'"'"'"'"'"'`),
    bytes.replace(/["$`]/g, "`$&"),
    bytes.replace(/[&<>|^"]/g, "^$&"),
    bytes.replace(
      /[=\x80-\xff]/g,
      (byte) => `=${byte.charCodeAt(0).toString(16).toUpperCase()}`,
    ),
    normal(inner.replace(/^[abefnrtvEuUxMC0-7]/, "")),
    ...[normal(bytes), normal(inner)].flatMap((text) => [
      text,
      quoteParts(text, /[\x00-\x1f\x7f]/g),
      quoteParts(text, /[\x00-\x1f\x7f]+/g),
      quoteParts(text, /[\x00-\x1f\x7f-\xfe]/g),
      quoteParts(text, /[\x00-\x1f\x7f-\xfe]+/g),
    ]),
    ...[bytes, inner].flatMap((text) => [
      normal(text.replaceAll("&", "\x01")).replaceAll("\x01", "&"),
      ...[/\\+(?=[uUxMC])/g, /\\+/g].map((backslashes) =>
        normal(
          text.replace(backslashes, '"').replaceAll("&", "\x01")
            .replaceAll("%", "\x02"),
        ).replaceAll("\x01", "&").replaceAll("\x02", "%")
      ),
    ]),
  ];
}

/**
 * Returns a text in normal form, with one byte for each character that fits in
 * one.
 */
function toLatin1(text: string): string {
  const bytes = text.replace(/[^\0-\xff]/gu, encodeText);
  return decode(bytes, false).text;
}

/** Returns a text with quotes around a part that is not at its edge. */
function quoteParts(text: string, part: RegExp): string {
  return text.replace(part, `${Q}$&${Q}`).replace(/\xff+/g, Q)
    .replace(text.startsWith(Q) ? /$^/ : /^\xff/, "")
    .replace(text.endsWith(Q) ? /$^/ : /\xff$/, "");
}

function listEncoded(bytes: string, text: string): string[] {
  const wide = Array.from(
    text.split(""),
    (unit) => {
      const code = unit.charCodeAt(0);
      return String.fromCharCode(code & 255, code >> 8);
    },
  ).join("");
  const hex = Array.from(
    bytes,
    (byte) => byte.charCodeAt(0).toString(16).padStart(2, "0"),
  ).join("");
  const base64 = [bytes, wide].flatMap((source) =>
    ["", "\0", "\0\0"].map((filler) =>
      btoa(filler + source).slice(
        [0, 2, 3][filler.length],
        Math.floor((filler + source).length * 4 / 3),
      )
    )
  );
  const forUrls = base64.map((item) =>
    item.replaceAll("+", "-").replaceAll("/", "_")
  );
  const base32 = bytes.length > 4096
    ? []
    : [0, 1, 2, 3, 4].map((shift) => encodeBase32(bytes, shift));
  return [
    ...base64,
    ...forUrls,
    ...base32,
    ...base32.map((item) => item.toLowerCase()),
    hex,
    hex.toUpperCase(),
  ];
}

/** Encodes bytes that follow others in base32, without partial characters. */
function encodeBase32(bytes: string, shift: number): string {
  const bits = "x".repeat(8 * shift) +
    [...bytes].map((byte) => byte.charCodeAt(0).toString(2).padStart(8, "0"))
      .join("");
  return (bits.match(/.{5}/g) ?? []).filter((five) => !five.includes("x"))
    .map((five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[parseInt(five, 2)])
    .join("");
}

function joinLines(secret: string): Form[] {
  const lines = secret.trim().split(/\r\n|[\r\n]/);
  if (lines.length === 1) return [];
  const body = lines.filter((line) => !STRUCTURAL.test(line.trim()));
  return [lines, body]
    .map((item) => decode(encodeText(item.join("")), true).text)
    .filter((bytes) => bytes.length >= 8)
    .map((bytes) => ({ bytes, isEncoded: true }));
}

/** Returns which bytes of a text belong to a secret. */
export function secretPlaces(
  text: string,
  secrets: readonly string[],
): boolean[] {
  const forms = listForms(secrets);
  const secret = new Array<boolean>(text.length).fill(false);
  const plain: View = {
    text,
    starts: [...text].map((_, at) => at),
    ends: [...text].map((_, at) => at + 1),
  };
  const escapes = [head, readQuotedPrintable].map((read) => ({
    read,
    view: decode(text, false, read),
  }));
  const lines = decode(text, true);
  const words = joinLastWords(text);
  const dumps = readDumps(text);
  const isCode = codePlaces(text);
  const lists = [16, 10, 8].map((radix) => readNumberLists(text, radix));
  const nested = findNestedMatches(
    text,
    forms.map(({ bytes }) => bytes),
    unescape,
  );
  for (const { shown, end } of nested) secret.fill(true, shown, end);
  for (const { bytes, isEncoded } of new Set(forms)) {
    for (const [start, end] of findPlaces(bytes, plain)) {
      secret.fill(true, start, end);
    }
    for (const dump of dumps) {
      for (const at of findAll(bytes, dump.text)) {
        fillPlaces(dump, at, bytes.length, (start, end) => {
          for (let at = start; at < end; at++) secret[at] ||= !isCode[at];
        });
      }
    }
    for (const { read, view } of escapes) {
      for (const at of findAll(bytes, view.text)) {
        const start = quoteStart(text, view, at, read);
        const end = quoteEnd(text, view, at + bytes.length - 1, read);
        if (hasMark(text, start, end, read)) secret.fill(true, start, end);
      }
    }
    if (!isEncoded) continue;
    for (const at of findAll(bytes, lines.text)) {
      const start = shownFrom(lines, at);
      const end = lines.ends[at + bytes.length - 1];
      if (hasBreak(text, lines.starts[at], end)) {
        secret.fill(true, lines.starts[start], end);
      }
    }
    for (const at of findAll(bytes, words.text)) {
      const end = at + bytes.length;
      if (continuesOnNextLine(words, at, end)) {
        secret.fill(
          true,
          words.starts[shownFrom(words, at)],
          words.ends[end - 1],
        );
      }
    }
    if (bytes.length < 12) continue;
    for (const list of lists) {
      for (const at of findAll(bytes, list.text)) {
        const end = list.ends[at + bytes.length - 1];
        // The first number may have been printed before the rest came.
        if (isEvident(text, list, at, bytes.length)) {
          secret.fill(true, list.starts[at + 2], end);
        }
      }
    }
  }
  return secret;
}

/** Decodes the escape sequences of a text that was decoded. */
function unescape({ text, starts, ends }: Placed): Placed {
  if (!/[%&\\\x1b]/.test(text)) return { text: "", starts: [], ends: [] };
  const view = decode(text, false);
  return {
    text: view.text,
    starts: view.starts.map((_, at) =>
      starts[quoteStart(text, view, at, head)]
    ),
    ends: view.ends.map((_, at) => ends[quoteEnd(text, view, at, head) - 1]),
  };
}

function* findAll(bytes: string, text: string): Generator<number> {
  for (
    let at = text.indexOf(bytes);
    at >= 0;
    at = text.indexOf(bytes, at + 1)
  ) yield at;
}

function* findPlaces(
  bytes: string,
  view: View,
): Generator<[start: number, end: number]> {
  for (const at of findAll(bytes, view.text)) {
    yield [view.starts[at], view.ends[at + bytes.length - 1]];
  }
}

/** Checks whether a part of a text contains an escape sequence. */
function hasMark(
  text: string,
  start: number,
  end: number,
  read: typeof head,
): boolean {
  for (let at = start; at < end;) {
    const { length, value } = read(text.slice(at, at + MAX_HEAD));
    if (length > 1 || value !== text[at]) return true;
    at += length;
  }
  return false;
}

/** Checks whether a part of a text contains a line break, escaped or not. */
function hasBreak(text: string, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    const { length, value } = head(text.slice(at, at + MAX_HEAD));
    if (value === "\n" || value === "\r") return true;
    at += length;
  }
  return false;
}

/** Of several quotes at the edge of a secret, only the one next to it is masked. */
function quoteStart(
  text: string,
  view: View,
  at: number,
  read: typeof head,
): number {
  let start = view.starts[at];
  while (view.text[at] === Q) {
    const next = start + read(text.slice(start, start + MAX_HEAD)).length;
    if (next >= view.ends[at]) break;
    start = next;
  }
  return start;
}

function quoteEnd(
  text: string,
  view: View,
  at: number,
  read: typeof head,
): number {
  const start = view.starts[at];
  if (view.text[at] !== Q) return view.ends[at];
  return start + read(text.slice(start, start + MAX_HEAD)).length;
}

/**
 * Bytes before an early break may have been printed before the rest arrived.
 */
function shownFrom(view: View, first: number): number {
  let shown = first;
  for (let at = first; at < first + 3 && at + 1 < view.text.length; at++) {
    if (view.starts[at + 1] > view.ends[at]) shown = at + 1;
  }
  return shown;
}

/** Returns the expected output for a text of bytes. */
export function naiveMask(
  text: string,
  secrets: readonly string[],
  placeholder = "[REDACTED]",
): string {
  const secret = secretPlaces(text, secrets);
  let masked = "";
  for (let at = 0; at < text.length; at++) {
    if (!secret[at]) masked += text[at];
    else if (!secret[at - 1]) masked += placeholder;
  }
  return masked;
}
