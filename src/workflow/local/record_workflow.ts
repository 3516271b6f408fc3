import { type Environment, Variable } from "../../environment/variables.ts";
import { lstatIfThere } from "../../fs/files.ts";
import { absolutePath, isInside, shownPath } from "../../job_path.ts";
import { TAIL_LINES } from "../../output/log_tail.ts";
import { VERSION } from "../../package_version.ts";
import {
  ExportQueue,
  exportRun,
  reportActiveRun,
} from "../../report/export_otlp.ts";
import { maskEvent } from "../../report/event_schema.ts";
import { createRecord, readRecordFile } from "../../report/run_record.ts";
import { recordedTail, RecordWriter } from "../../report/record_writer.ts";
import {
  RECORD_FILE,
  RECORD_VERSION,
  RunRecorder,
} from "../../report/run_event.ts";
import {
  hasFailed,
  outcomeText,
  type SummaryStatus,
} from "../../report/step_outcome.ts";
import {
  exportedTrace,
  newSpanId,
  traceContext,
} from "../../runner/job_environment.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import { type LocalJob, localNodes } from "./local_job.ts";
import type { NodeStatus, WorkflowStatus } from "./node_states.ts";
import type { WorkflowJobResult } from "./run_workflow.ts";

/** Conclusion of a job by its status. */
export const CONCLUSIONS: Readonly<Record<NodeStatus, SummaryStatus>> = {
  pending: "skipped",
  waiting: "skipped",
  submitted: "skipped",
  running: "cancelled",
  completed: "success",
  failed: "failed",
  cancelled: "cancelled",
  timeout: "timeout",
  skipped: "skipped",
};

/** Status of a run in a record. */
const RUN_STATUSES = {
  running: "cancelled",
  success: "success",
  skipped: "success",
  failed: "failed",
  cancelled: "cancelled",
} as const;

/** Options for {@linkcode recordWorkflow}. */
export interface RecordWorkflowOptions {
  /** Name of the workflow. */
  name: string;
  /** Jobs of the workflow. */
  jobs: readonly LocalJob[];
  /** Absolute path of the runner's own directory for the workflow. */
  directory: string;
  /**
   * Path of the record; `off` for none, `undefined` for the default one in the
   * directory.
   */
  path: string | undefined;
  /** Whether to export the run to an OpenTelemetry collector. */
  otel: boolean;
}

/** Record of a run of a workflow, and its export. */
export interface WorkflowRecord {
  /** Records that a job could start. */
  queue(key: string): void;
  /** Records that a job started. */
  start(key: string): void;
  /** Records that a job ended. */
  end(result: WorkflowJobResult): void;
  /** Exports of the jobs to collectors. */
  readonly exports: ExportQueue;
  /** Returns the variables with which a job continues the trace of the run. */
  traceOf(key: string): Environment;
  /**
   * Records the end of the run, and of the jobs that did not start. Exports the
   * run, and waits for the exports of its jobs.
   */
  finish(
    jobs: readonly WorkflowJobResult[],
    status: WorkflowStatus,
    exitCode: number,
  ): Promise<void>;
}

/**
 * Starts reporting on a run of a workflow. Its record lists jobs instead of steps, and
 * refers to the record of each job.
 */
