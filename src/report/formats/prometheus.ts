import { DEFAULT_NAME, getRunResult, RUN_DURATION_BUCKETS } from "./otlp.ts";
import type { RunRecord } from "../run_record.ts";

/** A line of the format: a series, and its value. */
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?) ([-+.\deInfNa]+)$/;

type Samples = Map<string, number>;

/** A metric of runs. */
interface Metric {
  readonly name: string;
  readonly type: "counter" | "histogram";
  readonly help: string;
}

const DURATION: Metric = {
  name: "cicd_pipeline_run_duration_seconds",
  type: "histogram",
  help: "Duration of a pipeline run.",
};

const ERRORS: Metric = {
  name: "cicd_pipeline_run_errors_total",
  type: "counter",
  help: "Number of errors in pipeline runs.",
};

/**
 * Writes runs in the text format of Prometheus, for its textfile collector.
 *
 * Names are those that OpenTelemetry's metrics have in Prometheus. The counters
 * continue those of earlier runs, and no label identifies a run. A run counts
 * once it has ended.
 *
 * @param record The run.
 * @param previous The text written after earlier runs.
 * @returns Text with the sum of all runs.
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function prometheusReport(record: RunRecord, previous = ""): string {
  const samples = parseSamples(previous);
  const current = record.isRunning ? [] : createSamples(record);
  for (const [series, value] of current) {
    samples.set(series, (samples.get(series) ?? 0) + value);
  }
  const lines = [DURATION, ERRORS].flatMap(({ name, type, help }) => {
    const current = [...samples].filter(([series]) =>
      parseMetricName(series) === name
    );
    if (current.length === 0) return [];
    return [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...current.map(([series, value]) => `${series} ${value}`),
    ];
  });
  return `${lines.join("\n")}\n`;
}

function parseSamples(text: string): Samples {
  return new Map(
    text.split("\n").flatMap((line): [string, number][] => {
      const [, series, value] = SAMPLE.exec(line) ?? [];
      const number = Number(value);
      return series === undefined || !Number.isFinite(number)
        ? []
        : [[series, number]];
    }),
  );
}

function createSamples(record: RunRecord): Samples {
  const { started, ended, lastMs } = record;
  const result = getRunResult(record);
  const seconds = (ended?.durationMs ?? lastMs) / 1000;
  const pipeline = { cicd_pipeline_name: started.name ?? DEFAULT_NAME };
  const labels = {
    ...pipeline,
    cicd_pipeline_result: result,
    cicd_pipeline_run_state: "executing",
  };
  const { name } = DURATION;
  const samples: Samples = new Map();
  for (const limit of [...RUN_DURATION_BUCKETS, Infinity]) {
    const le = limit === Infinity ? "+Inf" : String(limit);
    samples.set(
      formatSeries(`${name}_bucket`, { ...labels, le }),
      seconds <= limit ? 1 : 0,
    );
  }
  samples.set(formatSeries(`${name}_sum`, labels), seconds);
  samples.set(formatSeries(`${name}_count`, labels), 1);
  if (result !== "success" && result !== "skip") {
    samples.set(
      formatSeries(ERRORS.name, { ...pipeline, error_type: result }),
      1,
    );
  }
  return samples;
}

/** Writes a metric with its labels, the start of a line of the format. */
export function formatSeries(
  name: string,
  labels: Readonly<Record<string, string>>,
): string {
  const written = Object.entries(labels).map(([label, value]) =>
    `${label}="${value.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`
  );
  return `${name}{${written.join(",")}}`;
}

function parseMetricName(series: string): string {
  const [name] = series.split("{", 1);
  return name.replace(/_(?:bucket|sum|count)$/, "");
}
