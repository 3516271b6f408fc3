import type { AttemptRecord, RunEvents } from "../run_event.ts";
import type { RunRecord, StepRecord } from "../run_record.ts";
import type { SummaryStatus } from "../step_outcome.ts";

/** Kinds of spans, by their numbers in the protocol. */
const SERVER = 2;
const INTERNAL = 1;

/** Status of a span: unset, or an error. */
const UNSET = 0;
const ERROR = 2;

/** Temporality of a metric, by its number in the protocol. */
const DELTA = 1;
const CUMULATIVE = 2;

/** Upper limits of the buckets of the duration of runs, in seconds. */
export const RUN_DURATION_BUCKETS: readonly number[] = [
  1,
  5,
  10,
  30,
  60,
  120,
  300,
  600,
  1_800,
  3_600,
  7_200,
];

/** Name of a pipeline without a name. */
export const DEFAULT_NAME = "runnerlib";

/** Names of results in OpenTelemetry. */
const RESULTS: Readonly<Record<SummaryStatus, string>> = {
  success: "success",
  neutral: "success",
  failed: "failure",
  timeout: "timeout",
  cancelled: "cancellation",
  skipped: "skip",
};

/** Additional attributes of the resource, from `OTEL_RESOURCE_ATTRIBUTES`. */
export type ResourceAttributes = Readonly<Record<string, string>>;

/** Requests to a collector, by the last part of their path. */
export interface OtlpRequests {
  readonly traces: object;
  readonly metrics: { readonly resourceMetrics: readonly object[] };
}

/**
 * Writes a run as a file of the OpenTelemetry protocol, which the receiver
 * `otlpjsonfile` of its collector reads.
 *
 * @param record The run.
 * @returns A line of JSON with the traces, and one with the metrics.
 * @see https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/
 */
export function otlpReport(record: RunRecord): string {
  const { traces, metrics } = createOtlpRequests(record);
  return [traces, metrics].map((data) => `${JSON.stringify(data)}\n`).join("");
}

/**
 * Creates the requests that export a run, named by the semantic conventions for
 * CI/CD: a span for the run, one for each attempt at a step, and the duration
 * and the failures of runs.
 *
 * @param record The run.
 * @param resource Additional attributes of the resource.
 * @returns The requests, to be sent as JSON.
 * @see https://opentelemetry.io/docs/specs/semconv/cicd/
 */
export function createOtlpRequests(
  record: RunRecord,
  resource: ResourceAttributes = {},
): OtlpRequests {
  const { started, sources } = record;
  const source = sources.find((one) => one.source === "source");
  const attributesOfRun = createRunResource(started, resource, source);
  const scope = createScope(started);
  return {
    traces: {
      resourceSpans: [{
        resource: {
          attributes: toAttributes(attributesOfRun),
        },
        scopeSpans: [{
          scope,
          // Only spans that have ended are exported.
          spans: [
            ...record.isRunning ? [] : [createRunSpan(record)],
            ...record.steps.flatMap((step) => createStepSpans(step, record)),
          ],
        }],
      }],
    },
    metrics: {
      resourceMetrics: [{
        resource: {
          attributes: toAttributes(removeRunAttributes(attributesOfRun)),
        },
        scopeMetrics: [{
          scope,
          metrics: record.isRunning ? [] : createMetrics(record),
        }],
      }],
    },
  };
}

/** Whether a run is active at some time. */
export interface ActiveRun {
  /** Number of active runs: 1 until the run ends, then 0. */
  readonly value: 0 | 1;
  /** The time, in milliseconds since the run started. */
  readonly ms: number;
}

/**
 * Creates the metric `cicd.pipeline.run.active` of one run. OpenTelemetry's
 * exporters send counters that go up and down as cumulative values, so each run
 * needs its own series. The series of a killed run ends; a sum of +1 and -1
 * would count the run forever.
 *
 * @param started The run.
 * @param resource Additional attributes of the resource.
 * @returns An element of `resourceMetrics`.
 */
