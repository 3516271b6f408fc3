import { Settings } from "../config/settings.ts";
import type { StepConfig } from "../config/step_config.ts";
import { Variable } from "../environment/variables.ts";
import type { PrivateDirectory } from "../fs/temporary_directory.ts";
import type { JobLog } from "../output/job_log.ts";
import type { PluginMetric, PluginTiming } from "../plugins/run_phase.ts";
import type { Cancellation } from "../process/cancellation.ts";
import type { UsageMeter } from "../process/usage.ts";
import type { LogExporter } from "../report/export_logs.ts";
import type { StepProblems } from "../report/problem_finder.ts";
import { type RunEvents, RunRecorder } from "../report/run_event.ts";
import type { RunRecord } from "../report/run_record.ts";
import type { SecretLookup } from "../secrets/references.ts";
import type { SourceRegistry } from "../source/custom_source.ts";
import type { Manifest } from "../source/directory_manifest.ts";
import { type JobSystem, SYSTEM } from "../steps/job_system.ts";
import type { Step, StepResult } from "../steps/step.ts";
import type { Trigger } from "../triggers/trigger_options.ts";
import type { WorkspaceLock } from "../workspace/lock.ts";
import { type TraceContext, traceContext } from "./job_environment.ts";
import { KnownSecrets } from "./mask_secrets.ts";
import type { OutputMarkers } from "./open_job_log.ts";
import type { RunnerContext } from "./runner_context.ts";

/** State of one run of a job. Each phase adds to it. */
export interface RunState {
  /** The context of the runner. */
  readonly runner: RunnerContext;
  /** Recorder of the run's events. */
  readonly recorder: RunRecorder;
  /** Cancellation of the job. */
  readonly cancellation: Cancellation;

  /** Programs, time and chance for the steps. */
  readonly system: JobSystem;
  /** Start of the run on the clock of the runner, in milliseconds. */
  readonly startedAtMs: number;
  /** Trace to which the job belongs. */
  trace: TraceContext;

  /** Settings of all layers. */
  settings: Settings;
  /** Whether plugins can still change settings. */
  areSettingsOpen: boolean;
  /** Whether the settings were valid when they were last validated. */
  isValidated: boolean;
  /** Whether plugins changed settings after they were validated. */
  haveSettingsChanged: boolean;
  /** Variables of the job; plugins can change them until the command starts. */
  readonly jobEnv: Record<string, string>;
  /** Secrets that were known before the job started. */
  readonly secrets: KnownSecrets;
  /**
   * Looks up secrets of the store and of providers; set once one is referenced.
   */
  secretLookup: SecretLookup | undefined;
  /** Whether the job is only planned. */
  isDryRun: boolean;

  /** Steps of a pipeline script; they override those of the job file. */
  readonly ownSteps: readonly Step[] | undefined;
  /** Steps of the job file, if it has steps. */
  steps: readonly StepConfig[] | undefined;
  /** Steps that plugins added. */
  readonly addedSteps: StepConfig[];

  /** Lock of the workspace, once the job holds it. */
  lock: WorkspaceLock | undefined;
  /** Custom source types, including those that plugins provide for this run. */
  sources: SourceRegistry | undefined;
  /** Absolute path of the source, once it is prepared. */
  sourcePath: string | undefined;
  /** The trusted CI source. */
  readonly ci: CiSourceState;

  /** Writes the record and the reports, if there are any. */
  reporting: RunReporting | undefined;
  /**
   * Markers in the log for the CI system that gets annotations, if there is
   * one.
   */
  markers: OutputMarkers | undefined;
  /** Log of the steps, once it is open. */
  log: JobLog | undefined;
  /** Exporter of the output of steps, if it is exported. */
  logExporter: LogExporter | undefined;
  /** Measures the programs of the job if there is a record. */
  meter: UsageMeter | undefined;
  /** Searches the output of steps for problems, if there are matchers. */
  problems: StepProblems | undefined;

