import { LineAssembler } from "./line_assembler.ts";
import type { LineFormat, StreamName } from "./line_format.ts";
import { LineLimit } from "./line_limit.ts";
import type { Sink } from "./sink.ts";

/** Where what is printed goes. */
export type Sinks = Readonly<Record<StreamName, Sink>>;

/** Prints the output of one step. */
export interface Printer {
  /**
   * Prints output; one stream must wait before it gives more.
   *
   * @param stream Where the output comes from.
   * @param bytes The output, not to be changed before the promise resolves.
   */
  write(stream: StreamName, bytes: Uint8Array): Promise<void>;
  /** Prints what there is of a line that waits for its end, where one does. */
  flush?(stream: StreamName): Promise<void>;
  /** Prints what still waits. */
  close(): Promise<void>;
}

/**
 * Prints output as it comes.
 *
 * @param sinks Where it goes.
 * @param maxBytes Longest line in bytes; no limit without it.
 * @returns The printer.
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
 * Prints whole lines, all that came together with one write.
 *
 * @param sinks Where they go.
 * @param maxBytes Longest line in bytes, before it is formatted.
 * @param formatOf Makes the format for a stream.
 * @returns The printer.
 */
export function linePrinter(
  sinks: Sinks,
  maxBytes: number,
  formatOf: (stream: StreamName) => LineFormat,
): Printer {
  function makeLane(stream: StreamName) {
    return {
      assembler: new LineAssembler({ maxBytes, longLines: "broken" }),
      format: formatOf(stream),
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
