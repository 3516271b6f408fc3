import type { JobConfig } from "../config/job_config.ts";
import {
  loadSettings,
  requireValidConfig,
  validateSettings,
} from "../config/load_config.ts";
import type { Layer } from "../config/settings.ts";
import { RunnerError } from "../errors.ts";
import { Cancellation, onAbort } from "../process/cancellation.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import { execute, printDryRun } from "./execute.ts";
import {
  createJobResult,
  exitCodeOf,
  type JobResult,
  maskErrors,
  recordFailure,
  statusOf,
} from "./job_result.ts";
import type { JobControls } from "./run_job_options.ts";
import { exportedTrace } from "./job_environment.ts";
import {
  fillMasker,
  logGuessedSecrets,
  secretsInput,
  setUpMasker,
  warnOfUnknownSecretNames,
} from "./mask_secrets.ts";
import {
  callPhase,
  checkContainer,
  checkShells,
  executeSteps,
  holdWorkspace,
  loadPlugins,
  loadSourcePlugins,
  openProblems,
  openReporting,
  planSteps,
  publishResult,
  releaseWorkspace,
  removeCiCopy,
  resolveJobSecrets,
  restoreJobArtifacts,
  saveJobArtifacts,
  selectFailedSteps,
  submitFollowUpJobs,
} from "./on_demand.ts";
import { prepareSources, removeJobCredentials } from "./prepare_sources.ts";
import { createRunState, type RunState } from "./run_state.ts";
import type { RunnerContext } from "./runner_context.ts";

/**
 * Runs a job, from loading its configuration to its cleanup.
 *
 * @param layer Configuration that overrides all other layers.
 * @param controls Options that are not configuration.
 * @throws {RunnerError} If the job cannot run at all.
 */
export async function runJob(
  runner: RunnerContext,
  layer: Layer,
  controls: JobControls,
): Promise<JobResult> {
  const run = createRunState(runner, new Cancellation(), controls.job?.steps);
  run.isDryRun = controls.dryRun ?? false;
  using _ = cancelOn(run, controls);
  await using _lock = {
    [Symbol.asyncDispose]: () => releaseWorkspace(run),
  };
  try {
    const skipReason = await loadRunSettings(run, layer, controls);
    if (skipReason !== undefined) return await skipJob(run, skipReason);
    run.plugins = await loadPlugins(run);
    await callPhase(run, "pre_validation");
    const config = await validate(run, controls);
    const plan = await planSteps(run, config);
    await checkShells(run, config, plan);
    await callPhase(run, "post_validation");
    if (run.isDryRun) await printPlan(run, config, plan);
    else await runValidJob(run, config, plan, controls);
  } catch (error) {
    recordFailure(run, error);
  }
  if (run.error !== undefined) await callPhase(run, "on_error");
  await callPhase(run, "cleanup");
  await endRun(run, controls);
  // If nothing ran, the error is thrown instead of returned in a result.
  const isThrown = statusOf(run.error) === "failed" && run.results.length === 0;
  if (run.error && !isThrown) runner.logger.error("job", run.error.message);
  await flushOutput(run);
  if (isThrown) throw run.error;
  return createJobResult(run);
}

/** Prints the plan of a run. */
async function printPlan(
  run: RunState,
  config: JobConfig,
  plan: JobPlan | undefined,
): Promise<void> {
  warnOfUnknownSecretNames(secretsInput(run), run.runner.logger);
  printDryRun(run, config, await selectFailedSteps(run, config, plan));
}

/** Prepares the sources, runs the command or the steps, and submits jobs. */
async function runValidJob(
  run: RunState,
  config: JobConfig,
  plan: JobPlan | undefined,
  controls: JobControls,
): Promise<void> {
  await holdWorkspace(run, config, plan, controls);
  plan = await selectFailedSteps(run, config, plan);
  run.trace = exportedTrace(run.trace, run.runner.host.env, config.output.otel);
  run.reporting = await openReporting(run, config);
  await callPhase(run, "pre_source_prep");
  await prepareSources(run, config);
  await run.reporting?.afterSources();
  await loadSourcePlugins(run);
  await callPhase(run, "post_source_prep");
  await restoreJobArtifacts(run, controls);
  await callPhase(run, "pre_execution");
  // Plugins may have changed settings or added steps.
  const isChanged = run.haveSettingsChanged;
  if (isChanged) config = validateJob(run);
  if (isChanged || run.addedSteps.length > 0) {
    plan = await selectFailedSteps(run, config, await planSteps(run, config));
    await holdWorkspace(run, config, plan, controls);
  }
  await executeJob(run, config, plan, controls);
  await callPhase(run, "post_execution");
  await saveJobArtifacts(run, controls);
  run.submitted = await submitFollowUpJobs(run, config, controls);
  for (const { name } of run.submitted) {
    run.recorder.add("trigger.submitted", { name });
  }
}

/**
 * Runs the command or the steps, and records their failure as the error of the
 * run.
 */
async function executeJob(
  run: RunState,
  config: JobConfig,
  plan: JobPlan | undefined,
  controls: JobControls,
): Promise<void> {
  const { runner, trace } = run;
  // Plugins can add variables up to this point.
  warnOfUnknownSecretNames(secretsInput(run), runner.logger);
  logGuessedSecrets(secretsInput(run), runner.logger);
  if (run.reporting !== undefined) {
    run.problems = await openProblems(run, config);
  }
  const executed = plan === undefined
    ? execute(run, config, trace, controls.container)
    : executeSteps(run, config, plan, controls);
  run.results = await executed.finally(async () => {
    await run.problems?.[Symbol.asyncDispose]();
    await runner.endLines();
  });
}