  /** Plugins that the job loaded, if there are any. */
  plugins: JobPlugins | undefined;
  /** Values that plugins share with each other. */
  readonly shared: Map<string, unknown>;
  /** Duration of each plugin in each phase. */
  readonly hooks: PluginTiming[];
  /** Metrics that plugins recorded. */
  readonly metrics: PluginMetric[];
  /** Whether plugins can still add follow-up jobs. */
  areTriggersOpen: boolean;

  /** Record of the last run, if its failed steps run again. */
  lastRun: RunRecord | undefined;
  /** Results of the steps. */
  results: readonly StepResult[];
  /** Follow-up jobs that were submitted. */
  submitted: readonly Trigger[];
  /** Exit code of the command; `null` until it has ended. */
  exitCode: number | null;
  /** First error of the job. */
  error: Error | undefined;
  /** Errors after the first one, while the job was ending. */
  readonly laterErrors: Error[];
}

/** Plugins that a job loads. */
export interface JobPlugins {
  /** Loads the plugins that the prepared sources contain. */
  loadLate(): Promise<void>;
  /** Ends and unregisters the plugins. */
  end(): Promise<void>;
}

/** Writes the record, reports, annotations and export of a run. */
export interface RunReporting {
  /**
   * Opens the record if that was postponed because a source was prepared in its
   * directory.
   */
  afterSources(): Promise<void>;
  /**
   * Finishes the record, writes the reports and exports the run.
   *
   * @param end How the run ended.
   */
  finish(end: RunEvents["run.ended"]): Promise<void>;
}

/** State of the trusted CI source of a run. */
export interface CiSourceState {
  /** Absolute path from which it is read, once it is prepared. */
  path: string | undefined;
  /** Absolute path in the workspace at which it was prepared. */
  preparedPath: string | undefined;
  /** Contents when it was prepared. */
  manifest: Manifest | undefined;
  /** Directory for a copy, once its path is needed. */
  copyDirectory: PrivateDirectory | undefined;
  /** Whether the copy exists. */
  hasCopy: boolean;
  /** Contents of the copy when it was created. */
  copyManifest: Manifest | undefined;
  /** Whether files above the copy stop programs from searching further up. */
  hasBoundary: boolean;
}

/**
 * Creates the state of a job that has not started.
 *
 * @param cancellation Cancellation of the job.
 * @param ownSteps Steps of a pipeline script.
 */
export function createRunState(
  runner: RunnerContext,
  cancellation: Cancellation,
  ownSteps?: readonly Step[],
): RunState {
  return {
    runner,
    recorder: new RunRecorder(),
    cancellation,
    startedAtMs: (runner.system ?? SYSTEM).clock.now(),
    system: runner.system ?? SYSTEM,
    trace: traceContext(runner.host.env),
    settings: new Settings(),
    areSettingsOpen: true,
    isValidated: false,
    haveSettingsChanged: false,
    jobEnv: {},
    secrets: new KnownSecrets(runner),
    secretLookup: undefined,
    isDryRun: false,
    ownSteps,
    steps: undefined,
    addedSteps: [],
    lock: undefined,
    sources: undefined,
    sourcePath: undefined,
    ci: {
      path: undefined,
      preparedPath: undefined,
      manifest: undefined,
      copyDirectory: undefined,
      hasCopy: false,
      copyManifest: undefined,
      hasBoundary: false,
    },
    reporting: undefined,
    markers: undefined,
    log: undefined,
    logExporter: undefined,
    meter: undefined,
    problems: undefined,
    plugins: undefined,
    shared: new Map(),
    hooks: [],
    metrics: [],
    areTriggersOpen: true,
    lastRun: undefined,
    results: [],
    submitted: [],
    exitCode: null,
    error: undefined,
    laterErrors: [],
  };
}

/**
 * Returns the IDs of the workspace locks that cover programs of the job,
 * separated by commas; empty without a lock.
 */
export function lockIdsOf(
  { lock, runner: { host: { env } } }: Pick<RunState, "lock" | "runner">,
): string {
  return lock?.ids ?? env[Variable.workspaceLock] ?? "";
}
