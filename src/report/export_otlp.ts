import type { Environment } from "../environment/variables.ts";
import { messageOf } from "../errors.ts";
import { durationText } from "../schema/duration.ts";
import { headerList } from "../secrets/collect.ts";
import { showUrl, showUrlsIn } from "../url_secrets.ts";
import {
  explainProtocol,
  readCollectorTimeout,
  readCollectorUrl,
  sendSignal,
  type Signal,
} from "./collector.ts";
import { maskEvent } from "./event_schema.ts";
import {
  createActiveMetric,
  createOtlpRequests,
  type ResourceAttributes,
} from "./formats/otlp.ts";
import type { RunRecord } from "./run_record.ts";
import type { RunRecorder } from "./run_event.ts";

/** Options for {@linkcode exportRun}. */
export interface ExportRunOptions {
  /** Whether credentials may be sent over plain HTTP. */
  allowInsecureTransport: boolean;
  /** Called with each failure. */
  onWarning: (message: string) => void;
}

/**
 * Sends a run to a collector. If the collector is down, silent or failing, the
 * traces are lost and the run takes up to two seconds longer, but its result
 * does not change.
 *
 * @param record The run, masked.
 * @param env Environment of the runner.
 * @param options Transport, and where failures are reported.
 */
export async function exportRun(
  record: RunRecord,
  env: Environment,
  { allowInsecureTransport, onWarning }: ExportRunOptions,
): Promise<void> {
  if (env.OTEL_DENO === "true") {
    onWarning(
      "OTEL_DENO is set: Deno exports addresses that the runner requests unmasked, and may delay the end of the run by 10 s",
    );
  }
  const resource = readResourceAttributes(env);
  const { traces, metrics } = createOtlpRequests(record, resource);
  const { started, lastMs } = record;
  const active = createActiveMetric(started, resource, {
    value: 0,
    ms: lastMs,
  });
  const requests = {
    traces,
    metrics: {
      resourceMetrics: [...metrics.resourceMetrics, active],
    },
  };
  const limitMs = readCollectorTimeout(env);
  const signal = AbortSignal.timeout(limitMs);
  const isSampled = record.started.trace.sampled;
  await Promise.all(
    (["traces", "metrics"] as const)
      .filter((kind) =>
        isExported(kind, env) && (kind !== "traces" || isSampled)
      )
      .map(async (kind) => {
        try {
          const options = { env, allowInsecureTransport, signal };
          await sendSignal(kind, requests[kind], options);
        } catch (error) {
          const url = readCollectorUrl(env, kind);
          const reason = signal.aborted
            ? `no response within ${durationText(limitMs)}`
            : showUrlsIn(messageOf(error), url);
          const hint = explainProtocol(env, kind);
          onWarning(
            `Cannot export ${kind} to "${showUrl(url)}": ${reason}${hint}`,
          );
        }
      }),
  );
}

/** Checks whether the standard variables allow exporting a signal. */
export function isExported(kind: Signal, env: Environment): boolean {
  return env[`OTEL_${kind.toUpperCase()}_EXPORTER`] !== "none";
}

/** Returns the resource attributes that the standard variables add. */
export function readResourceAttributes(env: Environment): ResourceAttributes {
  const attributes = Object.fromEntries(
    headerList(env.OTEL_RESOURCE_ATTRIBUTES ?? "")
      .map(({ name, value }) => [name, value]),
  );
  const name = env.OTEL_SERVICE_NAME;
  return name ? { ...attributes, "service.name": name } : attributes;
}

/** Default interval between two reports, in milliseconds. */
const DEFAULT_INTERVAL_MS = 60_000;

/** Minimum interval between two reports, in milliseconds. */
const MIN_INTERVAL_MS = 1_000;

type StartedRun = RunRecord["started"];

/** Options for {@linkcode reportActiveRun}. */
export interface ReportActiveRunOptions {
  /** Environment of the runner. */
  env: Environment;
  /** Events of the run so far. */
  recorder: RunRecorder;
  /** Masks a text. */
  maskText: (text: string) => string;
  /** Whether credentials may be sent over plain HTTP. */
  allowInsecureTransport: boolean;
}

/**
 * Reports to a collector that a run is active: when it starts, and then every
 * minute, or as often as `OTEL_METRIC_EXPORT_INTERVAL` says. This happens in
 * the background and never delays the run. Failures are ignored, since the
 * export at the end of the run reports them.
 *
 * @returns A handle that stops the reports. The export at the end of the run
 * reports that the run has ended.
 */
export function reportActiveRun(
  { env, recorder, maskText, allowInsecureTransport }: ReportActiveRunOptions,
): Disposable {
  const finished = new AbortController();
  const intervalMs = readInterval(env);
  const limitMs = readCollectorTimeout(env, "metrics");
  const resource = readResourceAttributes(env);
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function report(): Promise<void> {
    const started = maskEvent(recorder.events[0], maskText) as StartedRun;
    const { ms } = recorder;
    const metric = createActiveMetric(started, resource, { value: 1, ms });
    const limit = AbortSignal.timeout(limitMs);
    await sendSignal("metrics", { resourceMetrics: [metric] }, {
      env,
      allowInsecureTransport,
      signal: AbortSignal.any([finished.signal, limit]),
    }).catch(() => {});
    if (finished.signal.aborted) return;
    timer = setTimeout(report, intervalMs);
    // The timer must not keep a process alive.
    Deno.unrefTimer(timer);
  }

  if (isExported("metrics", env)) void report();
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      // A late report must not arrive after the last one.
      finished.abort();
    },
  };
}

function readInterval(env: Environment): number {
  const ms = Number(env.OTEL_METRIC_EXPORT_INTERVAL);
  return ms > 0 ? Math.max(MIN_INTERVAL_MS, ms) : DEFAULT_INTERVAL_MS;
}

/** Component of a message, and its text. */
type Warn = (component: string, message: string) => void;

/**
 * Exports of the jobs of a workflow. They continue while other jobs run, so
 * that a slow collector delays only the end of the workflow, and only once.
 */
export class ExportQueue {
  readonly #warn: Warn;
  readonly #warnings = new Set<string>();
  readonly #pending = new Set<Promise<void>>();

  /** @param warn Prints a warning. */
  constructor(warn: Warn) {
    this.#warn = warn;
  }

  /**
   * Waits for an export when the workflow ends.
   *
   * @param sending The export, which has its own time limit.
   */
  add(sending: Promise<unknown>): void {
    const pending = sending
      .catch((error) =>
        this.warn("report", `Cannot export: ${messageOf(error)}`)
      )
      .then(() => void this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  /** Prints a warning, unless an earlier job had the same one. */
  warn(component: string, message: string): void {
    if (this.#warnings.has(message)) return;
    this.#warnings.add(message);
    this.#warn(component, message);
  }

  /** Waits for all exports. */
  async finish(): Promise<void> {
    await Promise.all(this.#pending);
  }
}
