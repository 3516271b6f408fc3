import { equalBytes, GrowingBytes, hasByte, hasZero } from "../bytes.ts";
import { printable } from "../terminal/text.ts";
import { padToWidth } from "../terminal/width.ts";
import { LINE_BREAK, LINE_FEED, type LineFormat } from "./line_limit.ts";

/**
 * Cyan, green, yellow, magenta, blue: readable on dark and light backgrounds.
 */
const COLORS = [36, 32, 33, 35, 34];

/** Four line feeds as one word. */
const LINE_FEEDS = 0x0a0a0a0a;

const encoder = new TextEncoder();

const ESCAPE = 0x1b;

const BRACKET = 0x5b;

const LETTER_M = 0x6d;

/**
 * Control character that selects the second character set, which often contains
 * lines.
 */
const SHIFT_OUT = 0x0e;

/** Control character that selects the first character set. */
const SHIFT_IN = 0x0f;

/**
 * Maximum size of sequences that are repeated at the start of a line, in bytes.
 */
const MAX_KEPT_BYTES = 64;

const RESET = new TextEncoder().encode("\x1b[0m");

const CLOSE_LINK = new TextEncoder().encode("\x1b]8;;\x1b\\");

const FIRST_CHARSET = Uint8Array.of(SHIFT_IN);

const ASCII = new TextEncoder().encode("\x1b(B");

/**
 * Maximum size of the sequences that {@linkcode TerminalStyle} adds to a line,
 * in bytes.
 */
export const MAX_STYLE_BYTES: number = MAX_KEPT_BYTES + RESET.length +
  CLOSE_LINK.length + ASCII.length + FIRST_CHARSET.length;

/** Options for {@linkcode stepPrefix}. */
export interface StepPrefixOptions {
  /** Number of cells to which the name is padded. */
  width: number;
  /**
   * Number of the step, which determines its color; `undefined` for no color.
   */
  color: number | undefined;
  /** Maximum length of the prefix in bytes. A longer name is cut. */
  maxBytes: number | undefined;
}

/** Creates the prefix of the lines of a step: `name | `. */
export function stepPrefix(
  name: string,
  options: StepPrefixOptions,
): Uint8Array {
  const { width, color, maxBytes = Infinity } = options;
  const [start, end] = color === undefined
    ? ["", " | "]
    : [`\x1b[${COLORS[color % COLORS.length]}m`, " |\x1b[0m "];
  const characters = [...padToWidth(printable(name), width)];
  while (true) {
    const bytes = encoder.encode(start + characters.join("") + end);
    if (bytes.length <= maxBytes || characters.length === 0) return bytes;
    characters.pop();
  }
}

/** Format of the time of day, in UTC, before a line. */
const TIME = encoder.encode("00:00:00.000 ");

/**
 * Creates a format that puts the time of day before the prefix of each line.
 *
 * @param prefix The prefix, which may be empty.
 * @returns The format of one stream, and the length of what it adds.
 */
export function timedLines(
  prefix: Uint8Array,
): { format: LineFormat; addedBytes: number } {
  const timed = new Uint8Array(TIME.length + prefix.length);
  timed.set(TIME);
  timed.set(prefix, TIME.length);
  const format = prefixLines(timed);
  return {
    addedBytes: timed.length,
    format(lines) {
      // Lines that arrive together have one time.
      encoder.encodeInto(new Date().toISOString().slice(11, 23), timed);
      return format(lines);
    },
  };
}

/**
 * Creates a format that puts a prefix before each line.
 *
 * Attributes that a line leaves on, such as colors, are switched off at its
 * end, and on again after the prefix of the next line.
 *
 * @returns The format of one stream.
 */
export function prefixLines(prefix: Uint8Array): LineFormat {
  const output = new GrowingBytes();
  const style = new TerminalStyle();
  return (lines) => {
    output.clear();
    if (
      style.isActive || hasByte(lines, ESCAPE) || hasByte(lines, SHIFT_OUT)
    ) {
      for (let at = 0; at < lines.length;) {
        const end = lines.indexOf(LINE_FEED, at);
        output.add(prefix);
        if (end > at) {
          const text = lines.subarray(at, end);
          for (const sequence of style.start) output.add(sequence);
          output.add(text);
          style.read(text);
          for (const sequence of style.end) output.add(sequence);
        }
        output.add(LINE_BREAK);
        at = end + 1;
      }
      return output.view;
    }
    let room = viewOf(output.reserve(2 * lines.length));
    const source = viewOf(lines);
    for (let at = 0; at < lines.length;) {
      // One prefix, and the rest without prefixes.
      const needed = prefix.length + lines.length - at;
      if (output.length + needed > room.byteLength) {
        room = viewOf(output.reserve(2 * room.byteLength + prefix.length));
      }
      output.add(prefix);
      const count = copyLine(source, at, room, output.length);
      output.extendTo(output.length + count);
      at += count;
    }
    return output.view;
  };
}

