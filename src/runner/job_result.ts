import type { JobStatus, StepResult } from "../steps/step.ts";
import type { PluginMetric, PluginTiming } from "../plugins/run_phase.ts";
import type { Trigger } from "../triggers/trigger_options.ts";

/** Result of a job. */
export interface JobResult {
  /** How the job ended. */
  readonly status: JobStatus;
  /**
   * Exit code of the job: the exit code of its command, 128+N if signal N ended
   * the command, 124 after a timeout, and 1 if something other than the command
   * failed. A job that is cancelled by a signal has 143 for SIGTERM, 130 for
   * SIGINT, 131 for SIGQUIT, and 129 for SIGHUP.
   */
  readonly exitCode: number;
  /** Results of the steps, in the order of their definitions. */
  readonly steps: readonly StepResult[];
  /** Follow-up jobs that were submitted or written to a file. */
  readonly triggers: readonly Trigger[];
  /** Id of the trace that contains the job: 32 hexadecimal digits. */
  readonly traceId: string;
  /** Duration of the whole job, in milliseconds. */
  readonly durationMs: number;
  /** First error; `undefined` if there was none. */
  readonly error: Error | undefined;
  /** Errors after the first one, while the job was ending. */
  readonly laterErrors: readonly Error[];
  /** Duration of each plugin in each phase. */
  readonly hooks: readonly PluginTiming[];
  /** Metrics that plugins recorded. */
  readonly metrics: readonly PluginMetric[];
}
