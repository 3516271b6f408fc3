import { parseDuration } from "../schema/duration.ts";
import type { RunnerError } from "../errors.ts";
import type { RegisteredPlugin } from "../plugins/registry.ts";
import { findOption, type OptionName, OPTIONS } from "../options/options.ts";
import type { Phase, PluginConfig } from "../plugins/plugin.ts";
import {
  type DeniedAccess,
  DeniedError,
} from "../plugins/permissions/plugin_permissions.ts";
import { runPhase } from "../plugins/run_phase.ts";
import { SourceRegistry } from "../source/custom_source.ts";
import type { RunState } from "./run_state.ts";
import { registerWithOuterRunners } from "../secrets/registration/outer_runners.ts";

/** Phases in which plugins can register source types. */
const SOURCE_PHASES: readonly Phase[] = [
  "pre_validation",
  "post_validation",
  "pre_source_prep",
];

/** Phases in which plugins can add steps. */
const STEP_PHASES: readonly Phase[] = [
  ...SOURCE_PHASES,
  "post_source_prep",
  "pre_execution",
];

/** Settings that plugins can change until the job's command starts. */
const LATE_SETTINGS: ReadonlySet<string> = new Set([
  "job_command",
  "timeout",
  "grace",
]);

/**
 * Calls the plugins of a phase and applies their changes to the job.
 *
 * @param plugins The plugins of the job.
 * @param run The run; it gets changes, timings and metrics of plugins.
 * @returns Errors that do not end the job.
 * @throws {RunnerError} `plugin-failed`, except in `on_error` and `cleanup`.
 */
export async function callPlugins(
  plugins: readonly RegisteredPlugin[],
  phase: Phase,
  run: RunState,
): Promise<readonly RunnerError[]> {
  const { logger, workspace, masker, sources } = run.runner;
  const { errors } = await runPhase(plugins, phase, {
    config: createPluginConfig(run, phase),
    env: run.jobEnv,
    jobPath: workspace.base,
    sourcePath: run.sourcePath,
    ciSourcePath: run.ci.path,
    exitCode: run.exitCode,
    error: run.error,
    shared: run.shared,
    signal: run.cancellation.graceful,
    registerSecret(value) {
      run.recorder.recordSecret("registered by a plugin");
      registerWithOuterRunners(run.runner, value);
    },
    addStep(step) {
      if (!STEP_PHASES.includes(phase)) {
        throw new TypeError(
          `Cannot add step "${step.name}": the job has already started`,
        );
      }
      run.addedSteps.push(step);
    },
    registerSource(type, handler) {
      if (!SOURCE_PHASES.includes(phase)) {
        throw new TypeError(
          `Cannot register source type "${type}": the source has already been prepared`,
        );
      }
      run.sources ??= new SourceRegistry(sources);
      run.sources.add(type, handler);
    },
  }, {
    logger,
    maskStream: () => masker.stream(),
    hookTimeoutMs: readHookTimeoutMs(run),
    onTiming(timing, error) {
      run.hooks.push(timing);
      const denied = error && findDenied(error);
      run.recorder.add("plugin.called", {
        ...timing,
        ...error && { error: error.message },
        ...denied && { denied: [`${denied.kind} ${denied.value}`] },
      });
    },
    onMetric(metric) {
      run.metrics.push({ ...metric, name: masker.maskText(metric.name) });
      run.recorder.add("metric", metric);
    },
  });
  return errors;
}

/**
 * Finds the denied access if a plugin failed because of a missing permission.
 */
function findDenied(error: unknown): DeniedAccess | undefined {
  if (error instanceof DeniedError) return error.denied;
  return error instanceof Error ? findDenied(error.cause) : undefined;
}

/**
 * Reads the time limit of plugins, in milliseconds; an invalid one is reported when
 * all settings are validated.
 */
function readHookTimeoutMs({ settings }: RunState): number | undefined {
  const text = settings.get("plugin_timeout")?.value;
  return typeof text === "string" && parseDuration(text) || undefined;
}

function createPluginConfig(run: RunState, phase: Phase): PluginConfig {
  const { settings, areSettingsOpen } = run;
  return {
    get(key) {
      const value = settings.get(key as OptionName)?.value;
      return typeof value === "string" || value === undefined
        ? value
        : JSON.stringify(value);
    },
    set(key, value) {
      const mayBeLate = LATE_SETTINGS.has(key) && STEP_PHASES.includes(phase);
      if (!areSettingsOpen && !mayBeLate) {
        throw new TypeError(
          `Cannot change setting "${key}": the configuration has already been validated`,
        );
      }
      const known = findOption(key);
      if (known === undefined || known.isCallersOnly) {
        const why = known ? "only the caller can set it" : "no such setting";
        throw new TypeError(`Cannot change setting "${key}": ${why}`);
      }
      settings.set(key as OptionName, { value, origin: "a plugin" });
      run.haveSettingsChanged ||= !areSettingsOpen;
    },
    keys: () =>
      OPTIONS.map(({ name }) => name)
        .filter((name) => settings.get(name) !== undefined),
  };
}
