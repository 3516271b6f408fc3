import type { JobConfig } from "../config/job_config.ts";
import type { JobFileText } from "../config/job_file.ts";
import { loadSettings } from "../config/load_config.ts";
import type { Layer } from "../config/settings.ts";
import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { CI_SYSTEMS, type OptionName } from "../options/options.ts";
import type { Phase } from "../plugins/plugin.ts";
import { Cancellation, onAbort } from "../process/cancellation.ts";
import type { StepProblems } from "../report/problem_finder.ts";
import type { Job } from "../steps/job.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import type { JobStatus, StepResult } from "../steps/step.ts";
import type { Trigger } from "../triggers/trigger.ts";
import type { ContainerSetting } from "./nested_container.ts";
import { execute } from "./execute.ts";
import {
  exportedTrace,
  isExported,
  type TraceContext,
  traceContext,
} from "./job_environment.ts";
import type { RunJobOptions } from "./run_job_options.ts";
import type { JobResult } from "./job_result.ts";
import { JobRun } from "./job_run.ts";
import type { JobPlugins } from "./load_plugins.ts";
import {
  maskedResult,
  noteGuesses,
  warnOfUnknownSecretNames,
} from "./mask_secrets.ts";
import type { Reporting } from "./reporting.ts";
import { prepareSources, removeJobCredentials } from "./prepare_sources.ts";
import { resolveSecrets } from "./resolve_secrets.ts";
import type { RunnerParts } from "./runner_parts.ts";
import { pathExistsSync } from "../fs/files.ts";

/** Options of a job that are not configuration. */
export type JobControls =
  & Pick<
    RunJobOptions,
    | "signal"
    | "handleSignals"
    | "flushTriggers"
    | "dryRun"
    | "onStepEvent"
  >
  & {
    /** Path or text of a job file. */
    jobFile?: string | JobFileText;
    /** The job, if a pipeline script defines one with steps. */
    job?: Pick<Job, "steps">;
    /** Setting of the nested container, if the command runs in one. */
    container?: ContainerSetting;
  };

/**
 * Runs a job, from loading its configuration to its cleanup.
 *
 * @param parts The context of the runner.
 * @param layer Configuration that overrides all other layers.
 * @param controls Options that are not configuration.
 * @returns The result.
 * @throws {RunnerError} If the job cannot run at all.
 */
