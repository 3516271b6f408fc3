import { basename } from "@std/path/posix/basename";
import type { JobConfig } from "../config/job_config.ts";
import { Variable } from "../environment/variables.ts";
import { messageOf, osReason } from "../errors.ts";
import { appendUntrusted, readUntrusted } from "../fs/untrusted_file.ts";
import { lockDirectory } from "../fs/file_lock.ts";
import { writeAtomic } from "../fs/write_atomic.ts";
import { CI_DIRECTORY, isInside } from "../job_path.ts";
import { UsageMeter } from "../process/usage.ts";
import {
  annotationsBegin,
  annotationsEnd,
  type CiSystem,
  detectCiSystem,
  forbiddenMarkers,
  groupMarkers,
} from "../report/annotations.ts";
import { guardedSinks } from "../output/marker_guards.ts";
import { maskEvent } from "../report/event_schema.ts";
import { exportRun, reportActiveRun } from "../report/export_otlp.ts";
import { FORMATS, type ReportFormat } from "../report/formats/formats.ts";
import {
  createRecord,
  type RecordText,
  type RunRecord,
} from "../report/run_record.ts";
import { RecordWriter } from "../report/record_writer.ts";
import { RECORD_VERSION, type RunEvents } from "../report/run_event.ts";
import { VERSION } from "../package_version.ts";
import { forgetSecretOutputs } from "../steps/output_files.ts";
import { realPath } from "../workspace/guard.ts";
import { makeArtifacts } from "./job_workspace.ts";
import type { TraceContext } from "./job_environment.ts";
import {
  earlierRun,
  type Place,
  readEarlierRun,
  recordName,
  requestedRevision,
  shownOptions,
  splitPath,
} from "./job_record.ts";
import { remaskJobLog } from "./record_steps.ts";
import type { RunState } from "./run_state.ts";

/** How a run ended. */
export type RunEnd = RunEvents["run.ended"];

/** Writes the record, reports, annotations and export of a run. */
export class Reporting {
  readonly #run: RunState;
  readonly #config: JobConfig;
  readonly #trace: TraceContext;
  readonly #ciSystem: CiSystem | undefined;
  /** Random token for annotations, which steps cannot know. */
  readonly #token = crypto.randomUUID();
  #record: RecordWriter | undefined;
  /** Reports to a collector that the run is active. */
  #active: Disposable | undefined;
  /** Record of the run with which a page compares. */
  #earlier: RecordText | undefined;
  /** Real paths of the directories of reports before any step ran. */
  readonly #places = new Map<string, string>();

  private constructor(run: RunState, config: JobConfig, trace: TraceContext) {
    this.#run = run;
    this.#config = config;
    this.#trace = trace;
    this.#ciSystem = findCiSystem(run, config);
  }

  /**
   * Starts reporting on a run, before its sources are prepared.
   *
   * @param trace Trace to which the job belongs.
   * @throws {RunnerError} `workspace` if a directory cannot be created.
   */
  static async open(
    run: RunState,
    config: JobConfig,
    trace: TraceContext,
  ): Promise<Reporting> {
    const reporting = new Reporting(run, config, trace);
    const { traceId, spanId, parentSpanId, sampled } = trace;
    const { host } = run.runner;
    run.meter = new UsageMeter();
    run.recorder.begin({
      version: RECORD_VERSION,
      kind: "job",
      id: run.runner.run.id,
      name: host.env[Variable.workflowNodeName] || basename(host.cwd) || "job",
      ...requestedRevision(run, config),
      runner: { version: VERSION, deno: Deno.version.deno },
      trace: {
        traceId,
        spanId,
        ...parentSpanId === undefined ? {} : { parentSpanId },
        sampled,
      },
    });
    run.recorder.add("run.configured", { options: shownOptions(run) });
    recordSecrets(run);
    await reporting.#openLogExporter();
    await reporting.#rememberPlaces();
    await reporting.#beginAnnotations();
    if (!isInSource(config)) await reporting.#openRecord();
    reporting.#reportActive();
    return reporting;
  }

