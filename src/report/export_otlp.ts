import { messageOf } from "../errors.ts";
import { headerList } from "../secrets/collect.ts";
import { showUrl, showUrlsIn } from "../url_secrets.ts";
import {
  checkTransport,
  endpointOf,
  headersOf,
  JSON_TYPE,
  protocolHint,
  send,
  timeoutOf,
} from "./collector.ts";
import { otlpRequests, type ResourceAttributes } from "./formats/otlp.ts";
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
 * Sends a run to a collector. A collector that is dead, silent or failing costs
 * at most two seconds, and the run its traces, but never its result.
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
  const requests = otlpRequests(record, resourceOf(env));
  const limitMs = timeoutOf(env);
  const signal = AbortSignal.timeout(limitMs);
  const isSampled = record.started.trace.sampled;
  await Promise.all(
    (["traces", "metrics"] as const)
      .filter((kind) =>
        env[`OTEL_${kind.toUpperCase()}_EXPORTER`] !== "none" &&
        (kind !== "traces" || isSampled)
      )
      .map(async (kind) => {
        const url = endpointOf(env, kind);
        try {
          const headers = headersOf(env, kind);
          checkTransport(url, headers, allowInsecureTransport);
          const body = JSON.stringify(requests[kind]);
          await send(
            { method: "POST", url, headers, contentType: JSON_TYPE, body },
            signal,
          );
        } catch (error) {
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

/** Returns the attributes of the resource that the standard variables add. */
export function resourceOf(env: Env): ResourceAttributes {
  const attributes = Object.fromEntries(
    headerList(env.OTEL_RESOURCE_ATTRIBUTES ?? "")
      .map(({ name, value }) => [name, value]),
  );
  const name = env.OTEL_SERVICE_NAME;
  return name ? { ...attributes, "service.name": name } : attributes;
}
