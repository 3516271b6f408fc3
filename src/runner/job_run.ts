import type { JobConfig } from "../config/job_config.ts";
import { validateSettings, validConfig } from "../config/load_config.ts";
import { Settings } from "../config/settings.ts";
import type { StepProblems } from "../report/problem_finder.ts";
import type { StepConfig } from "../config/step_config.ts";
import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import type { PrivateDirectory } from "../fs/temporary_directory.ts";
import type { EndingSignal } from "../host.ts";
import type { PluginMetric, PluginTiming } from "../plugins/run_phase.ts";
import type { Cancellation } from "../process/cancellation.ts";
import type { UsageMeter } from "../process/usage.ts";
import { signalExitCode } from "../process/exit_code.ts";
import type { LogExporter } from "../report/export_logs.ts";
import { RunRecorder } from "../report/run_recorder.ts";
import type { SecretLookup } from "../secrets/references.ts";
import type { SourceRegistry } from "../source/custom_source.ts";
import type { Manifest } from "../source/directory_manifest.ts";
import type { Step } from "../steps/step.ts";
import type { WorkspaceLock } from "../workspace/lock.ts";
import {
  KnownSecrets,
  secretsOfSettings,
  type SecretSurroundings,
  type SettingsSecrets,
  setUpMasker,
} from "./mask_secrets.ts";
import type { OutputMarkers } from "./open_job_log.ts";
import type { RunnerParts } from "./runner_parts.ts";

/** State of one run of a job. */
export class JobRun {
  /** The context of the runner. */
  readonly parts: RunnerParts;
  /** Recorder of the run's events. */
  readonly recorder: RunRecorder = new RunRecorder();
  /**
   * Markers in the log for the CI system that gets annotations, if there is
   * one.
   */
  markers: OutputMarkers | undefined;
  /** Exporter of the output of steps, if it is exported. */
  logExporter: LogExporter | undefined;
  /** Measures the programs of the job if there is a record. */
  meter: UsageMeter | undefined;
  /** Searches the output of steps for problems, if there are matchers. */
  problems: StepProblems | undefined;
  /** Settings of all layers. */
  settings: Settings = new Settings();
  /** Steps of a pipeline script; they override those of the job file. */
  readonly ownSteps: readonly Step[] | undefined;
  /** Steps of the job file, if it has steps. */
  steps: readonly StepConfig[] | undefined;
  /** Steps that plugins added. */
  readonly addedSteps: StepConfig[] = [];
  /** Cancellation of the job. */
  readonly cancellation: Cancellation;
  /** Variables of the job; plugins can change them until the command starts. */
  readonly jobEnv: Record<string, string> = {};
  /** Lock of the workspace, once the job holds it. */
  lock: WorkspaceLock | undefined;
  /** Custom source types, including those that plugins provide for this run. */
  sources: SourceRegistry | undefined;
  /** Absolute path of the source, once it is prepared. */
  sourcePath: string | undefined;
  /**
   * Absolute path from which the trusted CI source is read, once it is
   * prepared.
   */
  ciSourcePath: string | undefined;
  /**
   * Absolute path in the workspace at which the trusted CI source was prepared.
   */
  ciPreparedPath: string | undefined;
  /**
   * Directory for the copy of the trusted CI source, once its path is needed.
   */
  ciCopyDirectory: PrivateDirectory | undefined;
  /** Whether the copy of the trusted CI source exists. */
  hasCiCopy = false;
  /** Whether files above the copy stop programs from searching further up. */
  hasCiBoundary = false;
  /** Contents of the copy when it was created. */
  ciCopyManifest: Manifest | undefined;
  /** Contents of the trusted CI source when it was prepared. */
  ciManifest: Manifest | undefined;
  /** Exit code of the command; `null` until it has ended. */
  exitCode: number | null = null;
  /** First error of the job. */
  error: Error | undefined;
  /** Errors after the first one, while the job was ending. */
  readonly laterErrors: Error[] = [];
  /** Secrets that were known before the job started. */
  readonly secrets: KnownSecrets;
  /** Returns secrets of the store and of providers, once one is referenced. */
  secretLookup: SecretLookup | undefined;
  /** Whether the job is only planned. */
  isDryRun = false;
  /** Duration of each plugin in each phase. */
  readonly hooks: PluginTiming[] = [];
  /** Metrics that plugins recorded. */
  readonly metrics: PluginMetric[] = [];
  /** Values that plugins share with each other. */
  readonly shared: Map<string, unknown> = new Map();
  /** Whether plugins can still add follow-up jobs. */
  areTriggersOpen = true;
  /** Whether plugins changed settings after they were validated. */
  haveSettingsChanged = false;
  #areSettingsOpen = true;
  #isValid = false;