  /**
   * Opens the record if that was postponed because a source was prepared in its
   * directory.
   *
   * @throws {RunnerError} `workspace` if a directory cannot be created.
   */
  async afterSources(): Promise<void> {
    if (this.#record === undefined) await this.#openRecord();
  }

  /**
   * Finishes the record, writes the requested reports, and exports the run.
   * Failures are warnings.
   *
   * @param end How the run ended.
   */
  async finish(end: RunEnd): Promise<void> {
    const { recorder, runner } = this.#run;
    // Plugins and sources may have added secrets.
    recordSecrets(this.#run);
    recorder.add("run.ended", end);
    await this.#record?.finish();
    const formTotal = runner.masker.formTotal;
    runner.onJobEnd?.(() => this.#remask(formTotal));
    const { reports, profile } = this.#config.output;
    this.#active?.[Symbol.dispose]();
    const isRead = reports.length > 0 || profile || this.#isExported ||
      this.#ciSystem;
    // The rest of the output is sent within the same time limit as the run.
    const exported = this.#run.logExporter?.finish();
    if (!isRead) return await this.#settle([exported]);
    const maskText = (text: string) => runner.masker.maskText(text);
    const record = createRecord(
      recorder.events.map((event) => maskEvent(event, maskText)),
    );
    if (record === undefined) return await this.#settle([exported]);
    if (profile) await this.#printProfile(record);
    await this.#annotate(record);
    for (const report of reports) {
      if (!isPush(report)) await this.#writeReport(report, record);
    }
    // All requests share the time limit for the end of the run.
    await this.#settle([
      exported,
      ...reports.filter(isPush).map((report) => this.#push(report, record)),
      this.#isExported ? this.#export(record) : undefined,
    ]);
  }

  /** Masks the written files again if secrets have become known since. */
  async #remask(formTotal: number): Promise<void> {
    const { masker } = this.#run.runner;
    if (masker.formTotal === formTotal) return;
    await remaskJobLog(this.#run);
    await forgetSecretOutputs(this.#run.runner, masker);
    await this.#record?.remask();
  }

  /** Waits for exports, unless the workflow of the job does. */
  async #settle(sendings: readonly unknown[]): Promise<void> {
    const all = Promise.all(sendings);
    const { exports } = this.#run.runner;
    if (exports === undefined) await all;
    else exports.add(all);
  }

  /** Whether the run is exported to a collector. */
  get #isExported(): boolean {
    return this.#trace.parentOf !== undefined;
  }

  #reportActive(): void {
    if (!this.#isExported) return;
    const { recorder, runner } = this.#run;
    const { host: { env }, masker, allowInsecureTransport } = runner;
    const maskText = (text: string) => masker.maskText(text);
    this.#active = reportActiveRun({
      env,
      recorder,
      maskText,
      allowInsecureTransport,
    });
  }

  async #push(report: string, record: RunRecord): Promise<void> {
    const { allowInsecureTransport } = this.#run.runner;
    const { pushMetrics } = await import("../report/push_metrics.ts");
    await pushMetrics(record, parseReport(report).path!, {
      allowInsecureTransport,
      onWarning: (message) => this.#warn("report", message),
    });
  }

  async #export(record: RunRecord): Promise<void> {
    const { host, allowInsecureTransport } = this.#run.runner;
    await exportRun(record, host.env, {
      allowInsecureTransport,
      onWarning: (message) => this.#warn("otel", message),
    });
  }

  /**
   * Warns in the log of the workflow, because that of its job is closed before
   * the exports end.
   */
  #warn(component: string, message: string): void {
    const { logger, exports } = this.#run.runner;
    (exports ?? logger).warn(component, message);
  }

  async #openLogExporter(): Promise<void> {
    const { runner, recorder } = this.#run;
    const { host: { env }, masker, allowInsecureTransport } = runner;
    const { output } = this.#config;
    if (!output.otelLogs) return;
    const { shouldExportLogs, LogExporter } = await import(
      "../report/export_logs.ts"
    );
    const [started] = recorder.events;
    if (!shouldExportLogs(env, output) || started.event !== "run.started") {
      return;
    }
    const maskText = (text: string) => masker.maskText(text);
    this.#run.logExporter = new LogExporter({
      env,
      started: maskEvent(started, maskText) as typeof started,
      masker,
      hasStderr: output.stderr === "separate",
      allowInsecureTransport,
      onWarning: (message) => this.#warn("otel", message),
    });
  }

  async #beginAnnotations(): Promise<void> {
    const { stdout, stderr, masker } = this.#run.runner;
    if (this.#ciSystem === undefined) return;
    for (const marker of forbiddenMarkers(this.#ciSystem)) {
      masker.forbid(marker);
    }
    this.#run.markers = {
      groups: groupMarkers(this.#ciSystem, this.#token),
      sinks: guardedSinks(this.#ciSystem, { stdout, stderr }),
    };
    const lines = annotationsBegin(this.#ciSystem, this.#token);
    if (lines !== "") await stderr.write(new TextEncoder().encode(lines));
  }

  async #printProfile(record: RunRecord): Promise<void> {
    const { stderr, logger } = this.#run.runner;
    const write = await FORMATS.profile.load();
    const text = await write(record, { color: false });
    await logger.flush().catch(() => {});
    // A job does not fail because its profile cannot be printed.
    await stderr.write(new TextEncoder().encode(`\n${text}`)).catch(() => {});
  }

  /** Writes annotations for the surrounding CI system. */
  async #annotate(record: RunRecord): Promise<void> {
    const { host, stderr, logger } = this.#run.runner;
    if (this.#ciSystem === undefined) return;
    const lines = annotationsEnd(this.#ciSystem, record, this.#token);
    await logger.flush().catch(() => {});
    await stderr.write(new TextEncoder().encode(lines)).catch(() => {});
    const summary = host.env.GITHUB_STEP_SUMMARY;
    if (this.#ciSystem !== "github" || !summary) return;
    const write = await FORMATS.markdown.load();
    const text = await write(record, { color: false });
    try {
      await appendUntrusted(summary, `${text}\n`);
    } catch (error) {
      logger.warn(
        "report",
        `Cannot write the step summary "${summary}": ${osReason(error)}`,
      );
    }
  }

  async #openRecord(): Promise<void> {
    const { recorder, runner, lock } = this.#run;
    const { record, reports } = this.#config.output;
    if (reports.some((report) => parseReport(report).format === "html")) {
      // This run replaces the record.
      this.#earlier = await readEarlierRun(this.#run, this.#config);
    }
    if (record === "off" || record === undefined && !lock) return;
    const place = record === undefined
      ? {
        ...await this.#makeArtifactPlace(recordName(runner.host.env)),
        isOwn: true,
      }
      : { ...splitPath(record, runner.host.cwd), isOwn: false };
    this.#record = await RecordWriter.open(recorder, {
      ...place,
      maskText: (text) => runner.masker.maskText(text),
      secretTotal: () => runner.masker.formTotal,
      onWarning: (message) => runner.logger.warn("record", message),
    });
  }

  #readEarlier(record: RunRecord): RunRecord | undefined {
    if (this.#earlier === undefined) return undefined;
    return earlierRun(this.#earlier, record, this.#run, this.#config);
  }

  /** Writes a report, given as `FORMAT` or `FORMAT=PATH`. */
  async #writeReport(report: string, record: RunRecord): Promise<void> {
    const { logger } = this.#run.runner;
    const { format, path } = parseReport(report);
    const { load, fileName, addsUp = false, isPrivate = false } =
      FORMATS[format];
    try {
      const { directory, name } = path === undefined
        ? await this.#makeArtifactPlace(fileName)
        : await this.#resolvePlace(path);
      await Deno.mkdir(directory, { recursive: true });
      const write = await load();
      const file = `${directory}/${name}`;
      // The lock is on the directory, since the file itself is replaced.
      using _ = addsUp
        ? await lockDirectory(directory, { timeoutMs: LOCK_TIMEOUT_MS })
        : undefined;
      const previous = addsUp ? await readReport(file) : undefined;
      const earlier = format === "html" ? this.#readEarlier(record) : undefined;
      const text = await write(record, { color: false, previous, earlier });
      await writeAtomic(file, text, { mode: isPrivate ? 0o600 : 0o644 });
    } catch (error) {
      logger.warn(
        "report",
        `Cannot write the report "${path ?? fileName}": ${messageOf(error)}`,
      );
    }
  }

  async #rememberPlaces(): Promise<void> {
    for (const report of this.#config.output.reports) {
      const { path } = parseReport(report);
      if (path === undefined || isPush(report)) continue;
      const { directory } = splitPath(path, this.#run.runner.host.cwd);
      this.#places.set(path, await realPath(directory));
    }
  }

  /**
   * Resolves the place of a report. A link that a step or source created on the
   * path may lead elsewhere in the workspace, but not out of it.
   */
  async #resolvePlace(path: string): Promise<Place> {
    const { host, workspace } = this.#run.runner;
    const { directory, name } = splitPath(path, host.cwd);
    const real = await realPath(directory);
    const before = this.#places.get(path);
    if (real === before) return { directory: real, name };
    const base = await realPath(workspace.base);
    if (
      before !== undefined && [real, before].every((one) => isInside(base, one))
    ) {
      return { directory: real, name };
    }
    throw new Error(
      `"${directory}" leads to "${real}", through a link that was created during the run`,
    );
  }

  async #makeArtifactPlace(name: string): Promise<Place> {
    const { workspace } = this.#run.runner;
    return { directory: await makeArtifacts(workspace, this.#config), name };
  }
}