export async function runJob(
  parts: RunnerParts,
  layer: Layer,
  controls: JobControls,
): Promise<JobResult> {
  const start = performance.now();
  const run = new JobRun(parts, new Cancellation(), controls.job?.steps);
  run.isDryRun = controls.dryRun ?? false;
  using _ = cancelOn(run, controls);
  await using _lock = {
    [Symbol.asyncDispose]: async () => {
      if (run.lock === undefined) return;
      const { releaseWorkspace } = await import("./hold_workspace.ts");
      await releaseWorkspace(run, run.lock);
    },
  };
  let trace = traceContext(parts.host.env);
  let reporting: Reporting | undefined;
  let steps: readonly StepResult[] = [];
  let triggers: readonly Trigger[] = [];
  let plugins: JobPlugins | undefined;
  try {
    const skipReason = await loadRunSettings(run, layer, controls);
    if (skipReason !== undefined) {
      parts.logger.info("job", `Skipped: ${skipReason}`);
      return await skippedResult(run, trace, start);
    }
    plugins = await loadPlugins(run);
    await callPhase(run, "pre_validation");
    let config = run.validate();
    if (controls.container) await checkContainer(run, config);
    Object.assign(run.jobEnv, await resolveSecrets(run, run.jobEnv));
    run.fillMasker();
    let plan = await planSteps(run, config);
    await callPhase(run, "post_validation");
    if (controls.dryRun) {
      warnOfUnknownSecretNames(run.surroundings, parts.logger);
      const { announce } = await import("./dry_run.ts");
      announce(run, config, plan);
    } else {
      if (isExported(parts.host.env, config.output.otel)) {
        trace = exportedTrace(trace);
      }
      await holdWorkspace(run, config, plan, controls);
      reporting = await openReporting(run, config, trace);
      await callPhase(run, "pre_source_prep");
      await prepareSources(run, config);
      await reporting?.afterSources();
      if (plugins !== undefined) await plugins.loadLate();
      else if (
        run.sourcePath !== undefined || run.parts.workspace.inContainer
      ) {
        const { checkSourcePlugins } = await import("./plugin_directories.ts");
        checkSourcePlugins(run);
      }
      await callPhase(run, "post_source_prep");
      await callPhase(run, "pre_execution");
      const isChanged = run.haveSettingsChanged;
      if (isChanged) config = run.validate();
      if (isChanged || run.addedSteps.length > 0) {
        plan = await planSteps(run, config);
        await holdWorkspace(run, config, plan, controls);
      }
      // Plugins can add variables up to this point.
      warnOfUnknownSecretNames(run.surroundings, parts.logger);
      noteGuesses(run.surroundings, parts.logger);
      if (reporting !== undefined) {
        run.problems = await openProblems(run, config);
      }
      const executed = plan === undefined
        ? execute(run, config, trace, controls.container)
        : executeSteps(run, config, plan, { ...controls, trace });
      steps = await executed.finally(async () => {
        await run.problems?.[Symbol.asyncDispose]();
        await parts.endLines();
      });
      await callPhase(run, "post_execution");
      triggers = await submitFollowUpJobs(run, config, controls);
      for (const { name } of triggers) {
        run.recorder.add("trigger.submitted", { name });
      }
    }
  } catch (error) {
    run.fail(error);
  }
  if (run.error !== undefined) await callPhase(run, "on_error");
  await callPhase(run, "cleanup");
  await parts.spoofFilter?.end().catch((error) => run.fail(error));
  await plugins?.end();
  if (run.ciCopyDirectory) {
    const { removeCiCopy } = await import("./ci_source.ts");
    removeCiCopy(run);
  }
  await removeJobCredentials(run);
  const status = statusOf(run.error);
  await reporting?.finish({
    status,
    exitCode: exitCodeOf(run.error),
    durationMs: performance.now() - start,
    ...run.error === undefined ? {} : { error: run.error.message },
  });
  const { env } = parts.host;
  const isReported = env[Variable.workflowRunId] &&
    env[Variable.coordinatorUrl];
  if (isReported && !controls.dryRun) {
    const { publishResult } = await import("./workflow_output.ts");
    const exitCode = exitCodeOf(run.error);
    const durationMs = performance.now() - start;
    await publishResult(run, { status, exitCode, durationMs });
  }
  await run.maskErrors();
  // Nothing ran, so there is no result to return.
  const isThrown = status === "failed" && steps.length === 0;
  if (run.error && !isThrown) parts.logger.error("job", run.error.message);
  // A job does not fail because messages of the runner are lost.
  await parts.endLines().catch(() => {});
  await parts.logger.flush().catch(() => {});
  if (isThrown) throw run.error;
  return {
    status,
    exitCode: exitCodeOf(run.error),
    steps: steps.map((step) =>
      maskedResult(step, (text) => parts.masker.maskText(text))
    ),
    triggers,
    traceId: trace.traceId,
    durationMs: performance.now() - start,
    error: run.error,
    laterErrors: run.laterErrors,
    hooks: run.hooks,
    metrics: run.metrics,
  };
}

/**
 * Loads the settings. The masker is filled before any problem of the settings
 * is reported.
 *
 * @returns Why the event skips the job; `undefined` if the job runs.
 */
