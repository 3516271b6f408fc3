import type { StepResult } from "./job_result.ts";

/** Something that a person who watches a job wants to see at once. */
export type StepEvent =
  /** The graph is right; these steps are part of the job, in their order. */
  | {
    readonly type: "planned";
    readonly steps: readonly PlannedStepInfo[];
  }
  /** An attempt begins. */
  | {
    readonly type: "started";
    readonly step: string;
    /** Number of the attempt, from 1. */
    readonly attempt: number;
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
  /** Steps for which it waits. */
  readonly dependsOn: readonly string[];
}
