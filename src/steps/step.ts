import type { StepSettings } from "../config/step_config.ts";
import type { Condition } from "../schema/condition.ts";
import type { EventFacts } from "../schema/when.ts";
import type { CommandArgument, RunningCommand } from "./step_command.ts";

/** How a job ended. */
export type JobStatus = "success" | "failed" | "cancelled" | "timeout";

/** How a step ended: `skipped` never ran, `neutral` found nothing to do. */
export type StepStatus = JobStatus | "skipped" | "neutral";

/** How one attempt at a step ended. */
export interface AttemptResult {
  /** Number of the attempt, from 1. */
  readonly number: number;
  /** When it started. */
  readonly startedAt: Date;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
  /** How it ended. */
  readonly outcome: StepStatus;
  /** Exit code as a shell counts it. */
  readonly exitCode: number;
  /** Signal that ended it, `null` when it ended by itself. */
  readonly signal: Deno.Signal | null;
  /** Why it did not succeed. */
  readonly reason?: string;
}

/** How one step of a job ended. */
export interface StepResult {
  /** Name of the step. */
  readonly name: string;
  /** What the step did by itself. */
  readonly outcome: StepStatus;
  /** What the job makes of it. */
  readonly conclusion: StepStatus;
  /**
   * Exit code as a shell counts it; 124 for a time limit, `null` for a step
   * that never ran.
   */
  readonly exitCode: number | null;
  /** Signal that ended the step, `null` when it ended by itself. */
  readonly signal: Deno.Signal | null;
  /** How often the step was started. */
  readonly attempts: number;
  /** How each attempt ended, in their order. */
  readonly attemptResults: readonly AttemptResult[];
  /** When the step was started first, `null` for a step that never ran. */
  readonly startedAt: Date | null;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
  /** Why it ended as it did, if there is more to say than its exit code. */
  readonly reason?: string;
}

/** A command of a step: text for its shell, or a program and its arguments. */
export type StepCommand = string | readonly string[];

/** What a command wrote to the file in `REACTORCIDE_OUTPUT`, by key. */
export type CommandOutputs = Readonly<Record<string, string>>;

/** A step that is a function of the pipeline script. */
export type StepFunction<Value, Outputs> = (
  context: StepContext<Outputs>,
) => Value | Promise<Value>;

/** How a step that another one waits for has ended. */
export interface NeedState {
  /** What the step did by itself. */
  readonly outcome: StepStatus;
  /** What the job makes of it. */
  readonly conclusion: StepStatus;
  /** Exit code, `null` for a step that never ran. */
  readonly exitCode: number | null;
}

/** What a condition that is a function can look at. */
export interface ConditionContext {
  /** How the steps that this one waits for have ended, by their names. */
  readonly needs: Readonly<Record<string, NeedState>>;
  /** Whether a required step of the job has failed. */
  readonly hasFailed: boolean;
  /** What is known about the event of the job, before any step ran. */
  readonly facts: EventFacts;
  /** Variables of the step, without outputs of other steps. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether the job is being cancelled, or ran into its time limit. */
  readonly isCancelled: boolean;
}

/** What a step that is a function gets. */
export interface StepContext<Outputs = Readonly<Record<string, unknown>>> {
  /** Name of the step. */
  readonly name: string;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  /**
   * What the steps that this one depends on have given: what a function
   * returned, or what a command wrote. A step that is many gives a list.
   */
  readonly outputs: Outputs;
  /** How the steps that this one depends on have ended. */
  readonly needs: Readonly<Record<string, NeedState>>;
  /** Variables that a command of the step gets. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute path of the directory in which a command of the step runs. */
  readonly workingDir: string;
  /** Absolute path of the directory of the job's artifacts. */
  readonly artifactsDir: string;
  /** Aborted when the step is to end: its time is over, or the job is cancelled. */
  readonly signal: AbortSignal;
  /**
   * Prints a line to the log of the step, with secrets masked.
   *
   * @param text Text, without a line break at its end.
   */
  print(text: string): Promise<void>;
  /**
   * Runs a command as part of the step, in its directory and environment. Its
   * masked output goes to the log of the step; the result has the exact output.
   *
   * @param command Text for the shell, or a program and its arguments.
   * @returns The running command.
   * @throws {RunnerError} `command-failed`, if it ends with another exit code
   * than 0; the step fails with that code, unless the function catches it.
   */
  run(command: StepCommand): RunningCommand;
  /**
   * Runs a shell command from a template, in which each value is one quoted
   * word: `` await $`git log ${ref}` ``. Do not quote the values again. The
   * shell is `/bin/sh`, whatever shell the step has.
   *
   * @param parts Literal parts of the template.
   * @param values Strings, numbers, lists of these, or results of commands.
   * @returns The running command.
   * @throws {TypeError} For any other value.
   */
  $(
    parts: TemplateStringsArray,
    ...values: readonly CommandArgument[]
  ): RunningCommand;
  /**
   * Has a value masked in everything that is printed from now on.
   *
   * @param value The secret.
   * @returns Whether it is masked; values of fewer than 3 bytes are not.
   */
  registerSecret(value: string): boolean;
  /**
   * Ends the job early and well, once the function has returned: what has not
   * been started is skipped, except for steps that run always.
   *
   * @param reason Why there is nothing to do.
   */
  endJob(reason: string): void;
}

/** Options for {@linkcode Job.addStep}. */
export interface StepOptions<Needs extends string = string>
  extends Omit<StepSettings, "dependsOn" | "condition"> {
  /** Steps that must end before this one starts. */
  readonly dependsOn?: readonly Needs[];
  /**
   * Condition for running the step, checked when its dependencies have ended.
   *
   * @default {"all_success"}
   */
  readonly condition?: Condition | ((context: ConditionContext) => boolean);
}

/** A step of a job, as its definition says. */
export interface Step extends StepOptions {
  /** Name of the step, unique in its job. */
  readonly name: string;
  /** What the step does. */
  // deno-lint-ignore no-explicit-any
  readonly run: StepCommand | StepFunction<any, any>;
}

/** Something that a person who watches a job wants to see at once. */
export type StepEvent =
  /** The graph is right; these steps are part of the job, in their order. */
  | {
    readonly type: "planned";
    readonly steps: readonly PlannedStepInfo[];
  }
  /** The dependencies of a step have ended, and it waits for a free slot. */
  | { readonly type: "queued"; readonly step: string }
  /** An attempt begins. */
  | {
    readonly type: "started";
    readonly step: string;
    /** Number of the attempt, from 1. */
    readonly attempt: number;
    /** Span of a trace that the attempt is: 16 hexadecimal digits. */
    readonly spanId: string;
  }
  /** An attempt failed, and another one follows after a while. */
  | {
    readonly type: "retrying";
    readonly step: string;
    /** Number of the attempt that comes. */
    readonly attempt: number;
    /** Time until it begins, in milliseconds. */
    readonly delayMs: number;
    /** Why the last one failed. */
    readonly reason: string;
    /** How the last one ended. */
    readonly last: AttemptResult;
  }
  /** A running step shows how far it is, by a carriage return; masked. */
  | {
    readonly type: "progress";
    readonly step: string;
    /** The line as a terminal would show it now. */
    readonly text: string;
  }
  /** A step is over, or will never run. */
  | { readonly type: "ended"; readonly result: StepResult };

/** A step that is part of a job. */
export interface PlannedStepInfo {
  /** Name of the step. */
  readonly name: string;
  /** Name by which others depend on it: that of its matrix, or its own. */
  readonly group: string;
  /** Groups for which it waits. */
  readonly dependsOn: readonly string[];
}
