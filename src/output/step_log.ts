import { hasByte } from "../bytes.ts";
import { plainText } from "../terminal/text.ts";
import type { StepLog } from "./job_log.ts";
import { LineAssembler } from "./line_assembler.ts";
import { LINE_BREAK, LINE_FEED, type StreamName } from "./line_limit.ts";
import type { LogFile } from "./log_file.ts";
import { LogTail } from "./log_tail.ts";
import type { Printer } from "./printer.ts";
import type { Sink } from "./sink.ts";
import type { StepFile } from "./step_file.ts";

/**
 * Maximum size of an unfinished line that is held back in case a carriage
 * return rewrites it, in bytes.
 */
const HELD_BYTES = 64 * 1024;

/** Maximum length of a progress text, in characters. */
const PROGRESS_LENGTH = 200;

/**
 * Maximum size of the line from which the text is taken, in bytes; escape
 * sequences take space too.
 */
const PROGRESS_BYTES = 1024;

/** Maximum time between two parts of one line, in milliseconds. */
const MAX_DELAY_MS = 60_000;

/** Options for {@linkcode openStepLog}. */
export interface StepLogOptions {
  /** File of the step. */
  file: StepFile;
  /** Printer of the step. */
  printer: Printer;
  /** Called with a line that a carriage return rewrites. */
  onProgress: ((text: string) => void) | undefined;
  /** Time after which an unfinished line is shown, in milliseconds. */
  unfinishedLineMs: number;
}

/**
 * Opens the log of a step.
 *
 * @returns The log, which ignores writes after it is closed.
 */
export function openStepLog(options: StepLogOptions): StepLog {
  const { file, printer, onProgress, unfinishedLineMs } = options;
  const record = new StepRecord({ file: file.file, onProgress });
  let closing: Promise<void> | undefined;
  const written: Record<StreamName, Promise<void>> = {
    stdout: Promise.resolve(),
    stderr: Promise.resolve(),
  };

  const isLineOpen = { stdout: false, stderr: false };
  let lastOutputMs: number | undefined;

  const unfinished = watchUnfinishedLines(unfinishedLineMs, (stream) => {
    written[stream] = written[stream].catch(() => {}).then(async () => {
      await record.flush(stream);
      await printer.flush?.(stream);
    });
    // The next write reports a broken sink.
    written[stream].catch(() => {});
  });

  async function write(stream: StreamName, bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) {
      lastOutputMs = performance.now();
      isLineOpen[stream] = bytes.at(-1) !== LINE_FEED;
      unfinished.recordWrite(
        stream,
        isLineOpen[stream],
        hasByte(bytes, LINE_FEED),
      );
    }
    const printed = printer.write(stream, bytes);
    // Awaited below, when the bytes are no longer used.
    printed.catch(() => {});
    await record.write(stream, bytes);
    await printed;
  }

  function makeSink(stream: StreamName): Sink {
    return {
      write(bytes) {
        if (closing) return Promise.resolve();
        // A failed write rejects only for its caller.
        written[stream] = written[stream].catch(() => {})
          .then(() => write(stream, bytes));
        return written[stream];
      },
    };
  }

  async function endLine(): Promise<void> {
    for (const stream of ["stdout", "stderr"] as const) {
      await written[stream];
      if (isLineOpen[stream]) await sinks[stream].write(LINE_BREAK);
    }
  }

  async function close(): Promise<void> {
    using _ = file;
    unfinished[Symbol.dispose]();
    await Promise.allSettled([written.stdout, written.stderr]);
    await record.close();
    await file.finish();
    await printer.close();
  }

  const sinks = { stdout: makeSink("stdout"), stderr: makeSink("stderr") };
  return {
    ...sinks,
    get lastOutputMs() {
      return lastOutputMs;
    },
    endLine,
    tail: (lineCount) => record.tail(lineCount),
    close: () => closing ??= close(),
  };
}

/** Options for {@linkcode StepRecord}. */
interface StepRecordOptions {
  /** File to which lines are written. */
  file: LogFile | undefined;
  /** Called with a line that a carriage return rewrites, once per chunk. */
  onProgress: ((text: string) => void) | undefined;
}

