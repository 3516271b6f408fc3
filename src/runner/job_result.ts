import type { JobStatus, StepResult } from "../steps/step.ts";
import type { PluginMetric, PluginTiming } from "../plugins/run_phase.ts";
import type { Trigger } from "../triggers/trigger.ts";

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
  /** Follow-up jobs that were submitted, or written to a file. */
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