/** Closes everything that the run has opened, except the lock. */
async function endRun(
  run: RunState,
  { dryRun = false }: JobControls,
): Promise<void> {
  await run.runner.spoofFilter?.end().catch((error) =>
    recordFailure(run, error)
  );
  await run.plugins?.end();
  await removeCiCopy(run);
  await removeJobCredentials(run);
  const status = statusOf(run.error);
  const exitCode = exitCodeOf(run.error);
  const durationMs = run.system.clock.now() - run.startedAtMs;
  await run.reporting?.finish({
    ...{ status, exitCode, durationMs },
    ...run.error === undefined ? {} : { error: run.error.message },
  });
  if (!dryRun) await publishResult(run, { status, exitCode, durationMs });
  await maskErrors(run);
}

/**
 * Loads the settings. The masker is filled before any problem of the settings
 * is reported.
 *
 * @returns Why the event skips the job; `undefined` if the job runs.
 */
async function loadRunSettings(
  run: RunState,
  layer: Layer,
  { jobFile, artifacts, container: { defaultImage } = {} }: JobControls,
): Promise<string | undefined> {
  const { settings, steps, when, disableRunLocal, hasArtifacts, error } =
    await loadSettings(run.runner.host, { jobFile, layer });
  if (defaultImage !== undefined && !settings.get("runner_image")?.value) {
    settings.add({
      runner_image: { value: defaultImage, origin: "the default" },
    });
  }
  run.settings = settings;
  run.steps = steps;
  fillMasker(run);
  if (error !== undefined) throw error;
  if (disableRunLocal && !run.runner.workspace.inContainer) {
    const name = typeof jobFile === "object" ? jobFile.name : jobFile;
    throw new RunnerError(
      `Cannot run "${name}" on this machine: disable_run_local is set in it`,
      { code: "invalid-job" },
    );
  }
  if (hasArtifacts && artifacts === undefined) {
    run.runner.logger.warn(
      "artifacts",
      'No artifacts are saved: only jobs of a workflow save them, with "runnerlib workflow run"',
    );
  }
  if (when === undefined) return undefined;
  const { jobSkipReason } = await import("./event_facts.ts");
  return await jobSkipReason(run, when);
}

/** Validates the settings and resolves references to secrets. */
async function validate(
  run: RunState,
  { container }: JobControls,
): Promise<JobConfig> {
  const config = validateJob(run);
  if (container) await checkContainer(run, config);
  await resolveJobSecrets(run);
  return config;
}

/**
 * Validates the settings of a run; afterwards, they cannot be changed.
 *
 * @throws {RunnerError} `invalid-config`, with all problems.
 */
function validateJob(run: RunState): JobConfig {
  const { runner, settings, steps, ownSteps, jobEnv } = run;
  const { host, logger } = runner;
  run.areSettingsOpen = false;
  run.haveSettingsChanged = false;
  // Only plugins add secrets after the settings are loaded.
  if (runner.plugins !== undefined) fillMasker(run);
  const result = validateSettings(settings, {
    cwd: host.cwd,
    env: host.env,
    steps,
    hasOwnSteps: ownSteps !== undefined,
    sourceTypes: listSourceTypes(run),
  });
  for (const warning of result.warnings) logger.warn("config", warning);
  const config = requireValidConfig(result);
  setUpMasker(runner, config);
  Object.assign(jobEnv, { ...config.env, ...jobEnv });
  run.isValidated = true;
  fillMasker(run);
  return config;
}

/**
 * Lists the allowed custom source types; plugins can provide types until the
 * source is prepared.
 */
function listSourceTypes(
  { runner: { plugins, sources }, sources: ofRun = sources }: RunState,
): readonly string[] | "any" {
  const mayProvide = plugins?.plugins.some(({ plugin }) =>
    plugin.execute || plugin.postValidation || plugin.preSourcePrep
  );
  return mayProvide ? "any" : [...ofRun?.handlers.keys() ?? []];
}

/**
 * Returns the result of a skipped job: no plugin is called, and no file is
 * created.
 */
async function skipJob(run: RunState, reason: string): Promise<JobResult> {
  run.runner.logger.info("job", `Skipped: ${reason}`);
  await run.runner.spoofFilter?.end();
  await flushOutput(run);
  return createJobResult(run);
}

/** A job does not fail because messages of the runner are lost. */
async function flushOutput({ runner }: RunState): Promise<void> {
  await runner.endLines().catch(() => {});
  await runner.logger.flush().catch(() => {});
}

function cancelOn(run: RunState, controls: JobControls): Disposable {
  const { signal, handleSignals = true } = controls;
  const { cancellation, runner } = run;
  using stack = new DisposableStack();
  if (signal) {
    stack.use(onAbort(signal, () => cancellation.cancel("SIGTERM")));
  }
  if (handleSignals) {
    stack.use(runner.host.onSignal((name) => {
      runner.logger.warn("job", `${name} received`);
      cancellation.cancel(name);
    }));
  }
  return stack.move();
}
