import { displayWidth } from "../terminal/width.ts";
import { printable } from "../terminal/text.ts";
import {
  MAX_STYLE_BYTES,
  prefixLines,
  stepPrefix,
  timedLines,
} from "./prefix_lines.ts";
import {
  type GroupMarkers,
  groupPrinter,
  jsonLines,
  type LineFields,
  linePrinter,
  markedPrinter,
  plainPrinter,
  type Printer,
  type RunInTurn,
  type Sinks,
} from "./printer.ts";
import type { Sink } from "./sink.ts";
import type { StepFile } from "./step_file.ts";

/**
 * Maximum line length of the styles `prefixed` and `json` if no limit is given.
 */
const WHOLE_LINE_BYTES = 64 * 1024;

/**
 * Maximum width to which names are padded, in cells, so that enough space is
 * left for the lines.
 */
const MAX_PADDING = 24;

/** Style in which the output of steps is shown. */
export type JobLogStyle = "plain" | "prefixed" | "grouped" | "json";

/** Options for {@linkcode stepPrinters}. */
export interface StepPrintersOptions {
  /** Sink of standard output, and of standard error if it is merged. */
  stdout: Sink;
  /** Sink of standard error, if it is separate. */
  stderr: Sink;
  /**
   * Style of the output.
   *
   * - `plain`: unchanged; for jobs of one step.
   * - `prefixed`: complete lines with the name of their step; names are padded
   *   to the same width unless they are very long.
   * - `grouped`: each step as one block with a header on standard output when
   *   it ends.
   * - `json`: each line as an object with `timestamp`, `stream`, `message`,
   *   `step` and the fields of `getFields`.
   *
   * Except for `plain`, a line is shown as a terminal finally shows it: the
   * text after its last carriage return.
   */
  style: JobLogStyle;
  /** Names of the known steps, in order. */
  steps: readonly string[];
  /**
   * Whether each step's prefix has a color.
   *
   * @default {false}
   */
  color?: boolean;
  /**
   * Whether each line begins with the time of day in UTC. Then `plain` shows
   * complete lines as `prefixed` does, without a name.
   *
   * @default {false}
   */
  timestamps?: boolean;
  /**
   * Maximum length of a shown line in bytes, without its line break; at least
   * 32. Longer lines are broken between characters.
   *
   * The prefix counts and, for limits of at least 2 KiB, so do the sequences
   * that switch colors off. With `json`, the encoded message counts. Without a
   * limit, `prefixed` and `json` break lines of more than 64 KiB.
   */
  maxLineBytes?: number;
  /**
   * Returns more fields of lines that are objects.
   *
   * @default {none}
   */
  getFields?: LineFields;
  /**
   * Borders of groups in the log of a CI system, for `grouped` and, if steps run
   * one after the other, for `prefixed`.
   *
   * @default {no borders, and headers with `grouped`}
   */
  groups?: StepGroups;
}

/** Groups in the log of a CI system. */
export interface StepGroups {
  readonly markers: GroupMarkers;
  /** Sink of the borders, which passes them on unchanged and immediately. */
  readonly sink: Sink;
  /** Whether no two steps can print at the same time. */
  readonly isInOrder: boolean;
}

/** Creates the printer of a step from its name and file. */
export type StepPrinters = (step: string, file: StepFile) => Printer;

/**
 * Selects the printer for the steps of a job.
 *
 * @returns Function that creates the printer of a step.
 */
export function stepPrinters(options: StepPrintersOptions): StepPrinters {
  const { stdout, stderr, style, maxLineBytes, timestamps, groups, getFields } =
    options;
  const sinks = { stdout, stderr };
  const prefixed = prefixedPrinters(options);
  const runInTurn = createTaskQueue();
  switch (style) {
    case "plain":
      return timestamps
        ? (step) => prefixed(step, sinks)
        : () => plainPrinter(sinks, maxLineBytes);
    case "prefixed":
      return (step) => {
        const printer = prefixed(step, sinks);
        return groups?.isInOrder
          ? markedPrinter(step, printer, groups.markers, groups.sink)
          : printer;
      };
    case "json":
      return (step) =>
        linePrinter(
          sinks,
          maxLineBytes ?? WHOLE_LINE_BYTES,
          (stream) =>
            jsonLines({
              step,
              stream,
              maxBytes: maxLineBytes,
              getFields,
            }),
        );
    case "grouped": {
      const sink: Sink = {
        write: (bytes) => runInTurn(() => stdout.write(bytes)),
      };
      return (step, stepFile) => {
        const fallback = prefixed(step, { stdout: sink, stderr: sink });
        if (!stepFile.file) return fallback;
        return groupPrinter({
          step,
          file: stepFile,
          unwritten: stepFile.unwritten,
          sink: stdout,
          markers: groups,
          maxBytes: maxLineBytes,
          runInTurn,
          fallback,
        });
      };
    }
  }
}

function prefixedPrinters(
  options: StepPrintersOptions,
): (step: string, sinks: Sinks) => Printer {
  const { steps, style, color = false, maxLineBytes, timestamps } = options;
  const width = steps.map((step) => displayWidth(printable(step)))
    .filter((width) => width <= MAX_PADDING)
    .reduce((most, width) => Math.max(most, width), 0);
  const numbers = new Map(steps.map((step, number) => [step, number]));
  return (step, sinks) => {
    if (!numbers.has(step)) numbers.set(step, numbers.size);
    const prefix = style === "plain" ? new Uint8Array() : stepPrefix(step, {
      width,
      color: color ? numbers.get(step) : undefined,
      maxBytes: maxLineBytes && maxLineBytes / 2,
    });
    const getFormat = () =>
      timestamps
        ? timedLines(prefix)
        : { format: prefixLines(prefix), addedBytes: prefix.length };
    const maxBytes = maxLineBytes === undefined
      ? WHOLE_LINE_BYTES
      : maxLineBytes - getFormat().addedBytes - reserveStyleBytes(maxLineBytes);
    return linePrinter(sinks, maxBytes, () => getFormat().format);
  };
}

/**
 * Returns the space for sequences that switch colors off and on, unless the
 * limit is very small.
 */
function reserveStyleBytes(maxLineBytes: number): number {
  return maxLineBytes < 16 * MAX_STYLE_BYTES ? 0 : MAX_STYLE_BYTES;
}

/** Creates a function that runs tasks one after the other. */
function createTaskQueue(): RunInTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const run = last.then(task);
    // A failure rejects only for its caller.
    last = run.catch(() => {});
    return run;
  };
}
