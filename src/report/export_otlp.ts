import { messageOf } from "../errors.ts";
import { headerList } from "../secrets/collect.ts";
import { showUrl, showUrlsIn } from "../url_secrets.ts";
import {
  endpointOf,
  protocolHint,
  sendSignal,
  type Signal,
  timeoutOf,
} from "./collector.ts";
import {
  activeMetric,
  otlpRequests,
  type ResourceAttributes,
} from "./formats/otlp.ts";
import type { RunRecord } from "./run_record.ts";

type Env = Readonly<Record<string, string>>;

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
  env: Env,
  { allowInsecureTransport, onWarning }: ExportRunOptions,
): Promise<void> {
  if (env.OTEL_DENO === "true") {
    onWarning(
      "OTEL_DENO is set: Deno exports addresses that the runner requests unmasked, and may delay the end of the run by 10 s",
    );
  }
  const resource = resourceOf(env);
  const { traces, metrics } = otlpRequests(record, resource);
  const { started, lastMs } = record;
  const active = activeMetric(started, resource, { value: 0, ms: lastMs });
  const requests = {
    traces,
    metrics: {
      resourceMetrics: [...metrics.resourceMetrics, active],
    },
  };
  const limitMs = timeoutOf(env);
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
          const url = endpointOf(env, kind);
          const reason = signal.aborted
            ? `no answer within ${limitMs} ms`
            : showUrlsIn(messageOf(error), url);
          const hint = protocolHint(env, kind);
          onWarning(
            `Cannot export ${kind} to "${showUrl(url)}": ${reason}${hint}`,
          );
        }
      }),
  );
}

/** Checks whether the standard variables allow exporting a signal. */
export function isExported(kind: Signal, env: Env): boolean {
  return env[`OTEL_${kind.toUpperCase()}_EXPORTER`] !== "none";
}

/** Returns the resource attributes that the standard variables add. */
export function resourceOf(env: Env): ResourceAttributes {
  const attributes = Object.fromEntries(
    headerList(env.OTEL_RESOURCE_ATTRIBUTES ?? "")
      .map(({ name, value }) => [name, value]),
  );
  const name = env.OTEL_SERVICE_NAME;
  return name ? { ...attributes, "service.name": name } : attributes;
}
