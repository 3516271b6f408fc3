import type { RetryConfig } from "../config/step_config.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import { Variable } from "../environment/variables.ts";
import { messageOf, RunnerError } from "../errors.ts";
import type { StepLog } from "../output/job_log.ts";
import { Cancellation, onAbort } from "../process/cancellation.ts";
import { TIMEOUT_EXIT_CODE } from "../process/spawn.ts";
import type { UsageMeter } from "../process/usage.ts";
import { retryDelay } from "../process/retry.ts";
import { pause, settlesWithin, timeLimit } from "../process/time_limit.ts";
import type { Masker } from "../secrets/masker.ts";
import type { AttemptFiles } from "./attempt_files.ts";
import { readOutputs } from "./output_files.ts";
import {
  commandEnd,
  runCommand,
  type RunCommandOptions,
} from "./run_command.ts";
import type {
  AttemptResult,
  CommandOutputs,
  NeedState,
  Step,
  StepCommand,
  StepContext,
  StepEvent,
  StepFunction,
  StepStatus,
} from "./step.ts";
import {
  type EndedCommand,
  OutputCollector,
  runningCommand,
  templateCommand,
} from "./step_command.ts";

/** Context of an attempt at a step. */
export interface AttemptContext
  extends AttemptFiles, Pick<RunCommandOptions, "onStart"> {
  /** Name of the step. */
  name: string;
  /** Definition of the step. */
  definition: Step;
  /** Number of the attempt, from 1. */
  attempt: number;
  /** Absolute path of the working directory of commands. */
  cwd: string;
  /** Absolute path of the job's artifacts directory. */
  artifactsPath: string;
  /** Complete environment of commands. */
  env: ChildEnvironment;
  /** Outputs of the dependencies, by name of the definition. */
  needOutputs: Readonly<Record<string, unknown>>;
  /** Results of the dependencies, by name. */
  needs: Readonly<Record<string, NeedState>>;
  /** Log of the step. */
  log: StepLog;
  /** Masker of the job. */
  masker: Masker;
  /** Masks a value from now on; functions can call it. */
  registerSecret: (value: string) => boolean;
  /** Whether standard error is merged into standard output. */
  stderr: "merged" | "separate";
  /** Whether the runner runs in a container that exists only for this job. */
  isInContainer: boolean;
  /** Called with warnings about isolation that the system does not support. */
  onWarning: (message: string) => void;
  /** Time between the termination signal and SIGKILL, in milliseconds. */
  graceMs: number;
  /** Marks a function of the job as running until the result is disposed. */
  enterFunction: () => Disposable | undefined;
  /** Returns the `TRACEPARENT` for children of a span; unset if not exported. */
  parentOf?: (spanId: string) => string;
  /** Cancellation of the step. */
  cancellation: Cancellation;
  /** Measures the resource usage of commands; unset if it is not needed. */
  meter?: UsageMeter;
}

/** How an attempt at a step ended. */
export interface AttemptEnd {
  /** Outcome of the attempt. */
  readonly outcome: StepStatus;
  /** Exit code; 128+N after signal N, as in a shell. */
  readonly exitCode: number;
  /** Signal that ended the attempt, or `null`. */
  readonly signal: Deno.Signal | null;
  /** Error of the attempt, if it did not succeed. */
  readonly error?: RunnerError;
  /** Outputs for dependent steps. */
  readonly value?: unknown;
  /** If set, the job ends early and successfully for this reason. */
  readonly endJob?: string;
}

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

/** How a step ended: the end of its last attempt, and all attempts. */
export interface StepEnd extends AttemptEnd {
  /** Results of the attempts, in order. */
  readonly attemptResults: readonly AttemptResult[];
}

/**
 * Runs a step and retries it as its definition allows.
 *
 * @param context Context of the attempts.
 * @param options Additional options.
 * @returns How the last attempt ended.
 */
