import type { RunRecord } from "../run_record.ts";
import type { SummaryOptions } from "../summary.ts";

/** Makes text of a run; width and color are for formats that a terminal shows. */
export type Format = (record: RunRecord, options: SummaryOptions) => string;

/**
 * The formats in which a run can be reported. A new one is a row here and a file
 * beside this one, which reads the record and nothing else.
 */
export const FORMATS: Readonly<Record<string, () => Promise<Format>>> = {
  table: () => import("./table.ts").then((module) => module.tableReport),
  json: () => import("./json.ts").then((module) => module.jsonReport),
  markdown: () =>
    import("./markdown.ts").then((module) => module.markdownReport),
  junit: () => import("./junit.ts").then((module) => module.junitReport),
  perfetto: () =>
    import("./perfetto.ts").then((module) => module.perfettoReport),
  otlp: () => import("./otlp.ts").then((module) => module.otlpReport),
  profile: () => import("./profile.ts").then((module) => module.profileReport),
};