/** Record of a step's output: its file, its last lines and its progress. */
class StepRecord {
  readonly #options: StepRecordOptions;
  readonly #tail = new LogTail();
  readonly #assemblers: Readonly<Record<StreamName, LineAssembler>> = {
    stdout: makeAssembler(),
    stderr: makeAssembler(),
  };
  /** Stream of the unfinished line in the file. */
  #open: StreamName | undefined;
  #progress = "";
  #lastLines: readonly string[] | undefined;

  constructor(options: StepRecordOptions) {
    this.#options = options;
  }

  /**
   * Records output. The next call for a stream must await the previous one.
   *
   * @param bytes The output, which must not change before the promise resolves.
   * @returns Resolves when more can be written; never rejects.
   */
  write(stream: StreamName, bytes: Uint8Array): Promise<void> {
    const assembler = this.#assemblers[stream];
    const lines = assembler.take(bytes);
    this.#reportProgress(assembler);
    return this.#keep(stream, lines);
  }

  /** Records the unfinished line. */
  flush(stream: StreamName): Promise<void> {
    const assembler = this.#assemblers[stream];
    // Only the last form of a rewritten line is kept.
    if (assembler.isRewritten) return Promise.resolve();
    return this.#keep(stream, assembler.flush());
  }

  /** Returns the last lines, complete or not; 20 by default. */
  tail(lineCount?: number): readonly string[] {
    if (this.#lastLines) return this.#lastLines;
    const { stdout: { rest: out }, stderr: { rest: err } } = this.#assemblers;
    return this.#open === "stderr"
      ? this.#tail.lines(err, out, lineCount)
      : this.#tail.lines(out, err, lineCount);
  }

  /** Records unfinished lines, and releases memory. */
  async close(): Promise<void> {
    await this.#keep("stdout", this.#assemblers.stdout.end());
    await this.#keep("stderr", this.#assemblers.stderr.end());
    this.#lastLines = this.tail();
    this.#tail.release();
  }

  async #keep(stream: StreamName, lines: Uint8Array): Promise<void> {
    if (lines.length === 0) return;
    const { file } = this.#options;
    // Both streams may have a line that was too long to hold back.
    if (this.#open !== undefined && this.#open !== stream) {
      this.#tail.add(LINE_BREAK);
      await file?.write(LINE_BREAK);
    }
    this.#open = lines.at(-1) === LINE_FEED ? undefined : stream;
    this.#tail.add(lines);
    await file?.write(lines);
  }

  #reportProgress(assembler: LineAssembler): void {
    const { onProgress } = this.#options;
    if (!onProgress || !assembler.isRewritten) return;
    const text = plainText(assembler.rest.subarray(0, PROGRESS_BYTES))
      .replaceAll("\t", " ").trim().slice(0, PROGRESS_LENGTH).toWellFormed();
    if (text === "" || text === this.#progress) return;
    this.#progress = text;
    onProgress(text);
  }
}

function makeAssembler(): LineAssembler {
  return new LineAssembler({ maxBytes: HELD_BYTES, longLines: "open" });
}

/** Timers for the unfinished lines of a step. */
interface UnfinishedLines extends Disposable {
  /**
   * Updates the timer after a write.
   *
   * @param isOpen Whether the last line is unfinished.
   * @param hasLineBreak Whether a line has ended.
   */
  recordWrite(stream: StreamName, isOpen: boolean, hasLineBreak: boolean): void;
}

/**
 * Starts timers for unfinished lines, so that dots and prompts are shown while
 * a program runs. The delay doubles for each further part of a line.
 *
 * @param firstMs Delay before the first part is shown, in milliseconds.
 * @returns The timers, which run until they are disposed.
 */
function watchUnfinishedLines(
  firstMs: number,
  flush: (stream: StreamName) => void,
): UnfinishedLines {
  const timers: Partial<Record<StreamName, ReturnType<typeof setTimeout>>> = {};
  const delays = { stdout: firstMs, stderr: firstMs };
  function stop(stream: StreamName): void {
    // Even a call without a timer loads the timers, which takes a while.
    if (timers[stream] === undefined) return;
    clearTimeout(timers[stream]);
    timers[stream] = undefined;
  }
  function start(stream: StreamName): void {
    timers[stream] = setTimeout(() => {
      timers[stream] = undefined;
      delays[stream] = Math.min(2 * delays[stream], MAX_DELAY_MS);
      flush(stream);
    }, delays[stream]);
  }
  return {
    recordWrite(stream, isOpen, hasLineBreak) {
      if (hasLineBreak) {
        stop(stream);
        delays[stream] = firstMs;
      }
      if (isOpen && timers[stream] === undefined) start(stream);
    },
    [Symbol.dispose]() {
      stop("stdout");
      stop("stderr");
    },
  };
}
