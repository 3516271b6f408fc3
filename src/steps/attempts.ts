import type { RetryConfig } from "../config/step_config.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import { messageOf, RunnerError } from "../errors.ts";
import type { StepLog } from "../output/job_log.ts";
import type { Cancellation } from "../process/cancellation.ts";
import type { ProtectedPaths } from "../process/namespace.ts";
import { isAbortedWithin, retryDelay } from "../process/retry.ts";
import type { Masker } from "../secrets/masker.ts";
import type { TemporaryPlace } from "../workspace/temporary.ts";
import { attemptCommand, attemptFunction } from "./run_step.ts";
import type { NeedState, Step, StepEvent, StepStatus } from "./step.ts";

/** Files of one attempt of a step. */
export interface AttemptFiles {
  /** Absolute path of the file to which commands write their outputs. */
  readonly outputPath: string;
  /** Where a script can be that is too long for an argument. */
  readonly temporaryPlace: TemporaryPlace;
  /** What the step must not change or see, if it is untrusted. */
  readonly protectedPaths: ProtectedPaths;
}

/** Everything that one attempt of a step needs. */
export interface AttemptContext extends AttemptFiles {
  /** Name of the step. */
  name: string;
  /** What the definition of the step says. */
  definition: Step;
  /** Number of the attempt, from 1. */
  attempt: number;
  /** Absolute path of the directory in which commands run. */
  cwd: string;
  /** Absolute path of the directory of the job's artifacts. */
  artifactsPath: string;
  /** The whole environment of commands. */
  env: ChildEnvironment;
  /** What the steps that it depends on gave, by their definitions' names. */
  needOutputs: Readonly<Record<string, unknown>>;
  /** How the steps that it depends on ended. */
  needs: Readonly<Record<string, NeedState>>;
  /** Where the output goes. */
  log: StepLog;
  /** Takes the secrets out. */
  masker: Masker;
  /** Whether standard error joins standard output. */
  stderr: "merged" | "separate";
  /** Whether the runner is in a container for this job. */
  isInContainer: boolean;
  /** Hears what the system does not allow. */
  onWarning: (message: string) => void;
  /** Time between the ending signal and SIGKILL, in milliseconds. */
  graceMs: number;
  /** Declares that a function of the job runs, until the result is disposed of. */
  enterFunction: () => Disposable | undefined;
  /** The wish that the step ends. */
  cancellation: Cancellation;
}

/** How one attempt of a step ended. */
export interface AttemptEnd {
  /** What the step did. */
  readonly outcome: StepStatus;
  /** Exit code as a shell counts it. */
  readonly exitCode: number;
  /** Signal that ended it. */
  readonly signal: Deno.Signal | null;
  /** Why it did not succeed. */
  readonly error?: RunnerError;
  /** What it gave to those that depend on it. */
  readonly value?: unknown;
  /** Why the whole job ends early and well, if it does. */
  readonly endJob?: string;
}

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

/**
 * Tells whether a step that failed is tried again.
 *
 * @param retry How the step is tried again.
 * @param attempt Number of the attempt that failed, from 1.
 * @param exitCode Its exit code.
 * @returns Whether there is another attempt.
 */
export function isTriedAgain(
  retry: RetryConfig | undefined,
  attempt: number,
  exitCode: number | null,
): boolean {
  if (retry === undefined || attempt >= retry.attempts) return false;
  const { exitCodes } = retry;
  return exitCodes === undefined ||
    (exitCode !== null && exitCodes.includes(exitCode));
}
