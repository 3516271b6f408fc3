import type { ChildEnvironment } from "../../environment/child_environment.ts";
import type { RunnerError } from "../../errors.ts";
import type { StepLog } from "../../output/job_log.ts";
import type { Cancellation } from "../../process/cancellation.ts";
import type { ProtectedPaths } from "../../process/namespace.ts";
import type { Masker } from "../../secrets/masker.ts";
import type { TemporaryPlace } from "../../workspace/temporary.ts";
import type { NeedState, Step } from "../step.ts";
import type { StepStatus } from "../job_result.ts";

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