export function createActiveMetric(
  started: StartedRun,
  resource: ResourceAttributes,
  { value, ms }: ActiveRun,
): object {
  const common = removeRunAttributes(createRunResource(started, resource));
  return {
    resource: {
      attributes: toAttributes({
        ...common,
        "service.instance.id": started.trace.spanId,
      }),
    },
    scopeMetrics: [{
      scope: createScope(started),
      metrics: [{
        name: "cicd.pipeline.run.active",
        description: "Number of pipeline runs that are active",
        unit: "{run}",
        sum: {
          aggregationTemporality: CUMULATIVE,
          dataPoints: [{
            startTimeUnixNano: toNanoseconds({ started }, 0),
            timeUnixNano: toNanoseconds({ started }, ms),
            asInt: String(value),
            attributes: toAttributes({
              "cicd.pipeline.name": started.name ?? DEFAULT_NAME,
              "cicd.pipeline.run.state": "executing",
            }),
          }],
        },
      }],
    }],
  };
}

function createScope({ runner }: Pick<StartedRun, "runner">): object {
  return { name: "runnerlib", version: runner.version };
}

/** Omits attributes that would give each run its own series. */
function removeRunAttributes(resource: Attributes): Attributes {
  return Object.fromEntries(
    Object.entries(resource).filter(([name]) => !RUN_ATTRIBUTES.includes(name)),
  );
}

/** The event with which a record starts. */
type StartedRun = RunRecord["started"];

/** Attributes that are different for each run. */
const RUN_ATTRIBUTES = [
  "cicd.pipeline.run.id",
  "vcs.ref.head.name",
  "vcs.ref.head.revision",
];

/**
 * Returns the attributes of a run's resource.
 *
 * @param started The run.
 * @param resource Additional attributes, which override the others.
 * @param source Its source, once it is prepared.
 */
export function createRunResource(
  started: RunEvents["run.started"],
  resource: ResourceAttributes = {},
  source: Pick<RunEvents["source.prepared"], "repository" | "ref" | "commit"> =
    {},
): Attributes {
  return {
    "service.name": "runnerlib",
    "service.version": started.runner.version,
    "cicd.pipeline.name": started.name ?? DEFAULT_NAME,
    "vcs.repository.url.full": source.repository ?? started.repository,
    ...resource,
    "cicd.pipeline.run.id": started.id,
    "vcs.ref.head.name": source.ref ?? started.ref,
    "vcs.ref.head.revision": source.commit ?? started.commit,
  };
}

function createRunSpan(record: RunRecord): object {
  const { started, ended, lastMs } = record;
  const { traceId, spanId, parentSpanId, sampled } = started.trace;
  const result = getRunResult(record);
  return {
    traceId,
    spanId,
    ...parentSpanId === undefined ? {} : { parentSpanId },
    flags: sampled ? 1 : 0,
    name: `RUN ${started.name ?? DEFAULT_NAME}`,
    kind: SERVER,
    startTimeUnixNano: toNanoseconds(record, 0),
    endTimeUnixNano: toNanoseconds(record, ended?.durationMs ?? lastMs),
    attributes: toAttributes({
      "cicd.pipeline.action.name": "RUN",
      "cicd.pipeline.result": result,
      "error.type": findErrorType(result),
      "process.exit.code": ended?.exitCode,
    }),
    status: createStatus(result, ended?.error),
  };
}

function createStepSpans(step: StepRecord, record: RunRecord): object[] {
  const { attempts, state } = step;
  const ended = state === "running" ? attempts.slice(0, -1) : attempts;
  return ended.flatMap((attempt) => {
    if (attempt.spanId === undefined) return [];
    return [createAttemptSpan(step, attempt, attempt.spanId, record)];
  });
}

