import { displayWidth } from "../display_width.ts";
import { printable } from "../printable.ts";
import { GrowingBytes } from "./growing_bytes.ts";
import { hasByte, hasZero } from "../has_byte.ts";
import { LINE_BREAK, LINE_FEED } from "./line_cut.ts";
import type { LineFormat } from "./line_format.ts";
import { SHIFT_OUT, TerminalStyle } from "./terminal_style.ts";

/** Cyan, green, yellow, magenta, blue: what is read on dark and on light ground. */
const COLOURS = [36, 32, 33, 35, 34];

const ESCAPE = 27;

/** A word of line feeds. */
const LINE_FEEDS = 0x0a0a0a0a;

/** Options for {@linkcode stepPrefix}. */
export interface StepPrefixOptions {
  /** Number of cells to which the name is padded. */
  width: number;
  /** Number of the step, which chooses its colour; no colour without it. */
  colour: number | undefined;
  /** Longest prefix in bytes; the name is cut to fit. */
  maxBytes: number | undefined;
}

const encoder = new TextEncoder();

/**
 * Makes what stands before each line of a step: `name | `.
 *
 * @param name Name of the step.
 * @param options Width, colour and limit.
 * @returns The bytes of the prefix.
 */
export function stepPrefix(
  name: string,
  options: StepPrefixOptions,
): Uint8Array {
  const { width, colour, maxBytes = Infinity } = options;
  const [start, end] = colour === undefined
    ? ["", " | "]
    : [`\x1b[${COLOURS[colour % COLOURS.length]}m`, " |\x1b[0m "];
  const label = printable(name);
  const padding = " ".repeat(Math.max(0, width - displayWidth(label)));
  const characters = [...label, ...padding];
  while (true) {
    const bytes = encoder.encode(start + characters.join("") + end);
    if (bytes.length <= maxBytes || characters.length === 0) return bytes;
    characters.pop();
  }
}

/**
 * Makes a format that puts a prefix before each line.
 *
 * Colours and the like that a line leaves switched on are switched off at its
 * end, and on again behind the prefix of the next line.
 *
 * @param prefix The prefix.
 * @returns The format, for one stream.
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
      // The rest without prefixes, and one prefix.
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
 * Copies a line with its break, and tells how long it is.
 *
 * Lines are short: going by words is three times as fast as `indexOf()` and
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
