import { type Cancellation, onAbort } from "./cancellation.ts";
import { type ExitStatus, TIMEOUT_EXIT_CODE } from "./exit_code.ts";
import type { RunningProcess } from "./spawn.ts";
import { settlesWithin, timeLimit } from "./time_limit.ts";

/** How long descendants may hold the pipe of a program that has exited. */
const DRAIN_MS = 2_000;

/** How long a pipe may stay open once the whole group was signalled again. */
const CLOSE_MS = 500;

/** Options for {@linkcode supervise}. */
export interface SuperviseOptions {
  /** Time between the first signal and SIGKILL, in milliseconds. */
  graceMs: number;
  /**
   * Maximum time the program may run, in milliseconds.
   *
   * @default {no limit}
   */
  timeoutMs?: number;
  /** Cancellation of the program. */
  cancellation: Cancellation;
  /** Resolves when every stream of the program was read to its end. */
  drained: Promise<void>;
  /** Gives up reading the streams. */
  stopDraining: () => void;
}

/** How a supervised program ended, and why. */
export interface SupervisedExit extends ExitStatus {
  /** What made it end; the first cause wins. */
  cause: "exit" | "cancelled" | "timeout";
  /** Set when some of its processes could not be ended. */
  hasSurvivors?: true;
}

/**
 * Sees a program to its end: forwards a cancellation, enforces the time
 * limit, bounds the wait for its output and leaves nobody in its group.
 *
 * @param child Running program.
 * @param options Limits, and the reading side.
 * @returns How and why the program ended.
 * @throws What `drained` rejects with, once the program has ended.
 */
export async function supervise(
  child: RunningProcess,
  options: SuperviseOptions,
): Promise<SupervisedExit> {
  const { graceMs, cancellation, drained, stopDraining } = options;
  using _ = onAbort(cancellation.insisted, () => child.signal("SIGKILL"));
  const cause = await firstCause(child, options);
  if (cause !== "exit") {
    const insisted = Promise.withResolvers<void>();
    using _ = onAbort(cancellation.insisted, insisted.resolve);
    const over = Promise.all([child.status, drained]);
    child.signal(cancellation.programSignal);
    await settlesWithin(Promise.race([over, insisted.promise]), graceMs);
    child.signal("SIGKILL");
  }
  const status = await child.status;
  await settlesWithin(drained, cause === "exit" ? DRAIN_MS : 0) ||
    await closePipes(child, drained, stopDraining);
  // What is left holds no pipe, or holds it no longer.
  const survivors = await child.end() ? {} : { hasSurvivors: true as const };
  if (cause === "exit") {
    // A slow reader of the output is waited for, but not by one who wants to end.
    const asked = Promise.withResolvers<void>();
    using _ = onAbort(cancellation.asked, asked.resolve);
    await Promise.race([drained, asked.promise]);
  }
  // What was read still reaches a sink that takes it; a stuck one is left behind.
  if (await settlesWithin(drained, CLOSE_MS)) await drained;
  return cause === "timeout"
    ? { ...status, ...survivors, exitCode: TIMEOUT_EXIT_CODE, cause }
    : {
      ...status,
      ...survivors,
      cause: cause === "cancelled" ? cause : "exit",
    };
}

/** Output that cannot be passed on ends a program, too: nobody would see what it does. */
async function firstCause(
  child: RunningProcess,
  { timeoutMs, cancellation, drained }: SuperviseOptions,
): Promise<SupervisedExit["cause"] | "broken"> {
  using limit = timeoutMs === undefined ? undefined : timeLimit(timeoutMs);
  const { promise, resolve } = Promise.withResolvers<
    SupervisedExit["cause"] | "broken"
  >();
  using _ = onAbort(cancellation.asked, () => resolve("cancelled"));
  child.status.then(() => resolve("exit"));
  limit?.reached.then(() => resolve("timeout"));
  drained.catch(() => resolve("broken"));
  return await promise;
}

/** Asks, then forces those who hold a pipe; one that left the group is left alone. */
async function closePipes(
  child: RunningProcess,
  drained: Promise<void>,
  stopDraining: () => void,
): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    child.signal(signal);
    if (await settlesWithin(drained, CLOSE_MS)) return;
  }
  stopDraining();
}
