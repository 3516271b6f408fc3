import type { StepSettings } from "../config/step_config.ts";
import type { Condition } from "../schema/scalars.ts";
import type { EventFacts } from "../schema/when.ts";
import type { CommandArgument, RunningCommand } from "./running_command.ts";

/** How a job ended. */
export type JobStatus = "success" | "failed" | "cancelled" | "timeout";

/** How a step ended: `skipped` did not run, `neutral` had nothing to do. */
export type StepStatus = JobStatus | "skipped" | "neutral";

/** How one attempt at a step ended. */
export interface AttemptResult {
  /** Number of the attempt, from 1. */
  readonly number: number;
  /** Start of the attempt. */
  readonly startedAt: Date;
  /** Duration of the attempt, in milliseconds. */
  readonly durationMs: number;
  /** How the attempt ended. */
  readonly outcome: StepStatus;
  /** Exit code; 128+N after signal N, as in a shell. */
  readonly exitCode: number;
  /** Signal that ended the attempt, or `null` if it exited on its own. */
  readonly signal: Deno.Signal | null;
  /** Why the attempt failed; unset if the exit code is reason enough. */
  readonly reason?: string;
  /**
   * Peak resident memory of its processes, in bytes; on Linux, sampled a few
   * times a second.
   */
  readonly peakMemoryBytes?: number;
  /** CPU time of its processes in milliseconds, measured in the same way. */
  readonly cpuMs?: number;
}

/** How one step of a job ended. */
export interface StepResult {
  /** Name of the step. */
  readonly name: string;
  /** How the step ended, before `continueOnError` is applied. */
  readonly outcome: StepStatus;
  /** How the job counts the step, after `continueOnError` is applied. */
  readonly conclusion: StepStatus;
  /**
   * Exit code; 128+N after signal N, 124 after the time limit, `null` if the
   * step did not run.
   */
  readonly exitCode: number | null;
  /** Signal that ended the step, or `null` if it exited on its own. */
  readonly signal: Deno.Signal | null;
  /** Number of attempts. */
  readonly attempts: number;
  /** Results of the attempts, in order. */
  readonly attemptResults: readonly AttemptResult[];
  /** Start of the first attempt, or `null` if the step did not run. */
  readonly startedAt: Date | null;
  /** Duration of all attempts and the delays between them, in milliseconds. */
  readonly durationMs: number;
  /**
   * Why the step failed, was skipped or ended the job early; unset if the exit
   * code is reason enough.
   */
  readonly reason?: string;
  /** Whether the step did not run, because its result was in the cache. */
  readonly cached?: boolean;
}

/** Command of a step: a shell command, or a program and its arguments. */
export type StepCommand = string | readonly string[];

/** Outputs that a command wrote to the file in `REACTORCIDE_OUTPUT`, by key. */
export type CommandOutputs = Readonly<Record<string, string>>;

/** Function that a step calls. Its return value is the output of the step. */
export type StepFunction<Value, Outputs> = (
  context: StepContext<Outputs>,
) => Value | Promise<Value>;

/** How a dependency of a step ended. */
export interface NeedState {
  /** How the step ended, before `continueOnError` is applied. */
  readonly outcome: StepStatus;
  /** How the job counts the step, after `continueOnError` is applied. */
  readonly conclusion: StepStatus;
  /** Exit code, or `null` if the step did not run. */
  readonly exitCode: number | null;
}

/** Context of a condition function. */
export interface ConditionContext {
  /** How the dependencies of the step ended, by name. */
  readonly needs: Readonly<Record<string, NeedState>>;
  /** Whether a required step of the job has failed. */
  readonly hasFailed: boolean;
  /** Facts about the event that started the job. */
  readonly facts: EventFacts;
  /** Variables of the step, without outputs of other steps. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether the job is being cancelled, or has exceeded its time limit. */
  readonly isCancelled: boolean;
}

