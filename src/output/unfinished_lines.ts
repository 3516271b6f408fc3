import type { StreamName } from "./line_format.ts";

/** Longest time between two looks at one line, in milliseconds. */
const MAX_DELAY_MS = 60_000;

/** Watches the lines of a step that do not end. */
export interface UnfinishedLines extends Disposable {
  /**
   * Notes what a stream has written.
   *
   * @param stream The stream.
   * @param isOpen Whether its last line has no end yet.
   * @param hasLineBreak Whether a line has ended.
   */
  note(stream: StreamName, isOpen: boolean, hasLineBreak: boolean): void;
}

/**
 * Watches for lines that wait for their end, so that dots and prompts are seen
 * while a program runs. Each further piece of one line waits twice as long.
 *
 * @param firstMs How long a line waits first, in milliseconds.
 * @param flush Shows what there is of the line.
 * @returns The watch; it shows nothing once it is disposed.
 */
export function watchUnfinishedLines(
  firstMs: number,
  flush: (stream: StreamName) => void,
): UnfinishedLines {
  const timers: Partial<Record<StreamName, ReturnType<typeof setTimeout>>> = {};
  const delays = { stdout: firstMs, stderr: firstMs };
  function stop(stream: StreamName): void {
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
    note(stream, isOpen, hasLineBreak) {
      if (hasLineBreak) {
        if (timers[stream] !== undefined) stop(stream);
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
