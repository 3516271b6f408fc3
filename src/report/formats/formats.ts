import type { REPORT_FORMATS } from "../../options/options.ts";
import type { RunRecord } from "../run_record.ts";
import type { SummaryOptions } from "../summary.ts";

/** Name of a format. */
export type ReportFormat = typeof REPORT_FORMATS[number];

/** Options for a format. */
export interface FormatOptions extends SummaryOptions {
  /**
   * Content of the file that earlier runs wrote.
   *
   * @default {""}
   */
  previous?: string;
  /**
   * The run with which a page compares.
   *
   * @default {no comparison}
   */
  earlier?: RunRecord | undefined;
  /**
   * The runs of the jobs of a workflow, by the index of the job.
   *
   * @default {none}
   */
  jobs?: ReadonlyMap<number, RunRecord> | undefined;
}

/** A format in which a run can be reported. */
export interface Format {
  /** Name of the file if none is given. */
  readonly fileName: string;
  /**
   * Loads the function that writes the format. Width and color matter for
   * formats that a terminal shows.
   */
  readonly load: () => Promise<
    (record: RunRecord, options: FormatOptions) => string | Promise<string>
  >;
  /**
   * Whether a run extends the file of earlier runs.
   *
   * @default {false}
   */
  readonly addsUp?: boolean;
  /**
   * Whether only the user who ran the job may read the file, because it
   * contains output of the job.
   *
   * @default {false}
   */
  readonly isPrivate?: boolean;
}

/**
 * All formats. A new one needs a name in the table of options, a row here, and
 * a file in this directory with a function that only reads the record.
 */
export const FORMATS: Readonly<Record<ReportFormat, Format>> = {
  table: {
    fileName: "report.txt",
    isPrivate: true,
    load: () =>
      import("./text_formats.ts").then((module) => module.tableReport),
  },
  json: {
    fileName: "report.json",
    isPrivate: true,
    load: () => import("./text_formats.ts").then((module) => module.jsonReport),
  },
  markdown: {
    fileName: "report.md",
    isPrivate: true,
    load: () =>
      import("./text_formats.ts").then((module) => module.markdownReport),
  },
  junit: {
    fileName: "junit.xml",
    isPrivate: true,
    load: () => import("./junit.ts").then((module) => module.junitReport),
  },
  sarif: {
    fileName: "report.sarif",
    isPrivate: true,
    load: () => import("./sarif.ts").then((module) => module.sarifReport),
  },
  html: {
    fileName: "report.html",
    isPrivate: true,
    load: () => import("./html.ts").then((module) => module.htmlReport),
  },
  perfetto: {
    fileName: "trace.json",
    load: () => import("./perfetto.ts").then((module) => module.perfettoReport),
  },
  prometheus: {
    fileName: "runnerlib.prom",
    addsUp: true,
    load: async () => {
      const { prometheusReport } = await import("./prometheus.ts");
      return (record, { previous }) => prometheusReport(record, previous);
    },
  },
  otlp: {
    fileName: "otlp.jsonl",
    load: () => import("./otlp.ts").then((module) => module.otlpReport),
  },
  profile: {
    fileName: "profile.txt",
    load: () =>
      import("./text_formats.ts").then((module) => module.profileReport),
  },
};
