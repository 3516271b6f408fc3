import type { CacheUseRecord } from "../config/step_cache_config.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import type { RunnerError } from "../errors.ts";
import type { StepLog } from "../output/job_log.ts";
import type { Cancellation } from "../process/cancellation.ts";
import type { UsageMeter } from "../process/usage.ts";
import type { Masker } from "../secrets/masker.ts";
import type { AttemptFiles } from "./attempt_files.ts";
import type { JobSystem } from "./job_system.ts";
import { runCommand, type RunCommandOptions } from "./run_command.ts";
import type {
  AttemptResult,
  NeedState,
  Step,
  StepCommand,
  StepStatus,
} from "./step.ts";

/**
 * Time for which processes may hold the pipe of a service that has exited, in
 * milliseconds.
 */
const SERVICE_DRAIN_MS = 200;

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
  /** Programs, time and chance. */
  system: JobSystem;
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
  /** Whether it was killed because it did not end within its grace time. */
  readonly wasKilled?: boolean;
}

/** How a step ended: the end of its last attempt, and all attempts. */
export interface StepEnd extends AttemptEnd {
  /** Results of the attempts, in order. */
  readonly attemptResults: readonly AttemptResult[];
  /** Last lines of a service that has failed, masked. */
  readonly lastLines?: readonly string[];
  /** Note about the end of a successful step. */
  readonly note?: string;
  /** Whether it did not run, because its result was in the cache. */
  readonly cached?: boolean;
  /** Results of restoring and saving the step's directories. */
  readonly caches?: readonly CacheUseRecord[];
}

/** End of a step that was cancelled before it started. */
export const CANCELLED_END: StepEnd = {
  outcome: "cancelled",
  exitCode: 1,
  signal: null,
  attemptResults: [],
};

/**
 * Changes the outcome of a step, and of its last attempt.
 *
 * @param outcome The outcome that counts.
 */
export function withOutcome(
  end: StepEnd,
  outcome: StepEnd["outcome"],
): StepEnd {
  const last = end.attemptResults.at(-1);
  return {
    ...end,
    outcome,
    attemptResults: last === undefined
      ? end.attemptResults
      : end.attemptResults.with(-1, { ...last, outcome }),
  };
}

/** Returns the end of an attempt that failed with an error. */
export function failedAttempt(error: RunnerError): AttemptEnd {
  const { exitCode } = error;
  return { outcome: "failed", exitCode, signal: null, error };
}

/**
 * Runs a command in the working directory of a step and writes to its log.
 *
 * @param overrides Options that override those of the context.
 * @returns How the command ended.
 */
export function runStepCommand(
  command: StepCommand,
  context: AttemptContext,
  overrides: Partial<Pick<RunCommandOptions, "env" | "onOutput">> = {},
): ReturnType<typeof runCommand> {
  const { definition, log, system } = context;
  return runCommand(command, {
    start: system.spawn,
    clock: system.clock,
    ...context,
    ...overrides,
    shell: definition.shell,
    stopsOnError: true,
    isUntrusted: definition.untrusted && system.startsPrograms,
    areLimitsRequired: definition.permissions !== undefined,
    timeoutMs: definition.timeoutMs,
    // Steps that need a service must learn immediately that it has exited.
    ...definition.service ? { drainMs: SERVICE_DRAIN_MS } : {},
    stdout: log.stdout,
    stderrSink: log.stderr,
  });
}
