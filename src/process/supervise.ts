import { type Cancellation, onAbort } from "./cancellation.ts";
import {
  type ExitStatus,
  type RunningProcess,
  TIMEOUT_EXIT_CODE,
} from "./spawn.ts";
import { type Clock, settlesWithin, SYSTEM_CLOCK } from "./time_limit.ts";

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
  /**
   * Time for which descendants may keep the pipes of a program open after it has
   * exited, in milliseconds.
   *
   * @default {2_000}
   */
  drainMs?: number;
  /**
   * Time to wait for the pipes to close after each further signal to the group,
   * in milliseconds.
   *
   * @default {500}
   */
  closeMs?: number;
  /**
   * Clock of the limits.
   *
   * @default {the clock of the system}
   */
  clock?: Pick<Clock, "limit">;
  /** Cancellation of the program. */
  cancellation: Cancellation;
  /** Resolves once every stream of the program was read to its end. */
  drained: Promise<void>;
  /** Stops reading the streams. */
  stopDraining: () => void;
}

/** How a supervised program ended, and why. */
export interface SupervisedExit extends ExitStatus {
  /** Cause of the end; the first one wins. */
  cause: "exit" | "cancelled" | "timeout";
  /** Whether some of its processes could not be killed. */
  hasSurvivors?: true;
  /**
   * Whether the grace time passed before it had ended and its output was read.
   */
  wasKilled?: true;
}

/**
 * Supervises a program until it ends: forwards a cancellation, enforces the
 * time limit, limits the wait for its output, and leaves no process in its
 * group.
 *
 * @param child Running program.
 * @param options Limits, cancellation, and the state of reading its output.
 * @returns How and why the program ended.
 * @throws The error of `drained`, once the program has ended.
 */
export async function supervise(
  child: RunningProcess,
  options: SuperviseOptions,
): Promise<SupervisedExit> {
  const { graceMs, drainMs = 2_000, closeMs = 500, cancellation } = options;
  const { drained, clock = SYSTEM_CLOCK } = options;
  using _ = onAbort(cancellation.forced, () => child.signal("SIGKILL"));
  const details: Pick<SupervisedExit, "hasSurvivors" | "wasKilled"> = {};
  const cause = await waitForCause(child, options);
  if (cause !== "exit") {
    const forced = Promise.withResolvers<void>();
    using _ = onAbort(cancellation.forced, forced.resolve);
    const ended = Promise.all([child.status, drained]);
    child.signal(cancellation.programSignal);
    const first = Promise.race([ended, forced.promise]);
    if (!await settlesWithin(first, graceMs, clock.limit)) {
      details.wasKilled = true;
    }
    child.signal("SIGKILL");
  }
  const status = await child.status;
  await settlesWithin(drained, cause === "exit" ? drainMs : 0, clock.limit) ||
    await closePipes(child, options, closeMs);
  // None of the remaining processes holds a pipe.
  if (!await child.end()) details.hasSurvivors = true;
  if (cause === "exit") {
    // Waits for a slow reader of the output, unless the job is cancelled.
    const cancelled = Promise.withResolvers<void>();
    using _ = onAbort(cancellation.graceful, cancelled.resolve);
    await Promise.race([drained, cancelled.promise]);
  }
  // Output that was read still reaches the sink, unless the sink is stuck.
  if (await settlesWithin(drained, closeMs, clock.limit)) await drained;
  return cause === "timeout"
    ? { ...status, ...details, exitCode: TIMEOUT_EXIT_CODE, cause }
    : {
      ...status,
      ...details,
      cause: cause === "cancelled" ? cause : "exit",
    };
}

/**
 * Waits until the program exits, or has to be terminated. That includes a
 * program whose output cannot be written, because its log would be lost.
 */
async function waitForCause(
  child: RunningProcess,
  { timeoutMs, cancellation, drained, clock = SYSTEM_CLOCK }: SuperviseOptions,
): Promise<SupervisedExit["cause"] | "broken"> {
  using limit = timeoutMs === undefined ? undefined : clock.limit(timeoutMs);
  const { promise, resolve } = Promise.withResolvers<
    SupervisedExit["cause"] | "broken"
  >();
  using _ = onAbort(cancellation.graceful, () => resolve("cancelled"));
  child.status.then(() => resolve("exit"));
  limit?.reached.then(() => resolve("timeout"));
  drained.catch(() => resolve("broken"));
  return await promise;
}

/**
 * Signals processes that hold a pipe, then kills them. Processes that left the
 * group are ignored.
 */
async function closePipes(
  child: RunningProcess,
  { drained, stopDraining, clock = SYSTEM_CLOCK }: SuperviseOptions,
  closeMs: number,
): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    child.signal(signal);
    if (await settlesWithin(drained, closeMs, clock.limit)) return;
  }
  stopDraining();
}
