import type { Clock } from "../process/time_limit.ts";
import { onAbort } from "../process/cancellation.ts";

/** Date at which each test starts. */
const START = Date.UTC(2026, 0, 1);

/** A time that a waiter waits for. */
interface Timer {
  readonly dueMs: number;
  readonly fire: () => void;
}

/**
 * A clock that skips waiting times.
 *
 * The time jumps to the next timer when the runner has started everything that
 * can start, and waits only for commands or for the delays before retries.
 * Therefore, the order of events depends only on their times.
 */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #workers = 0;
  #isJumping = false;
  readonly #timers = new Set<Timer>();
  readonly #turns = new MessageChannel();

  /** Creates a clock at the time 0. */
  constructor() {
    this.#turns.port1.onmessage = () => this.#jump();
  }

  /** Releases the clock; no timer fires any more. */
  [Symbol.dispose](): void {
    this.#timers.clear();
    this.#turns.port1.close();
    this.#turns.port2.close();
  }

  now = (): number => this.#nowMs;

  date = (): Date => new Date(START + this.#nowMs);

  limit = (ms: number): Disposable & { readonly reached: Promise<true> } => {
    const { promise, resolve } = Promise.withResolvers<true>();
    const timer = this.#start(ms, () => resolve(true));
    return { reached: promise, [Symbol.dispose]: () => this.#stop(timer) };
  };

  sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _idle = this.idle();
    const timer = this.#start(ms, resolve);
    using _ = signal && onAbort(signal, resolve);
    await promise;
    this.#stop(timer);
  };

  work = (): Disposable => {
    this.#workers++;
    return { [Symbol.dispose]: () => this.#release() };
  };

  /** Marks a worker as waiting for the time to pass. */
  idle(): Disposable {
    this.#release();
    return { [Symbol.dispose]: () => void this.#workers++ };
  }

  #release(): void {
    this.#workers--;
    this.#plan();
  }

  #start(ms: number, fire: () => void): Timer {
    const timer = { dueMs: this.#nowMs + Math.max(0, ms), fire };
    this.#timers.add(timer);
    this.#plan();
    return timer;
  }

  #stop(timer: Timer): void {
    this.#timers.delete(timer);
  }

  /**
   * Actions decided at this time run first, which takes a turn of the event
   * loop.
   */
  #plan(): void {
    if (this.#isJumping || this.#workers > 0 || this.#timers.size === 0) return;
    this.#isJumping = true;
    this.#turns.port2.postMessage(undefined);
  }

  #jump(): void {
    this.#isJumping = false;
    if (this.#workers > 0) return;
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.dueMs < next.dueMs) next = timer;
    }
    if (next === undefined || next.dueMs === Infinity) return;
    this.#timers.delete(next);
    this.#nowMs = next.dueMs;
    next.fire();
    this.#plan();
  }
}