export async function recordWorkflow(
  { host, masker, logger, allowInsecureTransport }: RunnerContext,
  options: RecordWorkflowOptions,
): Promise<WorkflowRecord> {
  const recorder = new RunRecorder();
  const starts = new Map<string, { startMs: number; spanId: string }>();
  const ended = new Set<string>();
  const parentTrace = traceContext(host.env);
  const trace = exportedTrace(parentTrace, host.env, options.otel);
  const { traceId, spanId, parentSpanId, sampled, parentOf } = trace;
  const maskText = (text: string) => masker.maskText(text);
  const exports = new ExportQueue((component, message) =>
    logger.warn(component, message)
  );
  recorder.begin({
    version: RECORD_VERSION,
    kind: "workflow",
    id: crypto.randomUUID(),
    name: options.name,
    runner: { version: VERSION, deno: Deno.version.deno },
    trace: {
      traceId,
      spanId,
      ...parentSpanId === undefined ? {} : { parentSpanId },
      sampled,
    },
  });
  recorder.add("run.planned", {
    steps: localNodes(options.jobs).map(({ displayName, name, job }) => ({
      name: displayName,
      ...name === displayName ? {} : { group: name },
      dependsOn: job.dependsOn,
    })),
  });
  const place = resolvePlace(options, host.cwd);
  const writer = options.path === "off"
    ? undefined
    : await RecordWriter.open(recorder, {
      ...place,
      maskText,
      secretTotal: () => masker.formTotal,
      onWarning: (message) => logger.warn("record", message),
    });

  const active = parentOf === undefined ? undefined : reportActiveRun({
    env: host.env,
    recorder,
    maskText,
    allowInsecureTransport,
  });

  function end(result: WorkflowJobResult): void {
    const { key, status, exitCode, startedAt, durationMs, reason } = result;
    const outcome = CONCLUSIONS[status];
    const common = {
      outcome,
      exitCode,
      signal: null,
      durationMs,
      ...reason === undefined ? {} : { reason },
    };
    const started = starts.get(key);
    ended.add(key);
    recorder.add("step.ended", {
      step: key,
      conclusion: outcome,
      startedAt: startedAt?.toISOString() ?? null,
      attempts: started === undefined
        ? []
        : [{ number: 1, ...started, ...common }],
      ...common,
      ...result.logPath === undefined
        ? {}
        : { log: shownPath(result.logPath, host.cwd) },
      ...recordedTail({ outcome }, result.tail),
      ...result.recordPath === undefined
        ? {}
        : { record: toRelativePath(place.directory, result.recordPath) },
    });
  }

  async function exportWorkflow(): Promise<void> {
    const record = createRecord(
      recorder.events.map((event) => maskEvent(event, maskText)),
    );
    if (record === undefined) return;
    await exportRun(record, host.env, {
      allowInsecureTransport,
      onWarning: (message) => exports.warn("otel", message),
    });
  }

  return {
    exports,
    queue(key) {
      recorder.add("step.queued", { step: key });
    },
    start(key) {
      const spanId = newSpanId();
      starts.set(key, { startMs: recorder.ms, spanId });
      recorder.add("step.started", { step: key, attempt: 1, spanId });
    },
    traceOf(key) {
      const span = starts.get(key)?.spanId;
      return parentOf === undefined || span === undefined
        ? trace.variables
        : { ...trace.variables, [Variable.traceParent]: parentOf(span) };
    },
    end,
    async finish(jobs, status, exitCode) {
      for (const job of jobs) if (!ended.has(job.key)) end(job);
      recorder.add("run.ended", {
        status: RUN_STATUSES[status],
        exitCode,
        durationMs: recorder.ms,
      });
      active?.[Symbol.dispose]();
      await writer?.finish();
      if (parentOf !== undefined) exports.add(exportWorkflow());
      await exports.finish();
    },
  };
}

/** Maximum number of failed steps whose last lines are shown for their job. */
const MAX_FAILED_STEPS = 3;

/**
 * Returns the last lines of the failed steps of a job. They are more useful
 * than those of its log, which ends with a summary.
 *
 * @param path Absolute path of its record.
 * @returns Masked lines, with colors; `undefined` if no step failed, or the
 * record cannot be read.
 */
export async function failedStepLines(
  path: string,
): Promise<readonly string[] | undefined> {
  const record = await readRecordFile(path).catch(() => undefined);
  const failed = record?.steps.filter(hasFailed).slice(0, MAX_FAILED_STEPS);
  if (!failed?.some(({ tail }) => tail.length > 0)) return undefined;
  if (record?.steps.length === 1) return failed[0].styledTail;
  const lineCount = Math.floor(TAIL_LINES / failed.length) - 1;
  return failed.flatMap((step) => [
    `${step.name}: ${outcomeText(step)}`,
    ...step.styledTail.slice(-lineCount),
  ]);
}

/**
 * Finds the record of a job.
 *
 * @param workspace Absolute path of the job's workspace.
 * @returns Absolute path; `undefined` if there is no record.
 */
export async function jobRecord(
  workspace: string,
): Promise<string | undefined> {
  const path = `${workspace}/artifacts/${RECORD_FILE}`;
  const info = await lstatIfThere(path).catch(() => undefined);
  return info?.isFile ? path : undefined;
}

function resolvePlace({ directory, path }: RecordWorkflowOptions, cwd: string) {
  if (path === undefined) return { directory, name: RECORD_FILE, isOwn: true };
  const absolute = absolutePath(path, cwd);
  const slash = absolute.lastIndexOf("/");
  return {
    directory: absolute.slice(0, slash) || "/",
    name: absolute.slice(slash + 1),
    isOwn: false,
  };
}

/** Returns a relative path if possible, so that records can be moved together. */
function toRelativePath(directory: string, path: string): string {
  return isInside(directory, path) ? path.slice(directory.length + 1) : path;
}