async function loadRunSettings(
  run: JobRun,
  layer: Layer,
  { jobFile, container: { defaultImage } = {} }: JobControls,
): Promise<string | undefined> {
  const { settings, steps, when, disableRunLocal, error } = await loadSettings(
    run.parts.host,
    { jobFile, layer },
  );
  if (defaultImage !== undefined && !settings.get("runner_image")?.value) {
    settings.add({
      runner_image: { value: defaultImage, origin: "the default" },
    });
  }
  run.settings = settings;
  run.steps = steps;
  run.fillMasker();
  if (error !== undefined) throw error;
  if (disableRunLocal && !run.parts.workspace.inContainer) {
    const name = typeof jobFile === "object" ? jobFile.name : jobFile;
    throw new RunnerError(
      `Cannot run "${name}" on this machine: disable_run_local is set in it`,
      { code: "invalid-job" },
    );
  }
  if (when === undefined) return undefined;
  const { jobSkipReason } = await import("./event_facts.ts");
  return await jobSkipReason(run, when);
}

/**
 * Returns the result of a skipped job: no plugin is called, and no file is
 * created.
 */
async function skippedResult(
  { parts, hooks, metrics }: JobRun,
  { traceId }: TraceContext,
  start: number,
): Promise<JobResult> {
  await parts.spoofFilter?.end();
  await parts.endLines().catch(() => {});
  await parts.logger.flush().catch(() => {});
  return {
    status: "success",
    exitCode: 0,
    steps: [],
    triggers: [],
    traceId,
    durationMs: performance.now() - start,
    error: undefined,
    laterErrors: [],
    hooks,
    metrics,
  };
}

function cancelOn(run: JobRun, controls: JobControls): Disposable {
  const { signal, handleSignals = true } = controls;
  const { cancellation, parts } = run;
  using stack = new DisposableStack();
  if (signal) {
    stack.use(onAbort(signal, () => cancellation.cancel("SIGTERM")));
  }
  if (handleSignals) {
    stack.use(parts.host.onSignal((name) => {
      parts.logger.warn("job", `${name} received`);
      cancellation.cancel(name);
    }));
  }
  return stack.move();
}

/**
 * Calls the plugins that have the phase.
 *
 * @throws {RunnerError} `plugin-failed`, except in `on_error` and `cleanup`.
 */
async function callPhase(run: JobRun, phase: Phase): Promise<void> {
  // The follow-up jobs have been submitted or discarded by now.
  if (phase === "on_error" || phase === "cleanup") run.areTriggersOpen = false;
  const registered = run.parts.plugins?.plugins ?? [];
  if (registered.length === 0) return;
  if (run.ciManifest && registered.some(({ phases }) => phases.has(phase))) {
    const { checkCiSourceIn } = await import("./ci_source.ts");
    await checkCiSourceIn(phase, run);
  }
  const { callPlugins } = await import("./call_plugins.ts");
  using _ = run.lock?.enterFunction();
  const startMs = run.recorder.ms;
  const errors = await callPlugins(registered, phase, run);
  const durationMs = run.recorder.ms - startMs;
  run.recorder.add("phase.ended", { phase, startMs, durationMs });
  run.laterErrors.push(...errors);
  // Plugins may have set variables, or listed secrets.
  run.fillMasker();
}

/** Loads plugins; a job without plugins does not load the modules for it. */
async function loadPlugins(run: JobRun): Promise<JobPlugins | undefined> {
  const isSet = (name: OptionName) =>
    (run.settings.get(name)?.value ?? "") !== "";
  const type = run.settings.get("ci_source_type")?.value;
  const hasCiSource = type !== undefined && type !== "" && type !== "none" ||
    run.parts.host.env[Variable.ciSourceDir] !== undefined;
  if (!hasCiSource && !isSet("plugin_dir") && !isSet("plugins")) {
    if (run.settings.lines("plugin_permissions").length > 0) {
      run.parts.logger.warn(
        "plugins",
        "plugin_permissions: no plugin is loaded; load some with --plugin-dir or --plugin",
      );
    }
    return;
  }
  const { loadJobPlugins } = await import("./load_plugins.ts");
  return await loadJobPlugins(run);
}

/**
 * Opens reports and the record. Without a lock on the workspace, a job writes
 * nothing there unless an option requests it.
 */
