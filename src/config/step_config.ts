import type { Condition } from "../schema/condition.ts";

/** How a step is tried again. */
export interface RetryConfig {
  /** Maximum number of attempts, including the first. */
  readonly attempts: number;
  /**
   * Delay before the second attempt, in milliseconds.
   *
   * @default {1_000}
   */
  readonly delayMs?: number;
  /**
   * Factor by which the delay grows with each attempt.
   *
   * @default {2}
   */
  readonly factor?: number;
  /**
   * Maximum delay between two attempts, in milliseconds.
   *
   * @default {60_000}
   */
  readonly maxDelayMs?: number;
  /**
   * Maximum share of the delay that is subtracted at random, from 0 to 1, so that jobs
   * that failed together do not come back together.
   *
   * @default {0.5}
   */
  readonly jitter?: number;
  /**
   * Exit codes after which the step is tried again; 124 is the time limit.
   *
   * @default {every one but 0}
   */
  readonly exitCodes?: readonly number[];
}

/** Values of a step's variables, combined with each other. */
export interface MatrixConfig {
  /** Variables and their values; every combination is a step. */
  readonly axes: Readonly<Record<string, readonly string[]>>;
  /** Combinations that are added, or that add variables to those they match. */
  readonly include?: readonly Readonly<Record<string, string>>[];
  /** Combinations to leave out: those that match all of the given values. */
  readonly exclude?: readonly Readonly<Record<string, string>>[];
}

/** What can be said of a step besides its name and what it runs. */
export interface StepSettings {
  /** Steps that must end before this one starts. */
  readonly dependsOn?: readonly string[];
  /**
   * Condition for running the step, checked when its dependencies have ended.
   *
   * @default {"all_success"}
   */
  readonly condition?: Condition;
  /** Variables of the step; they override those of the job. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Where the step runs: a path below `/job`, or one relative to where the
   * job runs.
   *
   * @default {where the job runs}
   */
  readonly workingDir?: string;
  /**
   * Program, and arguments, that get the text of the command as their last
   * argument. A program alone gets `-c` before it.
   *
   * @default {["/bin/sh", "-c"]}
   */
  readonly shell?: readonly string[];
  /**
   * Maximum time one attempt may take, in milliseconds.
   *
   * @default {no limit}
   */
  readonly timeoutMs?: number;
  /**
   * How the step is tried again.
   *
   * @default {not at all}
   */
  readonly retry?: RetryConfig;
  /**
   * Whether the job goes on as if the step had succeeded when it failed.
   *
   * @default {false}
   */
  readonly continueOnError?: boolean;
  /**
   * Whether the job fails when the step does.
   *
   * @default {true}
   */
  readonly required?: boolean;
  /** Runs the step once for each item. */
  readonly forEach?: readonly string[];
  /**
   * Variable that holds the item.
   *
   * @default {"ITEM"}
   */
  readonly itemVar?: string;
  /** Runs the step once for each combination of values. */
  readonly matrix?: MatrixConfig;
  /**
   * Whether exit code 78 ends the whole job early, as neither success nor
   * failure of the step: there was nothing to do.
   *
   * @default {false}
   */
  readonly neutralExit?: boolean;
  /**
   * Variables of the runner's own environment that the step gets: all, none,
   * or those named.
   *
   * @default {what the job inherits}
   */
  readonly inheritEnv?: boolean | readonly string[];
  /**
   * Whether the step runs code that is not trusted. It inherits an allowlist of
   * variables, and those of the runner and of the job that its own
   * {@linkcode inheritEnv} names. It gets no known secret and no socket at which
   * secrets are registered.
   *
   * @default {false}
   */
  readonly untrusted?: boolean;
}

/** A step as a job file describes it. */
export interface StepConfig extends StepSettings {
  /** Name of the step, unique in its job. */
  readonly name: string;
  /** Text for the shell, or a program and its arguments. */
  readonly run: string | readonly string[];
}

/** What happens to the other steps when a required one has failed. */
export type FailurePolicy = "finish" | "continue" | "kill";

/** Maximum length of a name of a step, in characters. */
export const MAX_STEP_NAME_LENGTH = 100;

/**
 * What the name of a step must match, besides its length: names stand in lists
 * that commas separate, in names of files, and on the command line.
 */
export const STEP_NAME: RegExp = /^(?![-.\s])[^/,\p{Cc}]*[^/,\s\p{Cc}]$/u;

/**
 * Returns what is wrong with the name of a step.
 *
 * @param name Name.
 * @returns The problem, worded to follow the name of the value; `undefined` if
 * there is none.
 */
export function stepNameProblem(name: string): string | undefined {
  if (name === "") return "must not be empty";
  if ([...name].length > MAX_STEP_NAME_LENGTH) {
    return `must have at most ${MAX_STEP_NAME_LENGTH} characters`;
  }
  if (STEP_NAME.test(name)) return undefined;
  return 'must not hold "/", "," or control characters, start with "-" or ".", or have a space at either end';
}
