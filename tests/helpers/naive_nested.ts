/**
 * What is encoded in base64 or hexadecimal digits more than once, decoded in a
 * slow and simple way. Texts are strings of bytes.
 *
 * @module
 */

/** A text, and where each of its bytes stands in the text that it was decoded from. */
export interface Placed {
  text: string;
  starts: number[];
  ends: number[];
}

/** A form in encoded text. */
interface NestedMatch {
  /** Where its first byte starts, and where the first one that is masked does. */
  start: number;
  shown: number;
  end: number;
}

const RUN = /[\w+/-]+(?:(?:\r\n|\r|\n)[ \t]{0,32}[\w+/-]+)*/g;

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Returns where forms stand in encoded text of another text. */
export function findNestedMatches(
  text: string,
  forms: readonly string[],
  unescape: (text: Placed) => Placed,
): NestedMatch[] {
  const starts = Array.from(text, (_, at) => at);
  const whole = { text, starts, ends: starts.map((at) => at + 1) };
  const long = forms.filter((form) => form.length >= 8);
  const isEvident = ({ start, end }: NestedMatch, isHex: boolean) =>
    (isHex ? /[0-9a-f]{16}/i : /[0-9a-z]{11}/i).test(text.slice(start, end));
  return decodeRuns(whole).flatMap(({ isHex, ...decoded }) =>
    findMatches(decoded, long, unescape, 3).filter((match) =>
      isEvident(match, isHex)
    )
  );
}

function findMatches(
  decoded: Placed,
  forms: readonly string[],
  unescape: (text: Placed) => Placed,
  depth: number,
): NestedMatch[] {
  const matches: NestedMatch[] = [];
  const texts = [decoded, unescape(decoded)];
  if (depth > 0) texts.push(...findRuns(decoded));
  for (const { text, starts, ends } of texts) {
    for (const form of forms) {
      let at = text.indexOf(form);
      for (; at >= 0; at = text.indexOf(form, at + 1)) {
        const end = ends[at + form.length - 1];
        const shown = ends[at + 2] - 1;
        matches.push({ start: starts[at], shown, end });
      }
    }
  }
  if (depth === 0) return matches;
  return matches.concat(
    ...decodeRuns(decoded).map((next) =>
      findMatches(next, forms, unescape, depth - 1)
    ),
  );
}

/** Decodes each run of a text in every way; bytes that are not text end a run. */
function decodeRuns(
  text: Placed,
): (Placed & { isHex: boolean })[] {
  return findRuns(text).flatMap(({ text: chars, starts, ends }) =>
    [0, 1, 2, 3, 4, 5].flatMap((way) => {
      const isHex = way > 3;
      const first = isHex ? way - 4 : way;
      const bytes = decodeDigits(chars.slice(first), isHex).map((byte) => ({
        value: byte.value,
        start: starts[first + byte.first],
        end: ends[first + byte.last],
      }));
      return splitSegments(bytes).map((segment) => ({ ...segment, isHex }));
    })
  );
}

/** The runs of digits of a text, without line breaks. */
function findRuns({ text, starts, ends }: Placed): Placed[] {
  return [...text.matchAll(RUN)].map(({ 0: run, index }) => {
    const places = Array.from(run, (_, at) => index + at)
      .filter((at) => /[\w+/-]/.test(text[at]));
    return {
      text: places.map((at) => text[at]).join(""),
      starts: places.map((at) => starts[at]),
      ends: places.map((at) => ends[at]),
    };
  });
}

/**
 * Returns the bytes that digits encode, -1 for invalid ones, and which digits
 * each is part of.
 */
function decodeDigits(chars: string, isHex: boolean) {
  const width = isHex ? 4 : 6;
  const values = Array.from(chars, (char) => digitValue(char, isHex));
  const count = Math.floor(values.length * width / 8);
  return Array.from({ length: count }, (_, at) => {
    const first = Math.floor(8 * at / width);
    const last = Math.floor((8 * at + 7) / width);
    const digits = values.slice(first, last + 1);
    const bits = digits.reduce((all, digit) => all * 2 ** width + digit, 0);
    const value = bits >> (last + 1) * width - 8 * (at + 1) & 0xff;
    return { value: digits.includes(-1) ? -1 : value, first, last };
  });
}

function digitValue(char: string, isHex: boolean): number {
  if (isHex) return "0123456789abcdef".indexOf(char.toLowerCase());
  if (char === "-" || char === "+") return 62;
  return char === "/" || char === "_" ? 63 : DIGITS.indexOf(char);
}

function splitSegments(
  bytes: { value: number; start: number; end: number }[],
): Placed[] {
  const segments: Placed[] = [];
  let open: Placed | undefined;
  for (const { value, start, end } of bytes) {
    const char = String.fromCharCode(value);
    if (value < 0 || !/[\t\n\r -~]/.test(char)) {
      open = undefined;
      continue;
    }
    if (open === undefined) {
      segments.push(open = { text: "", starts: [], ends: [] });
    }
    open.text += char;
    open.starts.push(start);
    open.ends.push(end);
  }
  return segments;
}
