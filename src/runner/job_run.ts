import type { JobConfig } from "../config/job_config.ts";
import { validateSettings, validConfig } from "../config/load_config.ts";
import { Settings } from "../config/settings.ts";
import type { StepConfig } from "../config/step_config.ts";
import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import type { PrivateDirectory } from "../fs/temporary_directory.ts";
import type { EndingSignal } from "../host.ts";
import type { PluginMetric, PluginTiming } from "../plugins/run_phase.ts";
import type { Cancellation } from "../process/cancellation.ts";
import { signalExitCode } from "../process/exit_code.ts";
import { RunRecorder } from "../report/run_recorder.ts";
import type { SourceRegistry } from "../source/custom_source.ts";
import type { Manifest } from "../source/manifest.ts";
import type { Step } from "../steps/step.ts";
import type { WorkspaceLock } from "../workspace/lock.ts";
import {
  KnownSecrets,
  secretsOfSettings,
  type SecretSurroundings,
  type SettingsSecrets,
  setUpMasker,
} from "./mask_secrets.ts";
import type { RunnerParts } from "./runner_parts.ts";

/** Where in its life a job is, and what it has found out so far. */
export class JobRun {
  /** The context of the runner. */
  readonly parts: RunnerParts;
  /** What happens in the run. */
  readonly recorder: RunRecorder = new RunRecorder();
  /** Settings of all layers. */
  settings: Settings = new Settings();
  /** Steps that a pipeline script made; they win over those of a job file. */
  readonly ownSteps: readonly Step[] | undefined;
  /** Steps of the job file, if it has any. */
  steps: readonly StepConfig[] | undefined;
  /** Steps that plugins add. */
  readonly addedSteps: StepConfig[] = [];
  /** Cancellation of the job. */
  readonly cancellation: Cancellation;
  /** Variables of the command; plugins may change them until it starts. */
  readonly jobEnv: Record<string, string> = {};
  /** Lock of the workspace, from when the job begins to put files there. */
  lock: WorkspaceLock | undefined;
  /** Types of sources that plugins provide for this run, with all others. */
  sources: SourceRegistry | undefined;
  /** Absolute path of the source, once it is there. */
  sourcePath: string | undefined;
  /** Absolute path at which the trusted CI source is read, once it is there. */
  ciSourcePath: string | undefined;
  /** Absolute path in the workspace at which it was prepared. */
  ciPreparedPath: string | undefined;
  /** Directory for a copy of it, as soon as that is named. */
  ciCopyDirectory: PrivateDirectory | undefined;
  /** Whether there is such a copy. */
  hasCiCopy = false;
  /** Whether the copy has files above it at which other programs stop. */
  hasCiBoundary = false;
  /** What was in the copy when it was made. */
  ciCopyManifest: Manifest | undefined;
  /** What was in the trusted CI source when it was prepared. */
  ciManifest: Manifest | undefined;
  /** Exit code of the command, `null` before it ended. */
  exitCode: number | null = null;
  /** What went wrong first. */
  error: Error | undefined;
  /** What went wrong while the job was being ended. */
  readonly laterErrors: Error[] = [];
  /** Secrets that were known before the job started. */
  readonly secrets: KnownSecrets;
  /** How long each plugin took in each phase. */
  readonly hooks: PluginTiming[] = [];
  /** Numbers that plugins recorded. */
  readonly metrics: PluginMetric[] = [];
  /** What plugins keep for one another. */
  readonly shared: Map<string, unknown> = new Map();
  /** Whether plugins may still add follow-up jobs. */
  areTriggersOpen = true;
  /** Whether plugins have changed settings after those were validated. */
  haveSettingsChanged = false;
  #areSettingsOpen = true;
  #isValid = false;

  /**
   * Creates the run of a job that has not begun.
   *
   * @param parts The context of the runner.
   * @param cancellation Cancellation of the job.
   * @param ownSteps Steps that a pipeline script made.
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

  /** Ids of the locks of the workspace under which programs of the job run. */
  get lockIds(): string {
    return this.lock?.ids ?? this.parts.host.env[Variable.workspaceLock] ?? "";
  }

  /** Whether plugins may still change settings. */
  get areSettingsOpen(): boolean {
    return this.#areSettingsOpen;
  }

  /**
   * Validates the settings, which cannot be changed afterwards.
   *
   * @returns The configuration.
   * @throws {RunnerError} `invalid-config`, with every problem.
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
   * Has every secret masked that is known by now. Until the settings are
   * validated, that is what is secret in them as they are.
   */
  fillMasker(): void {
    const { secrets, minBytes } = this.findSecrets();
    if (this.#isValid) return this.secrets.add(secrets);
    this.parts.masker.minBytes = minBytes;
    for (const secret of secrets) this.secrets.mask(secret);
  }

  /** Finds what is secret by now. */
  findSecrets(): SettingsSecrets {
    return secretsOfSettings(this.surroundings);
  }

  /** Where secrets are looked for. */
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

  /** Every step that is known by now. */
  get allSteps(): readonly Step[] {
    return [...this.ownSteps ?? this.steps ?? [], ...this.addedSteps];
  }

  /**
   * Notes a failure; the first one is what the job failed of.
   *
   * @param thrown What was thrown.
   */
  fail(thrown: unknown): void {
    const { signal } = this.cancellation;
    if (this.error === undefined && signal !== null && isPluginError(thrown)) {
      // The job was ended first; what a plugin makes of that comes second.
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

  /**
   * Takes the secrets out of the errors, which are about to leave the runner.
   */
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

  /** Whether something ended because the job was cancelled, and says so its own way. */
  #wasCancelled(thrown: unknown): boolean {
    return this.cancellation.signal !== null &&
      thrown instanceof DOMException && thrown.name === "AbortError";
  }

  /** A plugin may provide a type until the source is prepared. */
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
 * @param signal Signal with which it was cancelled.
 * @returns The error, with the exit code of a program that the signal ends.
 */
export function cancelledError(signal: EndingSignal): RunnerError {
  return new RunnerError(`The job was cancelled by ${signal}`, {
    code: "cancelled",
    exitCode: signalExitCode(signal),
  });
}
