import type { LineFormat, StreamName } from "./line_format.ts";

/** Options for {@linkcode jsonLines}. */
export interface JsonLinesOptions {
  /** Name of the step. */
  step: string;
  /** Stream from which the lines come. */
  stream: StreamName;
  /** Longest message in bytes, as it is written, without its quotes. */
  maxBytes: number | undefined;
}

/** Most bytes of UTF-8 that one unit of UTF-16 takes. */
const UNIT_BYTES = 3;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Makes a format that writes each line as a JSON object.
 *
 * It has `timestamp` (ISO 8601, UTC; one for all lines that came together),
 * `stream`, `message` (decoded, without white space at its end) and `step`.
 *
 * @param options Step, stream and limit.
 * @returns The format, for one stream.
 */
export function jsonLines(options: JsonLinesOptions): LineFormat {
  const { stream, maxBytes = Infinity } = options;
  const step = JSON.stringify(options.step);
  return (lines) => {
    const timestamp = new Date().toISOString();
    const head = `{"timestamp":"${timestamp}","stream":"${stream}","message":`;
    const texts = decoder.decode(lines).split("\n").slice(0, -1);
    const printed = texts
      .flatMap((text) => messagesOf(text.trimEnd(), maxBytes))
      .map((message) => `${head}${message},"step":${step}}\n`);
    return encoder.encode(printed.join(""));
  };
}

/** A text as JSON, in halves until each fits. */
function messagesOf(text: string, maxBytes: number): string[] {
  const json = JSON.stringify(text);
  const fits = json.length * UNIT_BYTES <= maxBytes ||
    encoder.encode(json).length - 2 <= maxBytes;
  if (fits) return [json];
  const middle = text.length >> 1;
  const isInPair = text.codePointAt(middle - 1)! > 0xffff;
  const cut = isInPair ? middle + 1 : middle;
  return [
    ...messagesOf(text.slice(0, cut), maxBytes),
    ...messagesOf(text.slice(cut), maxBytes),
  ];
}
