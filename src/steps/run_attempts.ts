import type { RetryConfig } from "../config/step_config.ts";
import { Variable } from "../environment/variables.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { retryDelay } from "../process/retry.ts";
import {
  type AttemptContext,
  type AttemptEnd,
  failedAttempt,
  runStepCommand,
  type StepEnd,
} from "./attempt.ts";
import type { AttemptFiles } from "./attempt_files.ts";
import { waitForCommand } from "./run_command.ts";
import { attemptFunction } from "./run_function.ts";
import type {
  AttemptResult,
  CommandOutputs,
  StepCommand,
  StepEvent,
} from "./step.ts";

/** Options for {@linkcode runAttempts}. */
export interface RunAttemptsOptions {
  /** Called with the start of each attempt, and before each retry. */
  onEvent: (event: StepEvent) => void;
  /**
   * Creates the directory for the files of an attempt, and removes it when
   * disposed. Each attempt has its own, so outputs of failed attempts are lost.
   */
  openAttempt: () => AttemptFiles & Disposable;
  /** Called after the event of an attempt and before its start. */
  beforeAttempt?: () => Promise<void>;
}

/**
 * Runs a step and retries it as its definition allows.
 *
 * @returns How the last attempt ended.
 */
export async function runAttempts(
  context: Omit<AttemptContext, "attempt" | keyof AttemptFiles>,
  options: RunAttemptsOptions,
): Promise<StepEnd> {
  const { name, definition: { retry }, cancellation, parentOf } = context;
  const { onEvent, openAttempt, beforeAttempt } = options;
  const { system, system: { clock } } = context;
  const attemptResults: AttemptResult[] = [];
  for (let attempt = 1;; attempt++) {
    const spanId = crypto.getRandomValues(new Uint8Array(8)).toHex();
    onEvent({ type: "started", step: name, attempt, spanId });
    await beforeAttempt?.();
    // Programs of the attempt become children of its span.
    const env = parentOf === undefined || !context.env[Variable.traceParent]
      ? context.env
      : { ...context.env, [Variable.traceParent]: parentOf(spanId) };
    const startedAt = clock.date();
    const start = clock.now();
    using measured = context.meter?.open();
    const end = await attemptOnce(
      { ...context, env, attempt, onStart: measured?.add },
      openAttempt,
    );
    const last: AttemptResult = {
      number: attempt,
      startedAt,
      durationMs: clock.now() - start,
      outcome: end.outcome,
      exitCode: end.exitCode,
      signal: end.signal,
      ...end.error === undefined || end.error.code === "command-failed"
        ? {}
        : { reason: end.error.message },
      ...measured?.usage,
    };
    attemptResults.push(last);
    const failed = end.outcome === "failed" || end.outcome === "timeout";
    if (
      !failed || retry === undefined || cancellation.signal !== null ||
      !shouldRetry(retry, attempt, end.exitCode)
    ) {
      return { ...end, attemptResults };
    }
    const delayMs = retryDelay(retry, attempt, system.random());
    const reason = messageOf(end.error);
    onEvent({
      type: "retrying",
      step: name,
      attempt: attempt + 1,
      delayMs,
      reason,
      last,
    });
    await context.log.endLine();
    // If the step is cancelled during the delay, it keeps its last error.
    await clock.sleep(delayMs, cancellation.graceful);
    if (cancellation.graceful.aborted) {
      return { ...end, outcome: "cancelled", attemptResults };
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
    const env = { ...setting.env, ...files.directories };
    const context = { ...setting, ...files, env };
    return typeof run === "function"
      ? await attemptFunction(run, context)
      : await attemptCommand(run, context);
  } catch (cause) {
    if (cause instanceof RunnerError) return failedAttempt(cause);
    const message = `Cannot run step "${name}": ${messageOf(cause)}`;
    return failedAttempt(
      new RunnerError(message, { code: "step-failed", cause }),
    );
  }
}

/**
 * Checks whether a failed step is retried.
 *
 * @param attempt Number of the failed attempt, from 1.
 * @param exitCode Exit code of the failed attempt.
 */
function shouldRetry(
  retry: RetryConfig | undefined,
  attempt: number,
  exitCode: number | null,
): boolean {
  if (retry === undefined || attempt >= retry.attempts) return false;
  const { exitCodes } = retry;
  return exitCodes === undefined ||
    (exitCode !== null && exitCodes.includes(exitCode));
}

/** Exit code that means "nothing to do" for steps with `neutralExit`. */
const NEUTRAL_EXIT_CODE = 78;

/**
 * Runs one attempt at a command step.
 *
 * @returns How the attempt ended.
 */
async function attemptCommand(
  command: StepCommand,
  context: AttemptContext,
): Promise<AttemptEnd> {
  const { definition, name, env, outputPath } = context;
  const { timeoutMs } = definition;
  const end = await waitForCommand(
    runStepCommand(command, context, {
      env: { ...env, [Variable.output]: outputPath },
    }),
    { subject: `Step "${name}"`, timeoutMs },
  );
  if (definition.neutralExit && end.exitCode === NEUTRAL_EXIT_CODE) {
    return {
      ...end,
      outcome: "neutral",
      error: undefined,
      endJob: `step "${name}" found nothing to do`,
    };
  }
  let value: CommandOutputs;
  try {
    value = await context.readOutputs({ haveEnded: true });
  } catch (cause) {
    // Fail the step: its dependents must not run without their inputs.
    return end.error ? end : {
      outcome: "failed",
      exitCode: 1,
      signal: null,
      error: new RunnerError(
        `Cannot read the outputs of step "${name}": ${messageOf(cause)}`,
        { code: "step-failed", cause },
      ),
    };
  }
  return { ...end, value };
}