  /**
   * Creates the run of a job that has not started.
   *
   * @param parts The context of the runner.
   * @param cancellation Cancellation of the job.
   * @param ownSteps Steps of a pipeline script.
   */
  constructor(
    parts: RunnerParts,
    cancellation: Cancellation,
    ownSteps?: readonly Step[],
  ) {
    this.parts = parts;
    this.cancellation = cancellation;
    this.secrets = new KnownSecrets(parts);
    this.ownSteps = ownSteps;
  }

  /**
   * Ids of the workspace locks that cover programs of the job, separated by
   * commas; empty if there is no lock.
   */
  get lockIds(): string {
    return this.lock?.ids ?? this.parts.host.env[Variable.workspaceLock] ?? "";
  }

  /** Whether plugins can still change settings. */
  get areSettingsOpen(): boolean {
    return this.#areSettingsOpen;
  }

  /**
   * Validates the settings; afterwards, they cannot be changed.
   *
   * @returns The configuration.
   * @throws {RunnerError} `invalid-config`, with all problems.
   */
  validate(): JobConfig {
    this.#areSettingsOpen = false;
    this.haveSettingsChanged = false;
    this.fillMasker();
    const { host, logger } = this.parts;
    const result = validateSettings(this.settings, {
      cwd: host.cwd,
      env: host.env,
      steps: this.steps,
      hasOwnSteps: this.ownSteps !== undefined,
      sourceTypes: this.#sourceTypes(),
    });
    for (const warning of result.warnings) logger.warn("config", warning);
    const config = validConfig(result);
    setUpMasker(this.parts, config);
    Object.assign(this.jobEnv, { ...config.env, ...this.jobEnv });
    this.#isValid = true;
    this.fillMasker();
    return config;
  }

  /**
   * Adds all known secrets to the masker. Until the settings are validated,
   * their secrets are found in the raw values.
   */
  fillMasker(): void {
    const { secrets, minBytes } = this.findSecrets();
    if (this.#isValid) return this.secrets.add(secrets);
    this.parts.masker.minBytes = minBytes;
    for (const secret of secrets) this.secrets.mask(secret);
  }

  /** Collects the known secrets. */
  findSecrets(): SettingsSecrets {
    return secretsOfSettings(this.surroundings);
  }

  /** Settings, variables and steps in which to find secrets. */
  get surroundings(): SecretSurroundings {
    const { host: { env, cwd } } = this.parts;
    return {
      settings: this.settings,
      env,
      cwd,
      ...this.#isValid ? { jobEnv: this.jobEnv } : {},
      steps: this.allSteps,
    };
  }

  /** All known steps, including those of plugins. */
  get allSteps(): readonly Step[] {
    return [...this.ownSteps ?? this.steps ?? [], ...this.addedSteps];
  }

  /**
   * Records a failure. The first one is the error of the job.
   *
   * @param thrown Thrown value.
   */
  fail(thrown: unknown): void {
    const { signal } = this.cancellation;
    if (this.error === undefined && signal !== null && isPluginError(thrown)) {
      // The job was cancelled first; the failure of the plugin is a
      // consequence.
      this.error = cancelledError(signal);
      this.parts.logger.error("plugins", thrown.message);
    }
    const error = this.#wasCancelled(thrown)
      ? cancelledError(signal!)
      : thrown instanceof Error
      ? thrown
      : new Error(String(thrown));
    if (this.error === undefined) this.error = error;
    else this.laterErrors.push(error);
  }

  /** Masks secrets in the errors before they leave the runner. */
  async maskErrors(): Promise<void> {
    const { masker } = this.parts;
    if (this.error === undefined && this.laterErrors.length === 0) return;
    const { maskedError } = await import("./masked_error.ts");
    if (this.error) this.error = maskedError(this.error, masker);
    this.laterErrors.splice(
      0,
      Infinity,
      ...this.laterErrors.map((error) => maskedError(error, masker)),
    );
  }

  /** Checks whether an error only means that the job was cancelled. */
  #wasCancelled(thrown: unknown): boolean {
    return this.cancellation.signal !== null &&
      thrown instanceof DOMException && thrown.name === "AbortError";
  }

  /**
   * Returns the allowed custom types; plugins can provide types until the
   * source is prepared.
   */
  #sourceTypes(): readonly string[] | "any" {
    const { plugins, sources } = this.parts;
    const mayProvide = plugins?.plugins.some(({ plugin }) =>
      plugin.execute || plugin.postValidation || plugin.preSourcePrep
    );
    return mayProvide
      ? "any"
      : [...(this.sources ?? sources)?.handlers.keys() ?? []];
  }
}

function isPluginError(thrown: unknown): thrown is RunnerError {
  return thrown instanceof RunnerError && thrown.code === "plugin-failed";
}

/**
 * Creates the error of a job that was cancelled.
 *
 * @param signal Signal that cancelled the job.
 * @returns The error, with the exit code of a program that the signal
 * terminates.
 */
export function cancelledError(signal: EndingSignal): RunnerError {
  return new RunnerError(`The job was cancelled by ${signal}`, {
    code: "cancelled",
    exitCode: signalExitCode(signal),
  });
}
