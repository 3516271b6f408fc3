import type { StepConfig } from "../config/step_config.ts";
import type { SourceHandler } from "../source_handler.ts";

/** A phase of a job. */
export type Phase =
  | "pre_validation"
  | "post_validation"
  | "pre_source_prep"
  | "post_source_prep"
  | "pre_execution"
  | "post_execution"
  | "on_error"
  | "cleanup";

/**
 * Phases of a job in which plugins are called, in order.
 *
 * @example Count the phases before the command
 * ```ts
 * import { PHASES } from "@reactorcide/runnerlib/plugins";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(PHASES.indexOf("post_execution"), 5);
 * ```
 */
export const PHASES: readonly Phase[] = [
  "pre_validation",
  "post_validation",
  "pre_source_prep",
  "post_source_prep",
  "pre_execution",
  "post_execution",
  "on_error",
  "cleanup",
];

/** Legacy names of phases, from when every job ran in a container. */
export const PHASE_ALIASES = {
  pre_container: "pre_execution",
  post_container: "post_execution",
} as const satisfies Readonly<Record<PhaseAlias, Phase>>;

/** A legacy name of a phase. */
export type PhaseAlias = "pre_container" | "post_container";

/** Methods called in each phase; a plugin defines at most one per phase. */
export const PHASE_METHODS = {
  pre_validation: ["preValidation"],
  post_validation: ["postValidation"],
  pre_source_prep: ["preSourcePrep"],
  post_source_prep: ["postSourcePrep"],
  pre_execution: ["preExecution", "preContainer"],
  post_execution: ["postExecution", "postContainer"],
  on_error: ["onError"],
  cleanup: ["cleanup"],
} as const satisfies Readonly<Record<Phase, readonly string[]>>;

/**
 * Resolves the name of a phase.
 *
 * @param name Current or legacy name.
 * @returns The phase, or `undefined` if the name is unknown.
 */
export function resolvePhase(name: unknown): Phase | undefined {
  const phases: readonly unknown[] = PHASES;
  if (phases.includes(name)) return name as Phase;
  return typeof name === "string" && Object.hasOwn(PHASE_ALIASES, name)
    ? PHASE_ALIASES[name as PhaseAlias]
    : undefined;
}

/** Settings of a job, as a plugin sees them. */
export interface PluginConfig {
  /**
   * Reads a setting.
   *
   * @param key Name of the setting.
   * @returns Its value as text, or `undefined` if it is not set.
   */
  get(key: string): string | undefined;
  /**
   * Changes a setting. Allowed in `pre_validation`; `job_command`, `timeout`
   * and `grace` can change until the job's command starts.
   *
   * @param key Name of the setting.
   * @param value New value as text, validated along with all other settings.
   * @throws {TypeError} In later phases.
   */
  set(key: string, value: string): void;
  /** Lists the names of all settings that have a value. */
  keys(): readonly string[];
}

/** Context that all plugins share during one run of a job. */
export interface PhaseContext {
  /** Settings of the job. */
  readonly config: PluginConfig;
  /**
   * Environment of the job's command.
   *
   * Changes take effect until the command starts.
   */
  readonly env: Record<string, string>;
  /** Absolute path of the workspace. */
  readonly jobPath: string;
  /** Absolute path of the source, once it has been prepared. */
  readonly sourcePath?: string;
  /** Absolute path of the trusted CI code, once it has been prepared. */
  readonly ciSourcePath?: string;
  /** Exit code of the job's command, or `null` until it exits. */
  readonly exitCode: number | null;
  /** First error of the job, or `undefined` if there is none so far. */
  readonly error: unknown;
  /** Values that plugins share with each other. */
  readonly shared: Map<string, unknown>;
  /**
   * Aborted when the call should return.
   *
   * This happens when its time limit is reached and, except in `on_error` and
   * `cleanup`, when the job is cancelled.
   */
  readonly signal: AbortSignal;
  /**
   * Masks a value in all output from now on.
   *
   * @param value The secret.
   */
  registerSecret(value: string): void;
  /**
   * Adds a step to the job. If the job has a command, the command becomes a
   * step named `command`. Allowed until the job's command starts.
   *
   * @param step The step.
   * @throws {TypeError} In later phases.
   */
  addStep(step: StepConfig): void;
  /**
   * Registers a source type for this run. Allowed up to `pre_source_prep`;
   * `source_type` can name the type as early as `pre_validation`.
   *
   * @param type Name of the type: lowercase letters, digits, `-` and `_`.
   * @param handler Function that fills a directory.
   * @throws {TypeError} In later phases, or if the type is taken.
   */
  registerSource(type: string, handler: SourceHandler): void;
}

