import { sendSignal, timeoutOf } from "./collector.ts";
import { maskEvent } from "./event_schema.ts";
import { isExported, resourceOf } from "./export_otlp.ts";
import { activeMetric } from "./formats/otlp.ts";
import type { RunRecord } from "./run_record.ts";
import type { RunRecorder } from "./run_recorder.ts";

/** Default interval between two reports, in milliseconds. */
const DEFAULT_INTERVAL_MS = 60_000;

/** Minimum interval between two reports, in milliseconds. */
const MIN_INTERVAL_MS = 1_000;

type StartedRun = RunRecord["started"];
type Env = Readonly<Record<string, string>>;

/** Options for {@linkcode reportActiveRun}. */
export interface ReportActiveRunOptions {
  /** Environment of the runner. */
  env: Env;
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
  const ending = new AbortController();
  const intervalMs = intervalOf(env);
  const limitMs = timeoutOf(env, "metrics");
  const resource = resourceOf(env);
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function report(): Promise<void> {
    const started = maskEvent(recorder.events[0], maskText) as StartedRun;
    const { ms } = recorder;
    const metric = activeMetric(started, resource, { value: 1, ms });
    const limit = AbortSignal.timeout(limitMs);
    await sendSignal("metrics", { resourceMetrics: [metric] }, {
      env,
      allowInsecureTransport,
      signal: AbortSignal.any([ending.signal, limit]),
    }).catch(() => {});
    if (ending.signal.aborted) return;
    timer = setTimeout(report, intervalMs);
    // The timer must not keep a process alive.
    Deno.unrefTimer(timer);
  }

  if (isExported("metrics", env)) void report();
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      // A late report must not arrive after the last one.
      ending.abort();
    },
  };
}

function intervalOf(env: Env): number {
  const ms = Number(env.OTEL_METRIC_EXPORT_INTERVAL);
  return ms > 0 ? Math.max(MIN_INTERVAL_MS, ms) : DEFAULT_INTERVAL_MS;
}
