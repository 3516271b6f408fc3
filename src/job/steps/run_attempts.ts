import { messageOf, RunnerError } from "../../errors.ts";
import { isAbortedWithin, retryDelay } from "../../process/retry.ts";
import type { StepEvent } from "../step_event.ts";
import type { AttemptContext, AttemptEnd, AttemptFiles } from "./attempt.ts";
import { attemptCommand } from "./command_attempt.ts";
import { attemptFunction } from "./function_attempt.ts";
import { isTriedAgain } from "./retry.ts";

/** Options for {@linkcode runAttempts}. */
export interface RunAttemptsOptions {
  /** Hears of each attempt. */
  onEvent: (event: StepEvent) => void;
  /**
   * Creates a directory for the files of an attempt: what a failed one wrote
   * does not count. It is removed when disposed.
   */
  openAttempt: () => AttemptFiles & Disposable;
}

/** How a step ended. */
export interface StepEnd extends AttemptEnd {
  /** How often it was started. */
  readonly attempts: number;
}

/**
 * Runs a step, and runs it again as long as it fails and may.
 *
 * @param context Everything that an attempt needs.
 * @param options Additional options.
 * @returns How the last attempt ended.
 */
export async function runAttempts(
  context: Omit<AttemptContext, "attempt" | keyof AttemptFiles>,
  options: RunAttemptsOptions,
): Promise<StepEnd> {
  const { name, definition: { retry }, cancellation } = context;
  const { onEvent, openAttempt } = options;
  for (let attempt = 1;; attempt++) {
    onEvent({ type: "started", step: name, attempt });
    const end = await attemptOnce({ ...context, attempt }, openAttempt);
    const attempts = attempt;
    const failed = end.outcome === "failed" || end.outcome === "timeout";
    if (
      !failed || retry === undefined || cancellation.signal !== null ||
      !isTriedAgain(retry, attempt, end.exitCode)
    ) {
      return { ...end, attempts };
    }
    const delayMs = retryDelay(retry, attempt, Math.random());
    const reason = messageOf(end.error);
    onEvent({
      type: "retrying",
      step: name,
      attempt: attempt + 1,
      delayMs,
      reason,
    });
    await context.log.endLine();
    // Whoever cancels a step that waits ends it with its last failure.
    if (await isAbortedWithin(delayMs, cancellation.asked)) {
      return { ...end, outcome: "cancelled", attempts };
    }
  }
}

async function attemptOnce(
  setting: Omit<AttemptContext, keyof AttemptFiles>,
  openAttempt: RunAttemptsOptions["openAttempt"],
): Promise<AttemptEnd> {
  const { name, definition: { run } } = setting;
  try {
    using files = openAttempt();
    const context = { ...setting, ...files };
    return typeof run === "function"
      ? await attemptFunction(run, context)
      : await attemptCommand(run, context);
  } catch (cause) {
    if (cause instanceof RunnerError) {
      const { exitCode } = cause;
      return { outcome: "failed", exitCode, signal: null, error: cause };
    }
    const error = new RunnerError(
      `Cannot run step "${name}": ${messageOf(cause)}`,
      { code: "step-failed", cause },
    );
    return { outcome: "failed", exitCode: 1, signal: null, error };
  }
}