function createAttemptSpan(
  { name, readyMs }: StepRecord,
  attempt: AttemptRecord,
  spanId: string,
  record: RunRecord,
): object {
  const { id, trace } = record.started;
  const { number, startMs, durationMs, outcome, exitCode, signal } = attempt;
  const result = RESULTS[outcome];
  return {
    traceId: trace.traceId,
    spanId,
    parentSpanId: trace.spanId,
    flags: trace.sampled ? 1 : 0,
    name,
    kind: INTERNAL,
    startTimeUnixNano: toNanoseconds(record, startMs),
    endTimeUnixNano: toNanoseconds(record, startMs + durationMs),
    attributes: toAttributes({
      "cicd.pipeline.task.name": name,
      "cicd.pipeline.task.run.id": `${id}/${name}/${number}`,
      "cicd.pipeline.task.run.result": result,
      "error.type": findErrorType(result),
      "process.exit.code": exitCode ?? undefined,
      "runnerlib.step.attempt": number,
      "runnerlib.step.signal": signal ?? undefined,
    }),
    ...readyMs === undefined ? {} : {
      events: [{ timeUnixNano: toNanoseconds(record, readyMs), name: "ready" }],
    },
    status: createStatus(result, attempt.reason),
  };
}

function createMetrics(record: RunRecord): object[] {
  const { started, ended, lastMs } = record;
  const seconds = (ended?.durationMs ?? lastMs) / 1000;
  const result = getRunResult(record);
  const point = {
    startTimeUnixNano: toNanoseconds(record, 0),
    timeUnixNano: toNanoseconds(record, ended?.durationMs ?? lastMs),
  };
  const labels = {
    "cicd.pipeline.name": started.name ?? DEFAULT_NAME,
    "error.type": findErrorType(result),
  };
  const bucket = RUN_DURATION_BUCKETS.findIndex((limit) => seconds <= limit);
  const counts = new Array<string>(RUN_DURATION_BUCKETS.length + 1).fill("0");
  counts[bucket < 0 ? RUN_DURATION_BUCKETS.length : bucket] = "1";
  const duration = {
    name: "cicd.pipeline.run.duration",
    description: "Duration of a pipeline run",
    unit: "s",
    histogram: {
      aggregationTemporality: DELTA,
      dataPoints: [{
        ...point,
        count: "1",
        sum: seconds,
        min: seconds,
        max: seconds,
        bucketCounts: counts,
        explicitBounds: RUN_DURATION_BUCKETS,
        attributes: toAttributes({
          ...labels,
          "cicd.pipeline.run.state": "executing",
          "cicd.pipeline.result": result,
        }),
      }],
    },
  };
  if (labels["error.type"] === undefined) return [duration];
  return [duration, {
    name: "cicd.pipeline.run.errors",
    description: "Number of errors in pipeline runs",
    unit: "{error}",
    sum: {
      aggregationTemporality: DELTA,
      isMonotonic: true,
      dataPoints: [{ ...point, asInt: "1", attributes: toAttributes(labels) }],
    },
  }];
}

/**
 * Returns the result of a run by its name in OpenTelemetry. `error` means that
 * the run was killed, or failed although no step failed.
 *
 * @param record The run.
 * @returns `success`, `failure`, `error`, `timeout` or `cancellation`.
 */
export function getRunResult({ ended, steps }: RunRecord): string {
  if (ended === undefined) return "error";
  const isStepFailure = steps.some(({ conclusion }) => conclusion === "failed");
  return ended.status === "failed" && !isStepFailure
    ? "error"
    : RESULTS[ended.status];
}

function findErrorType(result: string): string | undefined {
  return result === "success" || result === "skip" ? undefined : result;
}

function createStatus(result: string, message?: string): object {
  if (findErrorType(result) === undefined) return { code: UNSET };
  return { code: ERROR, ...message === undefined ? {} : { message } };
}

/** Values of attributes by name; `undefined` ones are omitted. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Converts attributes to the form of the protocol's JSON. */
export function toAttributes(values: Attributes): object[] {
  return Object.entries(values).flatMap(([key, value]): object[] => {
    if (value === undefined) return [];
    return typeof value === "string"
      ? [{ key, value: { stringValue: value } }]
      // 64-bit numbers are strings in the protocol's JSON.
      : [{ key, value: { intValue: String(value) } }];
  });
}

/** Returns the wall-clock time of an event, in nanoseconds since 1970. */
function toNanoseconds(
  { started }: Pick<RunRecord, "started">,
  ms: number,
): string {
  const start = BigInt(Date.parse(started.time)) * 1_000_000n;
  return String(start + BigInt(Math.round(ms * 1_000_000)));
}
