import { pause, type TimeLimit, timeLimit } from "./time_limit.ts";

/** Returns the time, and waits. */
export interface Clock {
  /** Returns the time of a clock that never jumps, in milliseconds. */
  now(): number;
  /** Returns the date and the time of day. */
  date(): Date;
  /**
   * Starts a time limit.
   *
   * @param ms Milliseconds from now.
   */
  limit(ms: number): TimeLimit;
  /**
   * Waits for the given time.
   *
   * @param ms Milliseconds.
   * @param signal Ends the pause early; the promise never rejects.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /**
   * Marks work of the runner itself until the result is disposed. A simulated
   * clock is paused meanwhile.
   */
  work(): Disposable;
}

const NOTHING: Disposable = { [Symbol.dispose]() {} };

/** The clock of the system. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  limit: (ms) => timeLimit(ms),
  sleep: pause,
  work: () => NOTHING,
};