/** Context that a plugin receives on each call. */
export interface PluginContext extends PhaseContext {
  /** Phase in which the plugin is called. */
  readonly phase: Phase;
  /** State of the plugin, kept between the phases of a run. */
  readonly state: Map<string, unknown>;
  /**
   * Writes a message to the runner's log, labeled with the plugin's name.
   *
   * @param message Text to log.
   */
  log(message: string): void;
  /**
   * Records a metric, which the result of the job lists.
   *
   * @param name Name of the metric.
   * @param value A finite number.
   * @throws {TypeError} If the name is empty, or the value is not a finite
   * number.
   */
  metric(name: string, value: number): void;
}

/**
 * Extends jobs with code that runs in their phases.
 *
 * In each phase of the plugin, `execute` is called first, then the method named
 * after the phase. If a method returns a promise, it is awaited; other return
 * values are ignored. A method that blocks the thread cannot be interrupted; an
 * asynchronous one is abandoned when its time limit is reached.
 *
 * @example Measure a job
 * ```ts
 * import type { Plugin } from "@reactorcide/runnerlib/plugins";
 * import { assertEquals } from "@std/assert";
 *
 * const stopwatch: Plugin = {
 *   name: "stopwatch",
 *   priority: 10,
 *   preExecution({ state }) {
 *     state.set("startedAt", performance.now());
 *   },
 *   postExecution({ state, exitCode, log }) {
 *     const ms = performance.now() - Number(state.get("startedAt"));
 *     log(`exit code ${exitCode} after ${ms.toFixed()} ms`);
 *   },
 * };
 * assertEquals(stopwatch.name, "stopwatch");
 * ```
 */
export interface Plugin {
  /** Unique name of the plugin. */
  readonly name: string;
  /**
   * Order among plugins: lower priorities set up earlier and tear down later.
   *
   * @default {100}
   */
  readonly priority?: number;
  /**
   * Effect of a failure of the plugin: `fail` ends the job, `continue` only
   * logs the error. In `on_error` and `cleanup`, errors are only logged.
   *
   * @default {"fail"}
   */
  readonly errorPolicy?: "fail" | "continue";
  /**
   * Whether the plugin is called; read again in each phase.
   *
   * @default {true}
   */
  readonly enabled?: boolean;
  /**
   * Phases in which the plugin is called. In other phases, none of its methods
   * are called, not even the one named after the phase.
   *
   * @default {all phases}
   */
  readonly phases?: readonly (Phase | PhaseAlias)[];
  /**
   * Returns the phases in which the plugin is called, if `phases` is not set.
   * Called once, when the plugin is registered.
   */
  supportedPhases?(): readonly (Phase | PhaseAlias)[];
  /** Called in each phase of the plugin. */
  execute?(context: PluginContext): unknown;
  /** Called before the settings are validated, while they can be changed. */
  preValidation?(context: PluginContext): unknown;
  /** Called after the settings have been validated. */
  postValidation?(context: PluginContext): unknown;
  /** Called before the sources are fetched. */
  preSourcePrep?(context: PluginContext): unknown;
  /** Called when the sources are in the workspace. */
  postSourcePrep?(context: PluginContext): unknown;
  /** Called before the job's command starts. */
  preExecution?(context: PluginContext): unknown;
  /** Called after the job's command exits, with any exit code. */
  postExecution?(context: PluginContext): unknown;
  /** Called once if the job failed, including a failed command. */
  onError?(context: PluginContext): unknown;
  /** Called at the end of every job, successful or not. */
  cleanup?(context: PluginContext): unknown;
  /** Legacy name of `preExecution`. */
  preContainer?(context: PluginContext): unknown;
  /** Legacy name of `postExecution`. */
  postContainer?(context: PluginContext): unknown;
}
