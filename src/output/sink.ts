import { pause } from "../process/time_limit.ts";
import type { HostStream } from "../host.ts";
import { LINE_BREAK, LINE_FEED } from "./line_limit.ts";

/** How long to wait for a reader that lets a non-blocking stream run full. */
const FULL_WAIT_MS = 5;

/** A place for bytes; writes keep their order. */
export interface Sink {
  /**
   * Writes all the bytes.
   *
   * @param bytes Bytes, not to be changed before the promise resolves.
   */
  write(bytes: Uint8Array): Promise<void>;
}

/** A sink that knows whether its last line has an end. */
export interface LineSink extends Sink {
  /** Writes a line break if the last byte was written without one behind it. */
  endLine(): Promise<void>;
}

/**
 * Makes a sink of one of the process's streams.
 *
 * When nobody reads any more, what follows is dropped: a job is not to fail
 * because somebody looked at its first lines only.
 *
 * @param stream The stream.
 * @returns The sink.
 */
export function streamSink(stream: HostStream): LineSink {
  let last: Promise<void> = Promise.resolve();
  let isClosed = false;
  let isLineOpen = false;
  async function writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !isClosed;) {
      try {
        const count = await stream.write(bytes.subarray(at));
        if (count === 0) await pause(FULL_WAIT_MS);
        else isLineOpen = bytes[at + count - 1] !== LINE_FEED;
        at += count;
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) isClosed = true;
        else if (error instanceof Deno.errors.WouldBlock) {
          await pause(FULL_WAIT_MS);
        } else throw error;
      }
    }
  }
  function enqueue(task: () => Promise<void>): Promise<void> {
    // A failed write fails its caller; those behind it try on their own.
    last = last.catch(() => {}).then(task);
    return last;
  }
  return {
    write: (bytes) => enqueue(() => writeAll(bytes)),
    endLine: () =>
      enqueue(async () => {
        if (isLineOpen) await writeAll(LINE_BREAK);
      }),
  };
}
