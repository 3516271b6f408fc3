import { decodeText } from "../bytes.ts";
import { printable } from "../terminal/text.ts";
import { LineAssembler } from "./line_assembler.ts";
import {
  LINE_BREAK,
  LINE_FEED,
  type LineFormat,
  LineLimit,
  type StreamName,
} from "./line_limit.ts";
import type { Sink } from "./sink.ts";

/** Maximum number of UTF-8 bytes of a UTF-16 unit. */
const UNIT_BYTES = 3;

const encoder = new TextEncoder();

/** Sink of each stream. */
export type Sinks = Readonly<Record<StreamName, Sink>>;

/** Prints the output of one step. */
export interface Printer {
  /**
   * Prints output. The next call for a stream must await the previous one.
   *
   * @param bytes The output, which must not change before the promise resolves.
   */
  write(stream: StreamName, bytes: Uint8Array): Promise<void>;
  /** Prints the unfinished line, if the printer holds it back. */
  flush?(stream: StreamName): Promise<void>;
  /** Prints everything that is held back. */
  close(): Promise<void>;
}

/**
 * Creates a printer that prints output immediately.
 *
 * @param maxBytes Maximum length of a line in bytes; unlimited by default.
 */
export function plainPrinter(
  sinks: Sinks,
  maxBytes: number | undefined,
): Printer {
  if (maxBytes === undefined) {
    return {
      write: (stream, bytes) => sinks[stream].write(bytes),
      close: () => Promise.resolve(),
    };
  }
  const limits = {
    stdout: new LineLimit(maxBytes),
    stderr: new LineLimit(maxBytes),
  };
  return {
    write: (stream, bytes) => print(sinks[stream], limits[stream].pass(bytes)),
    async close() {
      await print(sinks.stdout, limits.stdout.end());
      await print(sinks.stderr, limits.stderr.end());
    },
  };
}

/**
 * Creates a printer of complete lines. Lines that arrive together are written
 * together.
 *
 * @param maxBytes Maximum length of an unformatted line, in bytes.
 */
export function linePrinter(
  sinks: Sinks,
  maxBytes: number,
  getFormat: (stream: StreamName) => LineFormat,
): Printer {
  function makeLane(stream: StreamName) {
    return {
      assembler: new LineAssembler({ maxBytes, longLines: "broken" }),
      format: getFormat(stream),
    };
  }
  const lanes = { stdout: makeLane("stdout"), stderr: makeLane("stderr") };
  function printLines(stream: StreamName, lines: Uint8Array): Promise<void> {
    if (lines.length === 0) return Promise.resolve();
    return sinks[stream].write(lanes[stream].format(lines));
  }
  return {
    write: (stream, bytes) =>
      printLines(stream, lanes[stream].assembler.take(bytes)),
    flush: (stream) => printLines(stream, lanes[stream].assembler.flush()),
    async close() {
      await printLines("stdout", lanes.stdout.assembler.end());
      await printLines("stderr", lanes.stderr.assembler.end());
    },
  };
}

function print(sink: Sink, bytes: Uint8Array): Promise<void> {
  return bytes.length === 0 ? Promise.resolve() : sink.write(bytes);
}

/** Lines that a CI system shows as the borders of a collapsible group. */
export interface GroupMarkers {
  /** Returns the lines before a group, each with its break. */
  begin(title: string): string;
  /** Returns the lines after it. */
  end(title: string): string;
}

/**
 * Puts the output of a step into a group that is printed while it runs. A step
 * that prints nothing has none.
 *
 * @param step Name of the step.
 * @param printer Prints the output in complete lines.
 * @param markers Borders of the group.
 * @param sink Sink of the borders.
 */
export function markedPrinter(
  step: string,
  printer: Printer,
  markers: GroupMarkers,
  sink: Sink,
): Printer {
  const title = printable(step);
  let beginning: Promise<void> | undefined;
  const begin = () =>
    beginning ??= sink.write(encoder.encode(markers.begin(title)));
  return {
    async write(stream, bytes) {
      if (bytes.length > 0) await begin();
      await printer.write(stream, bytes);
    },
    flush: async (stream) => await printer.flush?.(stream),
    async close() {
      await printer.close();
      if (beginning === undefined) return;
      await print(sink, encoder.encode(markers.end(title)));
    },
  };
}

/** Options for {@linkcode jsonLines}. */
export interface JsonLinesOptions {
  /** Name of the step. */
  step: string;
  /** Stream of the lines. */
  stream: StreamName;
  /** Maximum length of an encoded message in bytes, without quotes. */
  maxBytes: number | undefined;
  /**
   * Returns more fields of the lines that are printed now.
   *
   * @default {none}
   */
  getFields?: LineFields;
}

