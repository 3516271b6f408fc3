import { isObject } from "../json_value.ts";
import { series } from "./formats/prometheus.ts";

type Labels = Readonly<Record<string, string>>;

/**
 * Returns the metrics of a group on a push gateway in the text format of
 * Prometheus, without the labels of the group.
 *
 * @param answer Response of the gateway to a request for all its metrics.
 * @param key Labels of the group.
 * @returns Lines; none if the response has another shape.
 * @see https://github.com/prometheus/pushgateway#query-api
 */
export function pushedMetrics(answer: unknown, key: Labels): string {
  const group = listOf(answer, "data").find((one) => isGroup(one, key));
  if (group === undefined) return "";
  return Object.entries(group).flatMap(([name, metric]) =>
    listOf(metric, "metrics").flatMap((one) => samplesOf(name, one, key))
  ).join("\n");
}

function listOf(
  value: unknown,
  name: string,
): readonly Readonly<Record<string, unknown>>[] {
  const list = isObject(value) ? value[name] : undefined;
  return Array.isArray(list) ? list.filter(isObject) : [];
}

function isGroup(group: Readonly<Record<string, unknown>>, key: Labels) {
  const labels = labelsOf(group.labels);
  const names = Object.keys(labels).filter((name) => labels[name] !== "");
  return names.length === Object.keys(key).length &&
    names.every((name) => labels[name] === key[name]);
}

/** Writes labels sorted by name, as the gateway does. */
function labelsOf(value: unknown): Labels {
  return Object.fromEntries(
    Object.entries(isObject(value) ? value : {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ).sort(([a], [b]) => a < b ? -1 : 1),
  );
}

function samplesOf(
  name: string,
  metric: Readonly<Record<string, unknown>>,
  key: Labels,
): string[] {
  const labels = Object.fromEntries(
    Object.entries(labelsOf(metric.labels)).filter(([label]) =>
      !Object.hasOwn(key, label) && label !== "instance" && label !== "job"
    ),
  );
  const sample = (part: string, value: unknown, more: Labels = {}) =>
    `${series(`${name}${part}`, { ...labels, ...more })} ${value}`;
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
