import type { JobConfig } from "../config/job_config.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { isDirectorySync, pathExistsSync } from "../fs/files.ts";
import {
  privateDirectories,
  temporaryDirectory,
} from "../fs/temporary_directory.ts";
import { isChain } from "../graph_scheduler.ts";
import type { LineFields } from "../output/printer.ts";
import type { Masker } from "../secrets/masker.ts";
import type { AttemptContext } from "../steps/attempt.ts";
import { type AttemptFiles, openAttemptFiles } from "../steps/attempt_files.ts";
import { type PlannedStep, runsAlongside } from "../steps/expand_matrix.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import {
  forgetOutputs,
  keepOutputs,
  readKeptOutputs,
  trustOutputs,
} from "../steps/output_files.ts";
import { StepOutputs } from "../steps/outputs.ts";
import { ServicePorts } from "../steps/services.ts";
import type { StepEvent } from "../steps/step.ts";
import {
  checkSandbox,
  isSandboxed,
  sandboxHint,
  sandboxLimits,
} from "../steps/step_sandbox.ts";
import { guardPath } from "../workspace/guard.ts";
import type { Workspace } from "../workspace/layout.ts";
import {
  inheritableEnvironment,
  jobFacts,
  stepEnvironment,
  type TraceContext,
} from "./job_environment.ts";
import { openLauncher } from "./job_launcher.ts";
import { openJobRegistration } from "./job_registration.ts";
import { makeArtifacts } from "./job_workspace.ts";
import { openJobLog } from "./open_job_log.ts";
import { remaskJobLog } from "./record_steps.ts";
import { lockIdsOf, type RunState } from "./run_state.ts";
import {
  currentDirectory,
  type FailureHint,
  foreignSources,
  historyHint,
  plainTail,
  withSafeDirectories,
  workingDirectory,
} from "./working_directory.ts";

/** A step that is ready to run. */
export interface OpenedStep extends AsyncDisposable {
  /** Context that all attempts share. */
  readonly context: Omit<
    AttemptContext,
    "attempt" | "needs" | "cancellation" | keyof AttemptFiles
  >;
  /** Explains a failure of the step. */
  readonly hint: FailureHint;
  /** Creates the directory for the files of an attempt. */
  readonly openAttempt: () => AttemptFiles & Disposable;
}

/** Resources that the steps of a job share. */
export interface StepSetting extends AsyncDisposable {
  /** Outputs of the steps so far. */
  readonly outputs: StepOutputs;
  /**
   * Waits for a place of a step in its concurrency group.
   *
   * @returns The place; `undefined` if the wait was cancelled.
   */
  takePlace(step: number, signal: AbortSignal): Promise<Disposable | undefined>;
  /** Returns the ports that were chosen for a service, by name. */
  portsOf(step: number): Readonly<Record<string, number>>;
  /**
   * Prepares a step: its directory, environment and log.
   *
   * @param step Index of the step.
   */
  openStep(step: number): Promise<OpenedStep>;
}

/** Options for {@linkcode openStepSetting}. */
export interface StepSettingOptions {
  /** Trace to which the job belongs. */
  trace: TraceContext;
  /** Called when a step reports progress. */
  onEvent: (event: StepEvent) => void;
  /** Returns the fields of a step's current JSON log lines. */
  fieldsOf: LineFields;
}

/**
 * Creates the resources that the steps of a job share: directories, log, socket
 * and outputs.
 *
 * @param options Trace and listener.
 * @returns The resources; dispose of them when all steps have ended.
 * @throws {RunnerError} If a directory cannot be created.
 */