/**
 * Copies a line with its break, and returns its length.
 *
 * Lines are short: copying words is three times as fast as `indexOf()` and
 * `set()`.
 */
function copyLine(
  from: DataView,
  start: number,
  to: DataView,
  target: number,
): number {
  let at = start;
  let out = target;
  for (const end = from.byteLength - 4; at <= end; at += 4, out += 4) {
    const word = from.getInt32(at);
    if (hasZero(word ^ LINE_FEEDS)) break;
    to.setInt32(out, word);
  }
  let byte: number;
  do {
    byte = from.getUint8(at++);
    to.setUint8(out++, byte);
  } while (byte !== LINE_FEED);
  return at - start;
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}

/**
 * Tracks which terminal attributes the lines of a stream leave on: colors and
 * other attributes (SGR), hyperlinks (OSC 8), and character sets (`ESC (` and
 * the control character SO).
 */
class TerminalStyle {
  #attributes: Uint8Array[] = [];
  #attributeBytes = 0;
  #isLinkOpen = false;
  #isCharsetShifted = false;
  #isShiftedOut = false;

  /** Whether attributes are on at the start of the next line. */
  get isActive(): boolean {
    return this.#attributes.length > 0;
  }

  /** Sequences that restore the attributes at the start of a line. */
  get start(): readonly Uint8Array[] {
    return this.#attributes;
  }

  /** Sequences that switch everything off at the end of a line. */
  get end(): readonly Uint8Array[] {
    return [
      ...this.#attributes.length > 0 ? [RESET] : [],
      ...this.#isLinkOpen ? [CLOSE_LINK] : [],
      ...this.#isCharsetShifted ? [ASCII] : [],
      ...this.#isShiftedOut ? [FIRST_CHARSET] : [],
    ];
  }

  /** Updates the attributes with the text of a line. */
  read(text: Uint8Array): void {
    this.#isLinkOpen = this.#isCharsetShifted = false;
    this.#isShiftedOut = text.lastIndexOf(SHIFT_OUT) >
      text.lastIndexOf(SHIFT_IN);
    for (let at = text.indexOf(ESCAPE); at >= 0;) {
      this.#readSequence(text, at);
      at = text.indexOf(ESCAPE, at + 1);
    }
  }

  #readSequence(text: Uint8Array, at: number): void {
    if (text[at + 1] === BRACKET) this.#readAttributes(text, at);
    // "ESC ( B" selects ASCII.
    if (text[at + 1] === 0x28) this.#isCharsetShifted = text[at + 2] !== 0x42;
    // "ESC ] 8 ; parameters ; address" ends a link if the address is empty.
    if (
      text[at + 1] === 0x5d && text[at + 2] === 0x38 && text[at + 3] === 0x3b
    ) {
      const address = text.indexOf(0x3b, at + 4);
      const next = text[address + 1];
      this.#isLinkOpen = address >= 0 && next !== ESCAPE && next !== 7;
    }
  }

  #readAttributes(text: Uint8Array, start: number): void {
    let end = start + 2;
    while (text[end] >= 0x30 && text[end] <= 0x3f) end++;
    if (text[end] !== LETTER_M) return;
    const sequence = text.slice(start, end + 1);
    // "ESC [ m", "ESC [ 0 m" and "ESC [ 0 ; … m" reset.
    const resets = sequence.length === 3 ||
      sequence[2] === 0x30 && !(sequence[3] >= 0x30 && sequence[3] <= 0x39);
    if (resets) this.#forget();
    if (resets && sequence.length <= 4) return;
    const last = this.#attributes.at(-1);
    if (last && equalBytes(last, sequence)) return;
    this.#attributes.push(sequence);
    this.#attributeBytes += sequence.length;
    // For a program that never resets, only the latest sequences are kept.
    while (this.#attributeBytes > MAX_KEPT_BYTES) {
      this.#attributeBytes -= this.#attributes.shift()!.length;
    }
  }

  #forget(): void {
    this.#attributes = [];
    this.#attributeBytes = 0;
  }
}
