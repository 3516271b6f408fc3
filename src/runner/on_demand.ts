/**
 * Parts of a run that only some jobs need. Each function loads its modules when
 * a job needs them, so that other jobs start faster.
 *
 * @module
 */
import type { JobConfig } from "../config/job_config.ts";
import type { StepConfig } from "../config/step_config.ts";
import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { pathExistsSync } from "../fs/files.ts";
import { CI_SYSTEMS, type OptionName } from "../options/options.ts";
import type { Phase } from "../plugins/plugin.ts";
import type { StepProblems } from "../report/problem_finder.ts";
import type { RunEvents } from "../report/run_event.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import type { StepResult } from "../steps/step.ts";
import type { Trigger } from "../triggers/trigger_options.ts";
import { fillMasker } from "./mask_secrets.ts";
import type { JobControls } from "./run_job_options.ts";
import type { JobPlugins, RunReporting, RunState } from "./run_state.ts";

/**
 * Calls the plugins that have the phase.
 *
 * @throws {RunnerError} `plugin-failed`, except in `on_error` and `cleanup`.
 */
export async function callPhase(run: RunState, phase: Phase): Promise<void> {
  // The follow-up jobs have been submitted or discarded by now.
  if (phase === "on_error" || phase === "cleanup") run.areTriggersOpen = false;
  const registered = run.runner.plugins?.plugins ?? [];
  if (registered.length === 0) return;
  if (run.ci.manifest && registered.some(({ phases }) => phases.has(phase))) {
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
  fillMasker(run);
}

/** Loads the plugins of the configuration and of the trusted CI source. */
export async function loadPlugins(
  run: RunState,
): Promise<JobPlugins | undefined> {
  const isSet = (name: OptionName) =>
    (run.settings.get(name)?.value ?? "") !== "";
  const type = run.settings.get("ci_source_type")?.value;
  const hasCiSource = type !== undefined && type !== "" && type !== "none" ||
    run.runner.host.env[Variable.ciSourceDir] !== undefined;
  if (!hasCiSource && !isSet("plugin_dir") && !isSet("plugins")) {
    if (run.settings.lines("plugin_permissions").length > 0) {
      run.runner.logger.warn(
        "plugins",
        "plugin_permissions: no plugin is loaded; load some with --plugin-dir or --plugin",
      );
    }
    return;
  }
  const { loadJobPlugins } = await import("./load_plugins.ts");
  return await loadJobPlugins(run);
}

/** Loads the plugins that the prepared sources contain. */
export async function loadSourcePlugins(run: RunState): Promise<void> {
  if (run.plugins !== undefined) return await run.plugins.loadLate();
  if (run.sourcePath === undefined && !run.runner.workspace.inContainer) return;
  const { checkSourcePlugins } = await import("./plugin_directories.ts");
  checkSourcePlugins(run);
}

/**
 * Opens reports and the record. Without a lock on the workspace, a job writes
 * nothing there unless an option requests it.
 */
export async function openReporting(
  run: RunState,
  config: JobConfig,
): Promise<RunReporting | undefined> {
  const { output } = config;
  const { env } = run.runner.host;
  const hasRecord = output.record !== "off" && (output.record || run.lock);
  const isWanted = hasRecord || output.reports.length > 0 ||
    run.trace.parentOf ||
    output.otelLogs ||
    output.profile ||
    output.annotate !== "off" &&
      (output.annotate !== "auto" ||
        Object.values(CI_SYSTEMS).some((variable) => env[variable]));
  if (!isWanted) return undefined;
  const { Reporting } = await import("./reporting.ts");
  return await Reporting.open(run, config, run.trace);
}

/** Starts searching the output of steps for problems. */
export async function openProblems(
  run: RunState,
  config: JobConfig,
): Promise<StepProblems | undefined> {
  if (config.output.problemMatchers.length === 0) return undefined;
  const { findProblems } = await import("./find_problems.ts");
  return await findProblems(run, config);
}

/**
 * Locks the workspace, unless the job is a command in the user's own directory,
 * which writes nothing to a workspace.
 */
export async function holdWorkspace(
  run: RunState,
  config: JobConfig,
  plan: JobPlan | undefined,
  { container }: JobControls,
): Promise<void> {
  const { source, ciSource, isCwdChosen } = config;
  const { workspace, run: identity } = run.runner;
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
  const hold = await import("./job_workspace.ts");
  await hold.acquireWorkspace(run, config, { hasSteps, hasContainer });
}

/** Checks that the command can run in a container. */
export async function checkContainer(
  run: RunState,
  config: JobConfig,
): Promise<void> {
  const container = await import("./nested_container.ts");
  container.checkNestedContainer(run, config);
}

/** Replaces references in the variables of the job with secrets. */
export async function resolveJobSecrets(run: RunState): Promise<void> {
  const { jobEnv } = run;
  if (!Object.values(jobEnv).some((value) => value.includes("${"))) return;
  const { resolveSecrets } = await import("./resolve_secrets.ts");
  Object.assign(jobEnv, await resolveSecrets(run, jobEnv));
  fillMasker(run);
}

/**
 * Plans the steps of a job; `undefined` if it has only a command.
 *
 * @throws {RunnerError} As `planJob()`, and `invalid-config` if steps are selected
 * and there are none.
 */
export async function planSteps(
  run: RunState,
  config: JobConfig,
): Promise<JobPlan | undefined> {
  const own = run.ownSteps ?? config.steps ?? debuggedCommand(config);
  const steps = run.addedSteps.length === 0 ? own : [
    ...own ?? [{ name: "command", run: config.command ?? "" }],
    ...run.addedSteps,
  ];
  if (steps === undefined) {
    checkNoSelection(config);
    return undefined;
  }
  const { planJob } = await import("../steps/job_plan.ts");
  const { resolveStepSecrets } = await import("./resolve_secrets.ts");
  return planJob(
    await resolveStepSecrets(run, config, steps),
    config.selection,
  );
}

function checkNoSelection({ selection: { only, from, skip } }: JobConfig) {
  for (const [option, names] of Object.entries({ only, from, skip })) {
    if (names === undefined) continue;
    throw new RunnerError(`Cannot use "${option}": the job has no steps`, {
      code: "invalid-config",
    });
  }
}

/** Limits the steps of a plan to those that failed in the last run, if requested. */
export async function selectFailedSteps(
  run: RunState,
  config: JobConfig,
  plan: JobPlan | undefined,
): Promise<JobPlan | undefined> {
  if (!config.selection.rerunFailed) return plan;
  const { selectFailed } = await import("./rerun_failed.ts");
  return await selectFailed(run, config, plan);
}

/** Shells open around steps, so a command becomes the only step of its job. */
function debuggedCommand(
  { debug, command, shell }: JobConfig,
): readonly StepConfig[] | undefined {
  const { shellOnFailure, breakpoints } = debug;
  if (!shellOnFailure && breakpoints === undefined) return undefined;
  if (command === undefined) return undefined;
  // Unlike a step, a command continues after a failing line.
  const isPlain = typeof command === "string" && shell === undefined;
  const run = isPlain ? ["/bin/sh", "-c", command] : command;
  return [{ name: "command", run }];
}

/** Checks that the requested shells can be opened. */
export async function checkShells(
  run: RunState,
  config: JobConfig,
  plan: JobPlan | undefined,
): Promise<void> {
  const { shellOnFailure, breakpoints } = config.debug;
  if (!shellOnFailure && breakpoints === undefined) return;
  const { checkDebugShells } = await import("./debug_shells.ts");
  checkDebugShells(run, config, plan);
}

/** Runs the steps of a job. */
export async function executeSteps(
  run: RunState,
  config: JobConfig,
  plan: JobPlan,
  { onStepEvent = () => {}, rerunCommand }: JobControls,
): Promise<readonly StepResult[]> {
  const { runSteps } = await import("./run_steps.ts");
  return await runSteps(run, config, plan, {
    trace: run.trace,
    onEvent: onStepEvent,
    rerunCommand,
  });
}

/**
 * Restores the artifacts that the job needs.
 *
 * @throws {RunnerError} `workspace` if one of them cannot be restored.
 */
export async function restoreJobArtifacts(
  { cancellation, recorder, runner: { logger } }: RunState,
  { artifacts }: JobControls,
): Promise<void> {
  for (const artifact of await artifacts?.restore(cancellation) ?? []) {
    const { job, name, bytes, count } = artifact;
    recorder.add("artifact.restored", { job, name, bytes, count });
    logger.info("artifacts", `Restored ${name}`, { job, files: count, bytes });
  }
}

/**
 * Saves the artifacts of the job, unless it was cancelled.
 *
 * @throws {RunnerError} If an artifact of a job that succeeded cannot be saved.
 */
export async function saveJobArtifacts(
  { cancellation, recorder, error, runner: { logger } }: RunState,
  { artifacts }: JobControls,
): Promise<void> {
  if (artifacts === undefined || cancellation.graceful.aborted) return;
  const outcome = error === undefined ? "success" : "failed";
  const saved = await artifacts.save(
    outcome,
    cancellation,
    ({ message }) => logger.warn("artifacts", message),
  );
  for (const { name, bytes, count } of saved) {
    recorder.add("artifact.saved", { name, bytes, count });
    logger.info("artifacts", `Saved ${name}`, { files: count, bytes });
  }
}

/** Submits the follow-up jobs, or discards them. */
export async function submitFollowUpJobs(
  run: RunState,
  config: JobConfig,
  { flushTriggers: when = "success" }: JobControls,
): Promise<readonly Trigger[]> {
  // Nothing is queued, and no worker reads triggers that steps left in the
  // file.
  const isStdout = config.triggers.transport === "stdout";
  if (!run.runner.triggers?.size && !isStdout) return [];
  const { submitQueuedJobs } = await import("./follow_up_jobs.ts");
  return await submitQueuedJobs(run, config, when);
}

/** Publishes the result of a job of a workflow for the other jobs. */
export async function publishResult(
  run: RunState,
  end: RunEvents["run.ended"],
): Promise<void> {
  const { env } = run.runner.host;
  if (!env[Variable.workflowRunId] || !env[Variable.coordinatorUrl]) return;
  const { publishJobResult } = await import("./workflow_output.ts");
  await publishJobResult(run, end);
}

/** Removes the copy of the trusted CI source, if there is one. */
export async function removeCiCopy(run: RunState): Promise<void> {
  if (run.ci.copyDirectory === undefined) return;
  const { removeCiSourceCopy } = await import("./ci_source.ts");
  removeCiSourceCopy(run);
}

/** Releases the workspace, if the job has locked it. */
export async function releaseWorkspace(run: RunState): Promise<void> {
  if (run.lock === undefined) return;
  const { closeWorkspace } = await import("./job_workspace.ts");
  await closeWorkspace(run, run.lock);
}
