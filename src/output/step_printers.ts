import { displayWidth } from "../terminal/width.ts";
import { printable } from "../terminal/text.ts";
import { MAX_STYLE_BYTES, prefixLines, stepPrefix } from "./prefix_lines.ts";
import {
  groupPrinter,
  type InTurn,
  jsonLines,
  linePrinter,
  plainPrinter,
  type Printer,
  type Sinks,
} from "./printer.ts";
import type { Sink } from "./sink.ts";
import type { StepFile } from "./step_file.ts";

/** Longest line that is shown whole where lines are gathered, if no limit is given. */
const WHOLE_LINE_BYTES = 64 * 1024;

/** Widest name to which others are padded, in cells: lines need room, too. */
const WIDEST_PADDING = 24;

/** How what steps print is shown. */
export type JobLogStyle = "plain" | "prefixed" | "grouped" | "json";

/** Options for {@linkcode stepPrinters}. */
export interface StepPrintersOptions {
  /** Where standard output is shown, and with it what was merged into it. */
  stdout: Sink;
  /** Where standard error is shown, when it is kept apart. */
  stderr: Sink;
  /**
   * How output is shown.
   *
   * - `plain`: as it comes, byte by byte; for jobs of one step.
   * - `prefixed`: whole lines behind the name of their step, which is padded to
   *   the longest one that is not very long.
   * - `grouped`: each step as one block on standard output, behind a header,
   *   once it is over.
   * - `json`: each line as an object with `timestamp`, `stream`, `message` and
   *   `step`.
   *
   * Except for `plain`, a line is shown as a terminal would show it in the end:
   * what follows its last carriage return.
   */
  style: JobLogStyle;
  /** Names of the steps, as far as they are known, in their order. */
  steps: readonly string[];
  /**
   * Whether each step's prefix has a color.
   *
   * @default {false}
   */
  color?: boolean;
  /**
   * Longest line that is shown, in bytes, without its line break; 32 at least.
   * Longer lines are broken, between characters.
   *
   * The prefix counts, and from a limit of 2 KiB on what switches colors off at
   * the end of a line. With `json` the message counts as it is written. Without
   * a limit, `prefixed` and `json` break lines of more than 64 KiB.
   */
  maxLineBytes?: number;
}

/** Makes what shows a step; the file is where its output is kept. */
export type StepPrinters = (step: string, file: StepFile) => Printer;

/**
 * Chooses how the steps of a job are shown.
 *
 * @param options Style, sinks and limits.
 * @returns Makes the printer of each step.
 */
export function stepPrinters(options: StepPrintersOptions): StepPrinters {
  const { stdout, stderr, style, maxLineBytes } = options;
  const sinks = { stdout, stderr };
  const prefixed = prefixedPrinters(options);
  const inTurn = makeTurns();
  switch (style) {
    case "plain":
      return () => plainPrinter(sinks, maxLineBytes);
    case "prefixed":
      return (step) => prefixed(step, sinks);
    case "json":
      return (step) =>
        linePrinter(
          sinks,
          maxLineBytes ?? WHOLE_LINE_BYTES,
          (stream) => jsonLines({ step, stream, maxBytes: maxLineBytes }),
        );
    case "grouped": {
      const sink: Sink = {
        write: (bytes) => inTurn(() => stdout.write(bytes)),
      };
      return (step, stepFile) => {
        const fallback = prefixed(step, { stdout: sink, stderr: sink });
        if (!stepFile.file) return fallback;
        return groupPrinter({
          step,
          file: stepFile,
          unwritten: stepFile.unwritten,
          sink: stdout,
          maxBytes: maxLineBytes,
          inTurn,
          fallback,
        });
      };
    }
  }
}

function prefixedPrinters(
  options: StepPrintersOptions,
): (step: string, sinks: Sinks) => Printer {
  const { steps, color = false, maxLineBytes } = options;
  const width = steps.map((step) => displayWidth(printable(step)))
    .filter((width) => width <= WIDEST_PADDING)
    .reduce((most, width) => Math.max(most, width), 0);
  const numbers = new Map(steps.map((step, number) => [step, number]));
  return (step, sinks) => {
    if (!numbers.has(step)) numbers.set(step, numbers.size);
    const prefix = stepPrefix(step, {
      width,
      color: color ? numbers.get(step) : undefined,
      maxBytes: maxLineBytes && maxLineBytes / 2,
    });
    const maxBytes = maxLineBytes === undefined
      ? WHOLE_LINE_BYTES
      : maxLineBytes - prefix.length - styleRoom(maxLineBytes);
    return linePrinter(sinks, maxBytes, () => prefixLines(prefix));
  };
}

/** Room for what switches colors off and on again, unless lines are tiny. */
function styleRoom(maxLineBytes: number): number {
  return maxLineBytes < 16 * MAX_STYLE_BYTES ? 0 : MAX_STYLE_BYTES;
}

function makeTurns(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const run = last.then(task);
    // Its caller hears of a failure; who comes next need not.
    last = run.catch(() => {});
    return run;
  };
}
