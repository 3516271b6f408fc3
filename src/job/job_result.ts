import type { PluginMetric, PluginTiming } from "../plugins/run_phase.ts";
import type { Trigger } from "../triggers/trigger.ts";

/** How a job ended. */
export type JobStatus = "success" | "failed" | "cancelled" | "timeout";

/** How a step ended: `skipped` never ran, `neutral` found nothing to do. */
export type StepStatus = JobStatus | "skipped" | "neutral";

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
  /** When the step was started first, `null` for a step that never ran. */
  readonly startedAt: Date | null;
  /** How long it took, in milliseconds. */
  readonly durationMs: number;
  /** Why it ended as it did, if there is more to say than its exit code. */
  readonly reason?: string;
}

/** What running a job gave. */
export interface JobResult {
  /** How the job ended. */
  readonly status: JobStatus;
  /**
   * Exit code of the job: that of its command, 128+N after signal N, 124 for
   * the time limit, 143 after SIGTERM, 130 after SIGINT, 131 after SIGQUIT, 129
   * after SIGHUP, and 1 when something around the command failed.
   */
  readonly exitCode: number;
  /** Its steps, in the order in which they were defined. */
  readonly steps: readonly StepResult[];
  /** Follow-up jobs that were handed over. */
  readonly triggers: readonly Trigger[];
  /** Id of the trace to which the job belongs: 32 hexadecimal digits. */
  readonly traceId: string;
  /** How long the whole job took, in milliseconds. */
  readonly durationMs: number;
  /** What went wrong first, `undefined` when nothing did. */
  readonly error: Error | undefined;
  /** What went wrong besides, while the job was being ended. */
  readonly laterErrors: readonly Error[];
  /** How long each plugin took in each phase. */
  readonly hooks: readonly PluginTiming[];
  /** Numbers that plugins recorded. */
  readonly metrics: readonly PluginMetric[];
}