export async function openStepSetting(
  run: RunState,
  config: JobConfig,
  plan: JobPlan,
  options: StepSettingOptions,
): Promise<StepSetting> {
  const { runner, jobEnv } = run;
  const { host, workspace, masker, logger } = runner;
  const { system } = run;
  const { concurrency = system.processors } = config.limits;
  const { openAttemptFiles: openAttempt = openAttemptFiles } = system;
  await using stack = new AsyncDisposableStack();
  if (system.startsPrograms) {
    await checkSandbox(plan.steps.map((step) => step.definition), workspace);
  }
  const jobPath = await workingDirectory(run, config);
  const currentDir = currentDirectory(run, config);
  const artifactsPath = await makeArtifacts(workspace, config);
  // Runs after the socket is closed, when no more secrets can be registered.
  stack.defer(async () => void await remaskJobLog(run));
  const registration = openJobRegistration(
    runner,
    () => run.recorder.recordSecret("registered by a program of the job"),
  );
  if (registration) stack.use(registration);
  const launcher = openLauncher(host, registration);
  const isMixed = plan.steps.some(({ definition }) => definition.untrusted);
  const outputs = new StepOutputs(plan, runner);
  const ports = new ServicePorts(plan);
  if (plan.isSelected.includes(false)) {
    const warn = (message: string) => logger.warn("steps", message);
    outputs.restore(await readKeptOutputs(runner, warn), plan.isSelected);
    await keepOutputs(workspace, outputs.all(), masker);
  } else await forgetOutputs(workspace);
  await trustOutputs(runner);
  const { path: attemptsPath } = stack.use(
    temporaryDirectory({ env: host.env, workspace }),
  );
  const labels = createLabels(plan, masker);
  const jobLog = run.log = await openJobLog(runner, config, {
    labels,
    logDirectory: system.keepsLogs ? `${artifactsPath}/logs` : undefined,
    artifactsPath,
    markers: run.markers,
    isInOrder: !plan.steps.some(runsAlongside) &&
      (concurrency === 1 || isChain(plan.graph)),
    fieldsOf: (label) =>
      options.fieldsOf(plan.steps[labels.indexOf(label)].name),
    onProgress: (step, text) =>
      options.onEvent({ type: "progress", step, text }),
  });
  const parent = await inheritableEnvironment(host);
  const foreign = await foreignSources(run, config.sourceDir);
  const safePaths = foreign.map(({ path }) => path);

  function createEnvironment(step: number): ChildEnvironment {
    const planned = plan.steps[step];
    return stepEnvironment({
      step: planned,
      parent,
      inheritEnv: config.inheritEnv,
      facts: {
        ...jobFacts({
          config,
          workspace,
          currentDir,
          run: runner.run,
          lockIds: lockIdsOf(run),
          trace: options.trace,
          secretsSocket: registration?.path,
        }),
        ...planned.definition.untrusted ? {} : createTrustedFacts(run, plan),
      },
      jobEnv,
      outputs: {
        ...outputs.variablesFor(
          step,
          jobEnv[Variable.secretEnvNames] ?? host.env[Variable.secretEnvNames],
        ),
        ...ports.variablesFor(step),
      },
      containsSecret: (text) => masker.containsSecret(text),
      onWithheld: (name) =>
        logger.warn(
          "steps",
          `Untrusted step "${planned.name}" does not get "${name}": its value contains a secret`,
        ),
    });
  }

  const warnings = new Set<string>();
  /** Logs each warning once: a limit of the system affects all steps. */
  function onWarning(message: string): void {
    if (!warnings.has(message)) logger.warn("steps", message);
    warnings.add(message);
  }

  async function openStep(step: number): Promise<OpenedStep> {
    const planned: PlannedStep = plan.steps[step];
    const { name, definition } = planned;
    if (!definition.untrusted) {
      await checkTrusted(run);
      if (isMixed) launcher?.restore();
    }
    if (definition.ports !== undefined) ports.choose(step);
    const cwd = await resolveStepDirectory(workspace, jobPath, planned);
    const ownEnv = await withSafeDirectories(
      createEnvironment(step),
      safePaths,
    );
    const env = definition.untrusted
      ? ownEnv
      : launcher?.addTo(ownEnv) ?? ownEnv;
    const { manifest, preparedPath } = run.ci;
    const limits = isSandboxed(definition) && system.startsPrograms
      ? await sandboxLimits({
        name,
        permissions: definition.permissions ?? {},
        isUntrusted: definition.untrusted ?? false,
        env,
        cwd,
        jobPath,
        artifactsPath,
        workspace,
        needed: definition.untrusted ? [] : privateDirectories(),
      })
      : undefined;
    const ownLog = await jobLog.openStep(labels[step], {
      isLazy: definition.cache !== undefined,
    });
    const readOnly = [
      manifest && preparedPath,
      definition.untrusted ? jobLog.directory : undefined,
    ];
    const exported = run.logExporter?.watch(name, ownLog) ?? ownLog;
    const stepLog = run.problems?.watch(name, exported, cwd) ?? exported;
    return {
      context: {
        name,
        definition: {
          ...definition,
          shell: definition.shell ?? config.shell,
        },
        cwd,
        artifactsPath,
        env,
        needOutputs: outputs.valuesFor(step),
        log: stepLog,
        masker,
        meter: run.meter,
        parentOf: options.trace.parentOf,
        registerSecret: await createSecretRegistrar(run, planned),
        stderr: config.output.stderr,
        graceMs: config.limits.graceMs,
        enterFunction: () => run.lock?.enterFunction(),
        isInContainer: workspace.inContainer,
        system,
        onWarning,
      },
      hint: (log) => gitHint?.(log) ?? (limits && sandboxHint(plainTail(log))),
      openAttempt: () =>
        openAttempt({
          attemptsPath,
          isUntrusted: definition.untrusted ?? false,
          workspace,
          readOnly: readOnly.filter((path) => path !== undefined),
          limits,
          env,
          inherited: host.env,
        }),
      [Symbol.asyncDispose]: () => stepLog.close(),
    };
  }

  const gitHint = await historyHint(run);

  async function takeGroupPlace(
    step: number,
    signal: AbortSignal,
  ): Promise<Disposable | undefined> {
    const { concurrency } = plan.steps[step].definition;
    if (concurrency === undefined) return { [Symbol.dispose]() {} };
    const { takePlace } = await import("../steps/concurrency_place.ts");
    const { group, limit = 1 } = concurrency;
    return await takePlace(concurrency, {
      env: host.env,
      signal,
      onWait: () =>
        logger.info(
          "steps",
          `${labels[step]}: waiting for a place in the concurrency group "${
            masker.maskText(group)
          }" (limit ${limit})`,
        ),
    });
  }

  const resources = stack.move();
  logger.debug("steps", `Files of steps are in ${attemptsPath}`);
  return {
    outputs,
    portsOf: (step) => ports.of(step),
    takePlace: takeGroupPlace,
    openStep,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/**
 * Keeps a trusted step from running CI code that an untrusted step has changed.
 */
async function checkTrusted(run: RunState): Promise<void> {
  if (run.ci.manifest === undefined) return;
  const { checkCiSource } = await import("./ci_source.ts");
  await checkCiSource(run);
}

/**
 * In a job with untrusted steps, the trusted ones read a copy of the CI source
 * that the others cannot change.
 */
function createTrustedFacts(
  { ci: { hasCopy, path } }: RunState,
  { steps }: JobPlan,
): Readonly<Record<string, string>> {
  const isMixed = steps.some(({ definition }) => definition.untrusted);
  return isMixed && hasCopy && path !== undefined
    ? { [Variable.ciSourceDir]: path }
    : {};
}

/**
 * Creates the labels of steps in logs. They are masked, since names can contain
 * values that are secret.
 */
function createLabels({ steps }: JobPlan, masker: Masker): string[] {
  const counts = new Map<string, number>();
  return steps.map(({ name }) => {
    const label = masker.maskText(name);
    const count = (counts.get(label) ?? 0) + 1;
    counts.set(label, count);
    return count > 1 ? `${label} #${count}` : label;
  });
}

/**
 * Resolves the absolute path of the directory in which a step runs. A missing
 * one below `/job` is created.
 *
 * Paths below `/job` are paths of the workspace as seen by the job; other paths
 * are relative to the job's directory. Links, which the source may contain, are
 * resolved before the path is checked.
 *
 * @param jobPath Absolute path of the directory in which the job runs.
 * @throws {RunnerError} `workspace` if the path leaves the workspace or the
 * job's directory, or is not a directory.
 */
async function resolveStepDirectory(
  workspace: Workspace,
  jobPath: string,
  { name, definition: { workingDir } }: PlannedStep,
): Promise<string> {
  if (workingDir === undefined || workingDir === "") return jobPath;
  const isKnownToJob = /^\/job(?:\/|$)/.test(workingDir);
  const path = isKnownToJob
    ? await guardPath(workspace.base, workspace.pathOf(workingDir))
    : await guardPath(jobPath, workingDir);
  if (isKnownToJob) await Deno.mkdir(path, { recursive: true });
  if (isDirectorySync(path)) return path;
  throw new RunnerError(
    `Cannot run step "${name}" in "${workingDir}": ${
      pathExistsSync(path) ? "not a directory" : "no such directory"
    }`,
    { code: "workspace" },
  );
}

/**
 * Creates the function for registering secrets. Only function steps use it;
 * programs use the socket.
 */
async function createSecretRegistrar(
  { runner, recorder }: RunState,
  { name, definition: { run } }: PlannedStep,
): Promise<(value: string) => boolean> {
  if (typeof run !== "function") return (value) => runner.masker.add(value);
  const { registerWithOuterRunners } = await import(
    "../secrets/registration/outer_runners.ts"
  );
  return (value) => {
    recorder.recordSecret("registered by a step", name);
    return registerWithOuterRunners(runner, value);
  };
}
