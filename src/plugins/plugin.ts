import type { StepConfig } from "../config/step_config.ts";
import type { SourceHandler } from "../source_handler.ts";

/** The phases of a job at which plugins are called, in their order. */
export const PHASES = [
  "pre_validation",
  "post_validation",
  "pre_source_prep",
  "post_source_prep",
  "pre_execution",
  "post_execution",
  "on_error",
  "cleanup",
] as const;

/** A phase of a job. */
export type Phase = typeof PHASES[number];

/** Older names of phases, from the time when executing meant to start a container. */
export const PHASE_ALIASES = {
  pre_container: "pre_execution",
  post_container: "post_execution",
} as const satisfies Readonly<Record<PhaseAlias, Phase>>;

/** An older name of a phase. */
export type PhaseAlias = "pre_container" | "post_container";

/** Names of the methods that a phase calls; a plugin has at most one of them. */
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
 * Finds the phase that a name stands for.
 *
 * @param name Name or older name of a phase.
 * @returns The phase, `undefined` if no phase has that name.
 */
export function phaseOf(name: unknown): Phase | undefined {
  const phases: readonly unknown[] = PHASES;
  if (phases.includes(name)) return name as Phase;
  return typeof name === "string" && Object.hasOwn(PHASE_ALIASES, name)
    ? PHASE_ALIASES[name as PhaseAlias]
    : undefined;
}

/** The settings of a job, as a plugin sees them. */
export interface PluginConfig {
  /**
   * Reads a setting.
   *
   * @param key Name of the setting.
   * @returns Its value as text, `undefined` if it is not set.
   */
  get(key: string): string | undefined;
  /**
   * Changes a setting; possible in `pre_validation`, and for `job_command`,
   * `timeout` and `grace` until the job's command starts.
   *
   * @param key Name of the setting.
   * @param value New value as text; it is validated with all the others.
   * @throws {TypeError} In later phases.
   */
  set(key: string, value: string): void;
  /** Lists the names of the settings that have a value. */
  keys(): readonly string[];
}

/** What all plugins share during one run of a job. */
export interface PhaseContext {
  /** Settings of the job. */
  readonly config: PluginConfig;
  /**
   * Environment of the job's command.
   *
   * Changes count until the command starts.
   */
  readonly env: Record<string, string>;
  /** Absolute path of the workspace. */
  readonly jobPath: string;
  /** Absolute path of the source, once it is there. */
  readonly sourcePath?: string;
  /** Absolute path of the trusted CI code, once it is there. */
  readonly ciSourcePath?: string;
  /** Exit code of the job's command, `null` before it ended. */
  readonly exitCode: number | null;
  /** What went wrong first, `undefined` as long as nothing did. */
  readonly error: unknown;
  /** Place where plugins leave things for one another. */
  readonly shared: Map<string, unknown>;
  /**
   * Aborted when the call should come to its end.
   *
   * That is the case when its time limit is reached and, except in `on_error`
   * and `cleanup`, when the job is cancelled.
   */
  readonly signal: AbortSignal;
  /**
   * Has a value masked in everything that is printed from now on.
   *
   * @param value The secret.
   */
  registerSecret(value: string): void;
  /**
   * Adds a step to the job, whose command becomes a step of the name
   * `command` then; possible until the job's command starts.
   *
   * @param step The step.
   * @throws {TypeError} In every later phase.
   */
  addStep(step: StepConfig): void;
  /**
   * Provides a type of sources for this run; possible up to `pre_source_prep`.
   * `source_type` may name it from `pre_validation` on.
   *
   * @param type Name of the type: small letters, digits, `-` and `_`.
   * @param handler Function that fills a directory.
   * @throws {TypeError} In every later phase, or if the type is taken.
   */
  registerSource(type: string, handler: SourceHandler): void;
}

/** What a plugin gets when it is called. */
export interface PluginContext extends PhaseContext {
  /** Phase in which the plugin is called. */
  readonly phase: Phase;
  /** Place where the plugin keeps its own things from phase to phase of a run. */
  readonly state: Map<string, unknown>;
  /**
   * Says something in the runner's log, under the name of the plugin.
   *
   * @param message What to say.
   */
  log(message: string): void;
  /**
   * Records a number about the job, which its result lists.
   *
   * @param name What was measured.
   * @param value The number.
   * @throws {TypeError} If the name is empty, or the value is not a number.
   */
  metric(name: string, value: number): void;
}

/**
 * Something that takes part in the life of a job.
 *
 * In each of its phases `execute` is called first, then the method that has
 * the name of the phase. A promise that a method returns is waited for; any
 * other result does not matter. A method that blocks the thread cannot be
 * interrupted; one that waits is given up after its time limit.
 *
 * @example Measure a job
 * ```ts
 * import type { Plugin } from "@reactorcide/runnerlib";
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
  /** Name, unlike that of any other plugin. */
  readonly name: string;
  /**
   * Place among the plugins: lower ones set up earlier and tear down later.
   *
   * @default {100}
   */
  readonly priority?: number;
  /**
   * What its failure means: `fail` ends the job, `continue` only logs it.
   * In `on_error` and `cleanup` no failure ends anything.
   *
   * @default {"fail"}
   */
  readonly errorPolicy?: "fail" | "continue";
  /**
   * Whether the plugin is called; read anew in each phase.
   *
   * @default {true}
   */
  readonly enabled?: boolean;
  /**
   * Phases in which the plugin is called; in others not even the method that
   * has their name is.
   *
   * @default {all phases}
   */
  readonly phases?: readonly (Phase | PhaseAlias)[];
  /**
   * Returns the phases in which the plugin is called, for plugins without
   * `phases`. It is asked once, when the plugin is registered.
   */
  supportedPhases?(): readonly (Phase | PhaseAlias)[];
  /** Called in every phase of the plugin. */
  execute?(context: PluginContext): unknown;
  /** Called before the settings are validated, while they can be changed. */
  preValidation?(context: PluginContext): unknown;
  /** Called when the settings are known to be right. */
  postValidation?(context: PluginContext): unknown;
  /** Called before code is fetched. */
  preSourcePrep?(context: PluginContext): unknown;
  /** Called when the code is in the workspace. */
  postSourcePrep?(context: PluginContext): unknown;
  /** Called before the job's command starts. */
  preExecution?(context: PluginContext): unknown;
  /** Called when the job's command has ended, whatever its exit code. */
  postExecution?(context: PluginContext): unknown;
  /** Called once if anything went wrong, a failed command included. */
  onError?(context: PluginContext): unknown;
  /** Called at the end, whatever happened. */
  cleanup?(context: PluginContext): unknown;
  /** Older name of `preExecution`. */
  preContainer?(context: PluginContext): unknown;
  /** Older name of `postExecution`. */
  postContainer?(context: PluginContext): unknown;
}