/** Context of a function step. */
export interface StepContext<Outputs = Readonly<Record<string, unknown>>> {
  /** Name of the step. */
  readonly name: string;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  /**
   * Outputs of the dependencies, by name: the return value of a function, or
   * the outputs that a command wrote. A step with items or a matrix has a list.
   */
  readonly outputs: Outputs;
  /** How the dependencies of the step ended, by name. */
  readonly needs: Readonly<Record<string, NeedState>>;
  /** Environment of the step's commands. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the working directory of the step's commands. */
  readonly workingDir: string;
  /** Absolute path of the job's artifacts directory. */
  readonly artifactsDir: string;
  /** Aborted when the step is cancelled or exceeds its time limit. */
  readonly signal: AbortSignal;
  /**
   * Prints a line to the log of the step, with secrets masked.
   *
   * @param text Text without a trailing newline.
   */
  print(text: string): Promise<void>;
  /**
   * Runs a command in the step's working directory and environment. The log of
   * the step gets its output with secrets masked; the result contains the exact
   * output.
   *
   * @param command Shell command, or a program and its arguments.
   * @returns The running command.
   * @throws {RunnerError} `command-failed` if the exit code is not 0. The step
   * fails with that code unless the function catches the error.
   */
  run(command: StepCommand): RunningCommand;
  /**
   * Runs a shell command from a template, and quotes each value as one word:
   * `` await $`git log ${ref}` ``. Do not quote values yourself. The shell is
   * always `/bin/sh`, even if the step sets another one.
   *
   * @param parts Literal parts of the template.
   * @param values Strings, numbers, arrays of these, or results of commands.
   * @returns The running command.
   * @throws {TypeError} For any other value.
   */
  $(
    parts: TemplateStringsArray,
    ...values: readonly CommandArgument[]
  ): RunningCommand;
  /**
   * Masks a value in all output from now on.
   *
   * @param value The secret.
   * @returns Whether the value is masked; values under 3 bytes are not.
   */
  registerSecret(value: string): boolean;
  /**
   * Ends the job early and successfully, once the function has returned. Steps
   * that have not started are skipped, except those with condition `always`.
   *
   * @param reason Why there is nothing left to do.
   */
  endJob(reason: string): void;
}

/** Options for {@linkcode Job.addStep}. */
export interface StepOptions<Needs extends string = string>
  extends Omit<StepSettings, "dependsOn" | "condition"> {
  /** Steps that must end before this one starts. */
  readonly dependsOn?: readonly Needs[];
  /**
   * Condition for running the step, evaluated when its dependencies have ended.
   *
   * @default {"all_success"}
   */
  readonly condition?: Condition | ((context: ConditionContext) => boolean);
}

/** Options for {@linkcode Job.addService}. */
export type ServiceOptions<Needs extends string = string> = Omit<
  StepOptions<Needs>,
  | "service"
  | "background"
  | "retry"
  | "timeoutMs"
  | "forEach"
  | "itemVar"
  | "matrix"
  | "maxParallel"
  | "failFast"
  | "continueOnError"
  | "required"
  | "neutralExit"
  | "cache"
  | "usesCache"
>;

/** Definition of a step of a job. */
export interface Step extends StepOptions {
  /** Name of the step, unique in its job. */
  readonly name: string;
  /** Command or function that the step runs. */
  // deno-lint-ignore no-explicit-any
  readonly run: StepCommand | StepFunction<any, any>;
}

/** Event that reports the progress of a job's steps as it happens. */
export type StepEvent =
  /** The graph is valid; these are the steps of the job, in order. */
  | {
    readonly type: "planned";
    readonly steps: readonly PlannedStepInfo[];
  }
  /** The dependencies of a step have ended; the step waits for a free slot. */
  | { readonly type: "queued"; readonly step: string }
  /** An attempt starts. */
  | {
    readonly type: "started";
    readonly step: string;
    /** Number of the attempt, from 1. */
    readonly attempt: number;
    /** Trace span ID of the attempt: 16 hexadecimal digits. */
    readonly spanId: string;
  }
  /** An attempt failed and will be retried after a delay. */
  | {
    readonly type: "retrying";
    readonly step: string;
    /** Number of the next attempt. */
    readonly attempt: number;
    /** Delay before the next attempt, in milliseconds. */
    readonly delayMs: number;
    /** Why the last attempt failed. */
    readonly reason: string;
    /** Result of the last attempt. */
    readonly last: AttemptResult;
  }
  /** A running step updates a line with a carriage return, as progress bars do. */
  | {
    readonly type: "progress";
    readonly step: string;
    /** Current content of the line as a terminal would show it, masked. */
    readonly text: string;
  }
  /** A service is ready: the steps that need it can start. */
  | {
    readonly type: "ready";
    readonly step: string;
    /** Time since its start, in milliseconds. */
    readonly durationMs: number;
  }
  /** A step has ended, or will not run. */
  | { readonly type: "ended"; readonly result: StepResult };

/** A step of a planned job. */
export interface PlannedStepInfo {
  /** Name of the step. */
  readonly name: string;
  /**
   * Name that other steps depend on: that of the definition, which all of its
   * items or combinations share.
   */
  readonly group: string;
  /** Groups that the step depends on. */
  readonly dependsOn: readonly string[];
  /** Whether the step is a service. */
  readonly isService?: boolean;
}