/** Returns fields of the lines that a step prints now. */
export type LineFields = (
  step: string,
) => Readonly<Record<string, string | number>>;

/**
 * Creates a format that writes each line as a JSON object.
 *
 * The object has `timestamp` (ISO 8601, UTC; the same for all lines that arrive
 * together), `stream`, `message` (decoded, without trailing white space),
 * `step`, and more fields.
 *
 * @returns The format of one stream.
 */
export function jsonLines(options: JsonLinesOptions): LineFormat {
  const { step, stream, maxBytes = Infinity, getFields } = options;
  return (lines) => {
    const timestamp = new Date().toISOString();
    const head = `{"timestamp":"${timestamp}","stream":"${stream}","message":`;
    const tail = JSON.stringify({ step, ...getFields?.(step) }).slice(1);
    const texts = decodeText(lines).split("\n").slice(0, -1);
    const printed = texts
      .flatMap((text) => splitMessage(text.trimEnd(), maxBytes))
      .map((message) => `${head}${message},${tail}\n`);
    return encoder.encode(printed.join(""));
  };
}

/** Returns text as JSON strings, split in halves until each fits. */
function splitMessage(text: string, maxBytes: number): string[] {
  const json = JSON.stringify(text);
  const fits = json.length * UNIT_BYTES <= maxBytes ||
    encoder.encode(json).length - 2 <= maxBytes;
  if (fits) return [json];
  const middle = text.length >> 1;
  const isInPair = text.codePointAt(middle - 1)! > 0xffff;
  const cut = isInPair ? middle + 1 : middle;
  return [
    ...splitMessage(text.slice(0, cut), maxBytes),
    ...splitMessage(text.slice(cut), maxBytes),
  ];
}

/** Runs tasks one after the other. */
export type RunInTurn = <T>(task: () => Promise<T>) => Promise<T>;

/** Options for {@linkcode groupPrinter}. */
export interface GroupPrinterOptions {
  /** Name of the step. */
  step: string;
  /** File with the output of the step. */
  file: { content(): AsyncIterable<Uint8Array> };
  /**
   * Output that could not be written to the file; emptied when it is printed.
   */
  unwritten: Uint8Array[];
  /** Sink of the block. */
  sink: Sink;
  /** Borders of the block, instead of its header, and where they go. */
  markers?: { markers: GroupMarkers; sink: Sink };
  /** Maximum length of a line in bytes; `undefined` for no limit. */
  maxBytes: number | undefined;
  /** Prevents blocks from being mixed. */
  runInTurn: RunInTurn;
  /** Prints further output once the file can no longer be written. */
  fallback: Printer;
}

/**
 * Creates a printer that prints the whole output of a step as one block with a
 * header when the step ends.
 *
 * If the file can no longer be written, the block is printed early, and the
 * rest immediately.
 */
export function groupPrinter(options: GroupPrinterOptions): Printer {
  const { unwritten, runInTurn, fallback } = options;
  let shown: Promise<void> | undefined;
  let last: Promise<void> = Promise.resolve();

  function show(): Promise<void> {
    shown ??= runInTurn(() => showBlock(options));
    return shown;
  }

  async function printRest(): Promise<void> {
    if (unwritten.length === 0) return;
    await show();
    for (const bytes of unwritten.splice(0)) {
      await fallback.write("stdout", bytes);
    }
  }

  return {
    write() {
      // A failed write rejects only for its caller.
      last = last.catch(() => {}).then(printRest);
      return last;
    },
    async close() {
      await last;
      await printRest();
      await show();
      await fallback.close();
    },
  };
}

async function showBlock(options: GroupPrinterOptions): Promise<void> {
  const { step, file, sink, maxBytes, markers: group } = options;
  const title = printable(step);
  const limit = maxBytes === undefined ? undefined : new LineLimit(maxBytes);
  let lastByte: number | undefined = LINE_FEED;
  async function print(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    lastByte = bytes.at(-1);
    await sink.write(bytes);
  }
  if (group) {
    await group.sink.write(encoder.encode(group.markers.begin(title)));
  } else {
    const header = encoder.encode(`=== ${title}\n`);
    await print(limit ? limit.pass(header) : header);
  }
  for await (const chunk of file.content()) {
    await print(limit ? limit.pass(chunk) : chunk);
  }
  if (limit) await print(limit.end());
  // A full disk may have cut a line.
  if (lastByte !== LINE_FEED) await print(LINE_BREAK);
  if (group === undefined) return;
  await group.sink.write(encoder.encode(group.markers.end(title)));
}