/** Maximum time to wait for other runs that write the same report, in milliseconds. */
const LOCK_TIMEOUT_MS = 10_000;

/** Maximum size of an existing report that is extended, in bytes. */
const MAX_PREVIOUS_BYTES = 16 * 1024 * 1024;

async function readReport(file: string): Promise<string | undefined> {
  try {
    const bytes = await readUntrusted(file, { maxBytes: MAX_PREVIOUS_BYTES });
    return new TextDecoder().decode(bytes);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Splits `FORMAT` or `FORMAT=PATH`. */
function parseReport(report: string): { format: ReportFormat; path?: string } {
  const [format] = report.split("=", 1) as [ReportFormat];
  const path = report.slice(format.length + 1);
  return path === "" ? { format } : { format, path };
}

/** Checks whether a report goes to a push gateway instead of a file. */
function isPush(report: string): boolean {
  return /^https?:\/\//.test(parseReport(report).path ?? "");
}

function recordSecrets({ secrets, recorder }: RunState): void {
  for (const { name, rule } of secrets.all) recorder.recordSecret(rule, name);
}

/**
 * Finds the CI system to annotate for; a nested job leaves annotations to the
 * outer one.
 */
function findCiSystem(
  { runner: { host, run } }: RunState,
  { output: { annotate } }: JobConfig,
): CiSystem | undefined {
  if (run.isInherited || annotate === "off") return undefined;
  return annotate === "auto" ? detectCiSystem(host.env) : annotate;
}

/**
 * Checks whether artifacts are inside a source directory, where a file would
 * prevent the source from being prepared.
 */
function isInSource({ artifactsDir, sourceDir }: JobConfig): boolean {
  return isInside(sourceDir, artifactsDir) ||
    isInside(CI_DIRECTORY, artifactsDir);
}
