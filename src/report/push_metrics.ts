import { messageOf } from "../errors.ts";
import { isObject } from "../json_value.ts";
import { durationText } from "../schema/duration.ts";
import { showUrl, showUrlsIn } from "../url_secrets.ts";
import {
  checkTransport,
  type HeaderList,
  MAX_COLLECTOR_MS,
  receive,
  send,
} from "./collector.ts";
import { DEFAULT_NAME } from "./formats/otlp.ts";
import { formatSeries, prometheusReport } from "./formats/prometheus.ts";
import type { RunRecord } from "./run_record.ts";

type Labels = Readonly<Record<string, string>>;

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
 * Adds the metrics of a run to those of earlier runs of the same pipeline on a
 * push gateway of Prometheus, and replaces them there, since a gateway does not
 * add them up. A gateway that fails never changes the result of the run.
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
    const { url, key, query, headers } = createTarget(
      gateway,
      record.started.name ?? DEFAULT_NAME,
    );
    // If the gateway cannot be read, the counters start again, which Prometheus
    // handles like a restart.
    const earlier = await receive(query, headers, signal).catch(() => {});
    const body = prometheusReport(record, formatPushedMetrics(earlier, key));
    await send(
      { method: "PUT", url, headers, contentType: TEXT_TYPE, body },
      signal,
    );
  } catch (error) {
    const reason = signal.aborted
      ? `no response within ${durationText(MAX_COLLECTOR_MS)}`
      : showUrlsIn(messageOf(error), gateway);
    onWarning(`Cannot push metrics to "${showUrl(gateway)}": ${reason}`);
  }
}

/** The group of a pipeline on a push gateway. */
interface Target {
  /** Address of the group. */
  readonly url: string;
  /** Labels of the group. */
  readonly key: Labels;
  /** Address of all metrics of the gateway. */
  readonly query: string;
  readonly headers: HeaderList;
}

/**
 * Moves credentials into a header, so that error messages of fetch() do not
 * contain them.
 */
function createTarget(gateway: string, job: string): Target {
  const url = new URL(gateway);
  const { username, password } = url;
  url.username = url.password = url.hash = "";
  if (!url.pathname.includes("/metrics/job")) {
    const base = url.pathname.replace(/\/+$/, "");
    url.pathname = `${base}/metrics/${encodeGroupingKey(job)}`;
  }
  const [base, group] = url.pathname.split("/metrics/job", 2);
  const query = new URL(url);
  query.pathname = `${base}/api/v1/metrics`;
  const place = {
    url: url.href,
    key: parseGroupingKey(`job${group}`),
    query: query.href,
  };
  if (username === "" && password === "") return { ...place, headers: [] };
  const login = [username, password].map(decodeURIComponent).join(":");
  const encoded = new TextEncoder().encode(login).toBase64();
  return { ...place, headers: [["authorization", `Basic ${encoded}`]] };
}

/** Reads labels from a path such as `job/a/team@base64/Yg`. */
function parseGroupingKey(path: string): Record<string, string> {
  const key: Record<string, string> = {};
  const parts = path.replace(/\/$/, "").split("/");
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [name, encoding] = decodeURIComponent(parts[at]).split("@", 2);
    const value = decodeURIComponent(parts[at + 1]);
    const text = encoding === "base64" ? decodeBase64(value) : value;
    if (text !== "") key[name] = text;
  }
  return key;
}

function decodeBase64(base64: string): string {
  const bytes = Uint8Array.fromBase64(base64.replace(/=+$/, ""), {
    alphabet: "base64url",
  });
  return new TextDecoder().decode(bytes);
}

/** Encodes names that contain a slash or that URLs would normalize. */
function encodeGroupingKey(job: string): string {
  if (/^[\w-][\w. -]*$/.test(job)) return `job/${encodeURIComponent(job)}`;
  const bytes = new TextEncoder().encode(job.toWellFormed());
  return `job@base64/${bytes.toBase64({ alphabet: "base64url" }) || "="}`;
}

/**
 * Returns the metrics of a group on a push gateway in the text format of
 * Prometheus, without the labels of the group.
 *
 * @param response Response of the gateway to a request for all its metrics.
 * @param key Labels of the group.
 * @returns Lines; none if the response has another shape.
 * @see https://github.com/prometheus/pushgateway#query-api
 */
function formatPushedMetrics(response: unknown, key: Labels): string {
  const group = getList(response, "data").find((one) => isGroup(one, key));
  if (group === undefined) return "";
  return Object.entries(group).flatMap(([name, metric]) =>
    getList(metric, "metrics").flatMap((one) => formatSamples(name, one, key))
  ).join("\n");
}

function getList(
  value: unknown,
  name: string,
): readonly Readonly<Record<string, unknown>>[] {
  const list = isObject(value) ? value[name] : undefined;
  return Array.isArray(list) ? list.filter(isObject) : [];
}

function isGroup(group: Readonly<Record<string, unknown>>, key: Labels) {
  const labels = parseLabels(group.labels);
  const names = Object.keys(labels).filter((name) => labels[name] !== "");
  return names.length === Object.keys(key).length &&
    names.every((name) => labels[name] === key[name]);
}

/** Writes labels sorted by name, as the gateway does. */
function parseLabels(value: unknown): Labels {
  return Object.fromEntries(
    Object.entries(isObject(value) ? value : {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ).sort(([a], [b]) => a < b ? -1 : 1),
  );
}

function formatSamples(
  name: string,
  metric: Readonly<Record<string, unknown>>,
  key: Labels,
): string[] {
  const labels = Object.fromEntries(
    Object.entries(parseLabels(metric.labels)).filter(([label]) =>
      !Object.hasOwn(key, label) && label !== "instance" && label !== "job"
    ),
  );
  const sample = (part: string, value: unknown, more: Labels = {}) =>
    `${formatSeries(`${name}${part}`, { ...labels, ...more })} ${value}`;
  if (!isObject(metric.buckets)) return [sample("", metric.value)];
  return [
    ...Object.entries(metric.buckets)
      .map(([le, count]) => [Number(le.replace("+Inf", "Infinity")), le, count])
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, le, count]) => sample("_bucket", count, { le: String(le) })),
    sample("_sum", metric.sum),
    sample("_count", metric.count),
  ];
}