async function openReporting(
  run: JobRun,
  config: JobConfig,
  trace: TraceContext,
): Promise<Reporting | undefined> {
  const { output } = config;
  const { env } = run.parts.host;
  const hasRecord = output.record !== "off" && (output.record || run.lock);
  const isWanted = hasRecord || output.reports.length > 0 || trace.parentOf ||
    output.otelLogs ||
    output.annotate !== "off" &&
      (output.annotate !== "auto" ||
        Object.values(CI_SYSTEMS).some((variable) => env[variable]));
  if (!isWanted) return undefined;
  const { Reporting } = await import("./reporting.ts");
  return await Reporting.open(run, config, trace);
}

/** A job without problem matchers does not load what reads them. */
async function openProblems(
  run: JobRun,
  config: JobConfig,
): Promise<StepProblems | undefined> {
  if (config.output.problemMatchers.length === 0) return undefined;
  const { findProblems } = await import("./find_problems.ts");
  return await findProblems(run, config);
}

/**
 * Locks the workspace, except for a command in the user's own directory, which
 * has no files in a workspace.
 */
async function holdWorkspace(
  run: JobRun,
  config: JobConfig,
  plan: JobPlan | undefined,
  { container }: JobControls,
): Promise<void> {
  const { source, ciSource, isCwdChosen } = config;
  const { workspace, run: identity } = run.parts;
  const hasSteps = plan !== undefined;
  const hasContainer = container !== undefined;
  const hasFiles = hasSteps || hasContainer || source.type !== "none" ||
    ciSource.type !== "none";
  if (!hasFiles) {
    if (workspace.inContainer) return;
    if (!isCwdChosen && !pathExistsSync(workspace.base)) {
      identity.begunIn.add(workspace.base);
      return;
    }
  }
  const hold = await import("./hold_workspace.ts");
  await hold.holdWorkspace(run, config, { hasSteps, hasContainer });
}

async function checkContainer(run: JobRun, config: JobConfig): Promise<void> {
  const container = await import("./nested_container.ts");
  container.checkContainer(run, config);
}

async function planSteps(
  run: JobRun,
  config: JobConfig,
): Promise<JobPlan | undefined> {
  const own = run.ownSteps ?? config.steps;
  const steps = run.addedSteps.length === 0 ? own : [
    ...own ?? [{ name: "command", run: config.command ?? "" }],
    ...run.addedSteps,
  ];
  if (steps === undefined) return undefined;
  const { planJob } = await import("../steps/job_plan.ts");
  const { resolveStepSecrets } = await import("./resolve_secrets.ts");
  return planJob(
    await resolveStepSecrets(run, config, steps),
    config.selection,
  );
}

async function executeSteps(
  run: JobRun,
  config: JobConfig,
  plan: JobPlan,
  { trace, onStepEvent = () => {} }: JobControls & { trace: TraceContext },
): Promise<readonly StepResult[]> {
  const { runSteps } = await import("./run_steps.ts");
  return await runSteps(run, config, plan, { trace, onEvent: onStepEvent });
}

async function submitFollowUpJobs(
  run: JobRun,
  config: JobConfig,
  { flushTriggers: when = "success" }: JobControls,
): Promise<readonly Trigger[]> {
  // Nothing is queued, and no worker reads triggers that steps left in the
  // file.
  const isStdout = config.triggers.transport === "stdout";
  if (!run.parts.triggers?.size && !isStdout) return [];
  const { submitFollowUpJobs } = await import("./follow_up_jobs.ts");
  return await submitFollowUpJobs(run, config, when);
}

function statusOf(error: Error | undefined): JobStatus {
  if (error === undefined) return "success";
  if (!(error instanceof RunnerError)) return "failed";
  if (error.code === "cancelled") return "cancelled";
  return error.code === "command-timeout" ? "timeout" : "failed";
}

function exitCodeOf(error: Error | undefined): number {
  if (error === undefined) return 0;
  return error instanceof RunnerError ? error.exitCode : 1;
}
