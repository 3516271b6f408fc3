import { messageOf } from "../errors.ts";
import { showUrl, showUrlsIn } from "../url_secrets.ts";
import {
  checkTransport,
  type HeaderList,
  MAX_COLLECTOR_MS,
  send,
} from "./collector.ts";
import { UNNAMED } from "./formats/otlp.ts";
import { prometheusReport } from "./formats/prometheus.ts";
import type { RunRecord } from "./run_record.ts";

/** Media type of the text format. */
const TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Options for {@linkcode pushMetrics}. */
export interface PushMetricsOptions {
  /** Whether credentials may be sent over plain HTTP. */
  allowInsecureTransport: boolean;
  /** Called with a failure. */
  onWarning: (message: string) => void;
}

/**
 * Sends the metrics of a run to a push gateway of Prometheus, in the place of
 * those of the last run of the same pipeline. Like a collector, a gateway that
 * fails never changes the result of the run.
 *
 * @param record The run, masked.
 * @param gateway URL of the gateway; a path with `/metrics/job/` is used as it
 * is.
 * @param options Transport, and where failures are reported.
 * @see https://github.com/prometheus/pushgateway#api
 */
export async function pushMetrics(
  record: RunRecord,
  gateway: string,
  { allowInsecureTransport, onWarning }: PushMetricsOptions,
): Promise<void> {
  const signal = AbortSignal.timeout(MAX_COLLECTOR_MS);
  try {
    checkTransport(gateway, [], allowInsecureTransport);
    const { url, headers } = target(gateway, record.started.name ?? UNNAMED);
    const body = prometheusReport(record);
    await send(
      { method: "PUT", url, headers, contentType: TEXT_TYPE, body },
      signal,
    );
  } catch (error) {
    const reason = signal.aborted
      ? `no answer within ${MAX_COLLECTOR_MS} ms`
      : showUrlsIn(messageOf(error), gateway);
    onWarning(`Cannot push metrics to "${showUrl(gateway)}": ${reason}`);
  }
}

/** The credentials become a header: they must not be in messages of fetch(). */
function target(
  gateway: string,
  job: string,
): { url: string; headers: HeaderList } {
  const url = new URL(gateway);
  const { username, password } = url;
  url.username = url.password = url.hash = "";
  if (!url.pathname.includes("/metrics/job")) {
    const base = url.pathname.replace(/\/+$/, "");
    url.pathname = `${base}/metrics/${groupingKey(job)}`;
  }
  if (username === "" && password === "") return { url: url.href, headers: [] };
  const login = [username, password].map(decodeURIComponent).join(":");
  const encoded = new TextEncoder().encode(login).toBase64();
  return { url: url.href, headers: [["authorization", `Basic ${encoded}`]] };
}

/** A name with a slash, and one that URLs would normalize, must be encoded. */
function groupingKey(job: string): string {
  if (/^[\w-][\w. -]*$/.test(job)) return `job/${encodeURIComponent(job)}`;
  const bytes = new TextEncoder().encode(job.toWellFormed());
  return `job@base64/${bytes.toBase64({ alphabet: "base64url" }) || "="}`;
}
