import { hasByte } from "../has_byte.ts";
import type { StepLog } from "./job_log.ts";
import { LINE_BREAK, LINE_FEED } from "./line_cut.ts";
import type { StreamName } from "./line_format.ts";
import type { Printer } from "./printer.ts";
import type { Sink } from "./sink.ts";
import type { StepFile } from "./step_file.ts";
import { StepRecord } from "./step_record.ts";
import { watchUnfinishedLines } from "./unfinished_lines.ts";

/** Options for {@linkcode openStepLog}. */
export interface StepLogOptions {
  /** What keeps the output. */
  file: StepFile;
  /** What shows the output. */
  printer: Printer;
  /** Hears the line that a carriage return writes anew. */
  onProgress: ((text: string) => void) | undefined;
  /** How long an unfinished line waits before it is shown, in milliseconds. */
  unfinishedLineMs: number;
}

/**
 * Opens the log of a step.
 *
 * @param options Where output is shown and kept.
 * @returns The log; what is written once it is closed is dropped.
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

  const unfinished = watchUnfinishedLines(unfinishedLineMs, (stream) => {
    written[stream] = written[stream].catch(() => {}).then(async () => {
      await record.flush(stream);
      await printer.flush?.(stream);
    });
    // The program hears of a broken sink with its next write.
    written[stream].catch(() => {});
  });

  async function write(stream: StreamName, bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) {
      isLineOpen[stream] = bytes.at(-1) !== LINE_FEED;
      unfinished.note(stream, isLineOpen[stream], hasByte(bytes, LINE_FEED));
    }
    const printed = printer.write(stream, bytes);
    // Awaited below, once nobody reads the bytes any more.
    printed.catch(() => {});
    await record.write(stream, bytes);
    await printed;
  }

  function makeSink(stream: StreamName): Sink {
    return {
      write(bytes) {
        if (closing) return Promise.resolve();
        // A failed write fails its caller; those behind it try on their own.
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
    endLine,
    tail: (lineCount) => record.tail(lineCount),
    close: () => closing ??= close(),
  };
}