export async function runAttempts(
  context: Omit<AttemptContext, "attempt" | keyof AttemptFiles>,
  options: RunAttemptsOptions,
): Promise<StepEnd> {
  const { name, definition: { retry }, cancellation, parentOf } = context;
  const { onEvent, openAttempt, beforeAttempt } = options;
  const attemptResults: AttemptResult[] = [];
  for (let attempt = 1;; attempt++) {
    const spanId = crypto.getRandomValues(new Uint8Array(8)).toHex();
    onEvent({ type: "started", step: name, attempt, spanId });
    await beforeAttempt?.();
    // Programs of the attempt become children of its span.
    const env = parentOf === undefined || !context.env[Variable.traceParent]
      ? context.env
      : { ...context.env, [Variable.traceParent]: parentOf(spanId) };
    const startedAt = new Date();
    const start = performance.now();
    using measured = context.meter?.open();
    const end = await attemptOnce(
      { ...context, env, attempt, onStart: measured?.add },
      openAttempt,
    );
    const last: AttemptResult = {
      number: attempt,
      startedAt,
      durationMs: performance.now() - start,
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
    const delayMs = retryDelay(retry, attempt, Math.random());
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
    await pause(delayMs, cancellation.graceful);
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
    if (cause instanceof RunnerError) return failed(cause);
    const message = `Cannot run step "${name}": ${messageOf(cause)}`;
    return failed(new RunnerError(message, { code: "step-failed", cause }));
  }
}

/**
 * Checks whether a failed step is retried.
 *
 * @param retry Retry policy of the step.
 * @param attempt Number of the failed attempt, from 1.
 * @param exitCode Exit code of the failed attempt.
 */
export function shouldRetry(
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
 * @param command The command.
 * @param context Context of the attempt.
 * @returns How the attempt ended.
 */
export async function attemptCommand(
  command: StepCommand,
  context: AttemptContext,
): Promise<AttemptEnd> {
  const { definition, name, env, outputPath } = context;
  const { timeoutMs } = definition;
  const end = await commandEnd(
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
    value = await readOutputs(outputPath);
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

/**
 * Runs a command in the working directory of a step and writes to its log.
 *
 * @param command The command.
 * @param context Context of the attempt.
 * @param overrides Options that override those of the context.
 * @returns How the command ended.
 */
export function runStepCommand(
  command: StepCommand,
  context: AttemptContext,
  overrides: Partial<Pick<RunCommandOptions, "env" | "onOutput">> = {},
): ReturnType<typeof runCommand> {
  const { definition, log } = context;
  return runCommand(command, {
    ...context,
    ...overrides,
    shell: definition.shell,
    stopsOnError: true,
    isUntrusted: definition.untrusted,
    areLimitsRequired: definition.permissions !== undefined,
    timeoutMs: definition.timeoutMs,
    stdout: log.stdout,
    stderrSink: log.stderr,
  });
}

/**
 * Runs one attempt at a function step.
 *
 * A function cannot be killed. Instead, its signal is aborted, its commands are
 * terminated, and the runner stops waiting for it after the grace period.
 *
 * @param run The function.
 * @param context Context of the attempt.
 * @returns How the attempt ended.
 */
export async function attemptFunction(
  run: StepFunction<unknown, unknown>,
  context: AttemptContext,
): Promise<AttemptEnd> {
  const { name, cancellation, graceMs, definition: { timeoutMs } } = context;
  // Commands of the function are cancelled when the step ends for any reason.
  const ending = new Cancellation();
  using _graceful = onAbort(
    cancellation.graceful,
    () => ending.cancel(cancellation.signal!),
  );
  using _forced = onAbort(cancellation.forced, () => {
    ending.cancel("SIGTERM");
    ending.cancel("SIGTERM");
  });
  let endJob: string | undefined;
  const stepContext = contextOf(
    { ...context, cancellation: ending },
    (reason) => endJob = reason,
  );
  const entered = context.enterFunction();
  const value = Promise.try(run, stepContext)
    .finally(() => entered?.[Symbol.dispose]());
  const cause = await firstCause(value, context);
  if (cause !== "over") {
    ending.cancel("SIGTERM");
    const forced = Promise.withResolvers<void>();
    using _ = onAbort(ending.forced, forced.resolve);
    await settlesWithin(Promise.race([value, forced.promise]), graceMs);
  }
  if (cause === "cancelled") {
    return { outcome: "cancelled", exitCode: 1, signal: null };
  }
  if (cause === "timeout") {
    const error = new RunnerError(
      `Step "${name}" exceeded its time limit of ${timeoutMs} ms`,
      { code: "command-timeout", exitCode: TIMEOUT_EXIT_CODE },
    );
    const exitCode = TIMEOUT_EXIT_CODE;
    return { outcome: "timeout", exitCode, signal: null, error };
  }
  return await value.then(
    (value) => ({
      outcome: endJob === undefined ? "success" : "neutral",
      exitCode: 0,
      signal: null,
      value,
      ...endJob === undefined ? {} : { endJob },
    }),
    (cause) => thrown(name, cause),
  );
}

async function firstCause(
  value: Promise<unknown>,
  { definition, cancellation }: AttemptContext,
): Promise<"over" | "cancelled" | "timeout"> {
  const { timeoutMs } = definition;
  using limit = timeoutMs === undefined ? undefined : timeLimit(timeoutMs);
  const { promise, resolve } = Promise.withResolvers<
    "over" | "cancelled" | "timeout"
  >();
  value.then(() => resolve("over"), () => resolve("over"));
  using _ = onAbort(cancellation.graceful, () => resolve("cancelled"));
  limit?.reached.then(() => resolve("timeout"));
  return await promise;
}

function contextOf(
  context: AttemptContext,
  endJob: (reason: string) => void,
): StepContext<unknown> {
  const { name, attempt, env, masker, log, cancellation } = context;
  const encoder = new TextEncoder();
  return {
    name,
    attempt,
    outputs: context.needOutputs,
    needs: context.needs,
    env,
    workingDir: context.cwd,
    artifactsDir: context.artifactsPath,
    signal: cancellation.graceful,
    print: (text) =>
      log.stdout.write(encoder.encode(`${masker.maskText(text)}\n`)),
    run: (command) => runningCommand(runAndCollect(command, context)),
    $: (parts, ...values) =>
      runningCommand(
        runAndCollect(templateCommand(parts, values), {
          ...context,
          definition: { ...context.definition, shell: undefined },
        }),
      ),
    registerSecret: context.registerSecret,
    endJob,
  };
}

async function runAndCollect(
  command: StepCommand,
  context: AttemptContext,
): Promise<EndedCommand> {
  const stdout = new OutputCollector();
  const stderr = new OutputCollector();
  const exit = runStepCommand(command, context, {
    onOutput: { stdout: stdout.add, stderr: stderr.add },
  });
  const { exitCode, error } = await commandEnd(exit, {
    subject: `A command of step "${context.name}"`,
    timeoutMs: context.definition.timeoutMs,
  });
  context.cancellation.graceful.throwIfAborted();
  return {
    result: {
      stdout: stdout.end(),
      stderr: stderr.end(),
      exitCode,
      isTruncated: stdout.isTruncated || stderr.isTruncated,
    },
    error,
  };
}

function thrown(name: string, cause: unknown): AttemptEnd {
  if (cause instanceof RunnerError && cause.code.startsWith("command-")) {
    return failed(cause);
  }
  const message = `Step "${name}" threw: ${messageOf(cause)}`;
  return failed(new RunnerError(message, { code: "step-failed", cause }));
}

function failed(error: RunnerError): AttemptEnd {
  const { exitCode } = error;
  return { outcome: "failed", exitCode, signal: null, error };
}
