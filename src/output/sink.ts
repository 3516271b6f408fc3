import { joinBytes } from "../bytes.ts";
import type { HostStream } from "../host.ts";
import { pause } from "../process/time_limit.ts";
import type { MaskStream } from "../secrets/mask/mask_stream.ts";
import { LINE_BREAK, LINE_FEED } from "./line_limit.ts";

/**
 * Delay before another write to a non-blocking stream that is full, in
 * milliseconds.
 */
const FULL_WAIT_MS = 5;

/**
 * Maximum size of writes that are joined while an earlier one is pending, in
 * bytes: each write uses another thread, regardless of its size.
 */
const JOINED_BYTES = 4 * 1024;

/** Destination of bytes. Writes keep their order. */
export interface Sink {
  /**
   * Writes all bytes.
   *
   * @param bytes Bytes, which must not change before the promise resolves.
   */
  write(bytes: Uint8Array): Promise<void>;
}

/** A small write that is joined with others. */
interface JoinedWrite {
  readonly bytes: Uint8Array;
  readonly end: PromiseWithResolvers<void>;
}

/** A sink that tracks whether its last line is finished. */
export interface LineSink extends Sink {
  /** Ends an unfinished line with a line break. */
  endLine(): Promise<void>;
  /**
   * Waits for earlier writes, and holds later ones back until the result is
   * disposed.
   */
  hold(): Promise<Disposable>;
}

/**
 * Creates a sink that writes to a standard stream of the process.
 *
 * Once the stream is closed, further output is dropped: a job must not fail
 * because a reader such as `head` has stopped reading.
 */
export function streamSink(stream: HostStream): LineSink {
  let last: Promise<void> = Promise.resolve();
  let isIdle = true;
  let isClosed = false;
  let isLineOpen = false;
  /** Small writes that are joined, unless something else is enqueued. */
  let joined: JoinedWrite[] | undefined;
  async function writeAll(
    bytes: Uint8Array,
    onWritten: (count: number) => void = () => {},
  ): Promise<void> {
    for (let at = 0; at < bytes.length && !isClosed;) {
      try {
        const count = await stream.write(bytes.subarray(at));
        if (count === 0) await pause(FULL_WAIT_MS);
        else isLineOpen = bytes[at + count - 1] !== LINE_FEED;
        at += count;
        onWritten(count);
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) isClosed = true;
        else if (error instanceof Deno.errors.WouldBlock) {
          await pause(FULL_WAIT_MS);
        } else throw error;
      }
    }
  }
  function enqueue(task: () => Promise<void>): Promise<void> {
    joined = undefined;
    isIdle = false;
    // A failed write rejects only for its caller.
    const ended = last = last.catch(() => {}).then(task);
    const settle = () => {
      isIdle = last === ended;
    };
    ended.then(settle, settle);
    return ended;
  }
  function join(bytes: Uint8Array): Promise<void> {
    const write = { bytes, end: Promise.withResolvers<void>() };
    if (joined !== undefined) joined.push(write);
    else {
      const writes = [write];
      void enqueue(() => {
        if (joined === writes) joined = undefined;
        return writeJoined(writes);
      });
      joined = writes;
    }
    return write.end.promise;
  }
  async function writeJoined(writes: readonly JoinedWrite[]): Promise<void> {
    for (let left = writes; left.length > 0;) {
      let count = 0;
      try {
        const bytes = joinBytes(left.map(({ bytes }) => bytes));
        await writeAll(bytes, (more) => count += more);
        return left.forEach(({ end }) => end.resolve());
      } catch (error) {
        const failed = left.findIndex(({ bytes }) =>
          (count -= bytes.length) < 0
        );
        left.slice(0, failed).forEach(({ end }) => end.resolve());
        left[failed].end.reject(error);
        left = left.slice(failed + 1);
      }
    }
  }
  return {
    write: (bytes) =>
      isIdle || bytes.length > JOINED_BYTES
        ? enqueue(() => writeAll(bytes))
        : join(bytes),
    endLine: () =>
      enqueue(async () => {
        if (isLineOpen) await writeAll(LINE_BREAK);
      }),
    async hold() {
      const held = Promise.withResolvers<Disposable>();
      const over = Promise.withResolvers<void>();
      void enqueue(() => {
        held.resolve({ [Symbol.dispose]: over.resolve });
        return over.promise;
      });
      return await held.promise;
    },
  };
}

/** A sink that masks what is written to it. */
export interface MaskedSink extends Sink {
  /**
   * Writes the bytes that were held back because they could have become a
   * secret.
   */
  end(): Promise<void>;
}

/**
 * Masks a stream of bytes that arrives in any pieces, such as a log that is
 * read from a server.
 *
 * @param sink Takes the masked bytes.
 * @param mask Masker of the stream.
 */
export function maskedSink(sink: Sink, mask: MaskStream): MaskedSink {
  let held: Uint8Array = new Uint8Array();
  async function write(bytes: Uint8Array, isLast: boolean): Promise<void> {
    const window = joinBytes([held, bytes]);
    const { output, heldFrom } = mask.mask(window, isLast);
    held = window.slice(heldFrom);
    // The output is valid only until the next window.
    if (output.length > 0) await sink.write(output.slice());
  }
  return {
    write: (bytes) => write(bytes, false),
    end: () => write(new Uint8Array(), true),
  };
}
