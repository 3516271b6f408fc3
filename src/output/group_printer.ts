import { printable } from "../printable.ts";
import { LINE_BREAK, LINE_FEED } from "./line_cut.ts";
import { LineLimit } from "./line_limit.ts";
import type { Printer } from "./printer.ts";
import type { Sink } from "./sink.ts";

/** Runs one task after the other. */
export type InTurn = <T>(task: () => Promise<T>) => Promise<T>;

/** Options for {@linkcode groupPrinter}. */
export interface GroupPrinterOptions {
  /** Name of the step. */
  step: string;
  /** File that takes what the step prints. */
  file: { content(): AsyncIterable<Uint8Array> };
  /** What the file could not take; emptied when it was printed. */
  unwritten: Uint8Array[];
  /** Where the block goes. */
  sink: Sink;
  /** Longest line in bytes; no limit without it. */
  maxBytes: number | undefined;
  /** Keeps blocks apart. */
  inTurn: InTurn;
  /** Prints, in turn, what comes once the file takes nothing more. */
  fallback: Printer;
}

const encoder = new TextEncoder();

/**
 * Prints nothing of a step until it is over, then all of it as one block
 * behind a header, from a file.
 *
 * When the file takes nothing more, the block is printed early, and the rest
 * as it comes.
 *
 * @param options Step, file and sink.
 * @returns The printer.
 */
export function groupPrinter(options: GroupPrinterOptions): Printer {
  const { unwritten, inTurn, fallback } = options;
  let shown: Promise<void> | undefined;
  let last: Promise<void> = Promise.resolve();

  function show(): Promise<void> {
    shown ??= inTurn(() => showBlock(options));
    return shown;
  }

  async function goOn(): Promise<void> {
    if (unwritten.length === 0) return;
    await show();
    for (const bytes of unwritten.splice(0)) {
      await fallback.write("stdout", bytes);
    }
  }

  return {
    write() {
      // A failed write fails its caller, and no other.
      last = last.catch(() => {}).then(goOn);
      return last;
    },
    async close() {
      await last;
      await goOn();
      await show();
      await fallback.close();
    },
  };
}

async function showBlock(options: GroupPrinterOptions): Promise<void> {
  const { step, file, sink, maxBytes } = options;
  const limit = maxBytes === undefined ? undefined : new LineLimit(maxBytes);
  let lastByte: number | undefined = LINE_FEED;
  async function print(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    lastByte = bytes.at(-1);
    await sink.write(bytes);
  }
  const header = encoder.encode(`=== ${printable(step)}\n`);
  await print(limit ? limit.pass(header) : header);
  for await (const chunk of file.content()) {
    await print(limit ? limit.pass(chunk) : chunk);
  }
  if (limit) await print(limit.end());
  // A disk that runs full may cut a line.
  if (lastByte !== LINE_FEED) await print(LINE_BREAK);
}
