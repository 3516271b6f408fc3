import type { JobConfig } from "../config/job_config.ts";
import {
  type ChildEnvironment,
  childEnvironment,
} from "../environment/child_environment.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import {
  privateDirectories,
  privateDirectory,
  temporaryDirectory,
} from "../fs/temporary_directory.ts";
import { isChain } from "../graph.ts";
import { isInside } from "../job_path.ts";
import type { JobLog } from "../output/job_log.ts";
import type { Masker } from "../secrets/masker.ts";
import type { PlannedStep } from "../steps/expand.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import { keptOutputs } from "../steps/output_files.ts";
import { StepOutputs } from "../steps/outputs.ts";
import type { AttemptContext, AttemptFiles } from "../steps/run_step.ts";
import type { StepEvent } from "../steps/step.ts";
import { guardPath } from "../workspace/guard.ts";
import type { Workspace } from "../workspace/layout.ts";
import { type HistoryHint, historyHint } from "./history_hint.ts";
import { makeArtifacts } from "./job_directories.ts";
import {
  inheritableEnvironment,
  jobFacts,
  type TraceContext,
} from "./job_environment.ts";
import type { JobRun } from "./job_run.ts";
import { openJobRegistration, openLauncher } from "./job_services.ts";
import { openJobLog } from "./open_job_log.ts";
import type { RunnerParts } from "./runner_parts.ts";
import {
  currentDirectory,
  foreignSources,
  withSafeDirectories,
  workingDirectory,
} from "./working_directory.ts";

/** A step that is about to run. */
export interface OpenedStep extends AsyncDisposable {
  /** What its attempts need, as far as the setting knows. */
  readonly context: Omit<
    AttemptContext,
    "attempt" | "needs" | "cancellation" | keyof AttemptFiles
  >;
  /** Creates a directory for the files of an attempt. */
  readonly openAttempt: () => AttemptFiles & Disposable;
}

/** What all steps of a job share. */
export interface StepSetting extends AsyncDisposable {
  /** What the steps have given so far. */
  readonly outputs: StepOutputs;
  /** Explains failures of git, where it may miss a part of the history. */
  readonly hint: HistoryHint | undefined;
  /**
   * Makes ready what a step needs.
   *
   * @param step Index of the step.
   */
  openStep(step: number): Promise<OpenedStep>;
}

/** Options for {@linkcode openStepSetting}. */
export interface StepSettingOptions {
  /** Trace to which the job belongs. */
  trace: TraceContext;
  /** Hears of progress. */
  onEvent: (event: StepEvent) => void;
}

/**
 * Makes what all steps of a job share: directories, log, socket, outputs.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @param plan The steps.
 * @param options Trace and listener.
 * @returns The setting; dispose of it when every step is over.
 * @throws {RunnerError} If a directory cannot be made.
 */
export async function openStepSetting(
  run: JobRun,
  config: JobConfig,
  plan: JobPlan,
  options: StepSettingOptions,
): Promise<StepSetting> {
  const { parts, jobEnv } = run;
  const { host, workspace, masker, logger } = parts;
  const { concurrency = navigator.hardwareConcurrency } = config.limits;
  await using stack = new AsyncDisposableStack();
  const jobPath = await workingDirectory(run, config);
  const artifactsPath = await makeArtifacts(workspace, config);
  let log: JobLog | undefined;
  // Disposed after the socket, when no secret can be registered any more.
  stack.defer(() => log?.remaskLogs());
  const registration = await openJobRegistration(parts);
  if (registration) stack.use(registration);
  const launcher = openLauncher(host, registration);
  const isMixed = plan.steps.some(({ definition }) => definition.untrusted);
  const outputs = new StepOutputs(plan, parts);
  if (plan.isSelected.includes(false)) {
    const warn = (message: string) => logger.warn("steps", message);
    outputs.restore(await keptOutputs(workspace, warn), plan.isSelected);
  }
  const { path: attemptsPath } = stack.use(
    temporaryDirectory({ env: host.env, workspace }),
  );
  const labels = stepLabels(plan, masker);
  const jobLog = log = await openJobLog(parts, config, {
    labels,
    artifactsPath,
    markers: run.markers,
    isInOrder: concurrency === 1 || isChain(plan.graph),
    onProgress: (step, text) =>
      options.onEvent({ type: "progress", step, text }),
  });
  const parent = await inheritableEnvironment(host);
  const foreign = await foreignSources(run, config.sourceDir);
  const safePaths = foreign.map(({ path }) => path);

  function environmentOf(step: number): ChildEnvironment {
    const planned = plan.steps[step];
    return stepEnvironment({
      step: planned,
      parent,
      inheritEnv: config.inheritEnv,
      facts: {
        ...jobFacts({
          config,
          workspace,
          currentDir: currentDirectory(run, config),
          run: parts.run,
          lockIds: run.lockIds,
          trace: options.trace,
          secretsSocket: registration?.path,
        }),
        ...planned.definition.untrusted ? {} : trustedFacts(run, plan),
      },
      jobEnv,
      outputs: outputs.variablesFor(
        step,
        jobEnv[Variable.secretEnvNames] ?? host.env[Variable.secretEnvNames],
      ),
      holdsSecret: (text) => masker.holdsSecret(text),
      onWithheld: (name) =>
        logger.warn(
          "steps",
          `Untrusted step "${planned.name}" does not get "${name}": its value contains a secret`,
        ),
    });
  }

  const warnings = new Set<string>();
  /** What the system does not allow to one step, it does not allow to others. */
  function onWarning(message: string): void {
    if (warnings.has(message)) return;
    warnings.add(message);
    logger.warn("steps", message);
  }

  async function openStep(step: number): Promise<OpenedStep> {
    const planned: PlannedStep = plan.steps[step];
    const { name, definition } = planned;
    if (!definition.untrusted) {
      await checkTrusted(run);
      if (isMixed) launcher?.restore();
    }
    const cwd = await stepDirectory(workspace, jobPath, planned);
    const stepLog = await jobLog.openStep(labels[step]);
    const env = await withSafeDirectories(environmentOf(step), safePaths);
    return {
      context: {
        name,
        definition: {
          ...definition,
          shell: definition.shell ?? config.shell,
        },
        cwd,
        artifactsPath,
        env: definition.untrusted ? env : launcher?.addTo(env) ?? env,
        needOutputs: outputs.valuesFor(step),
        log: stepLog,
        masker,
        parentOf: options.trace.parentOf,
        registerSecret: await secretRegistrar(run.parts, definition),
        stderr: config.output.stderr,
        graceMs: config.limits.graceMs,
        enterFunction: () => run.lock?.enterFunction(),
        isInContainer: workspace.inContainer,
        onWarning,
      },
      openAttempt,
      [Symbol.asyncDispose]: () => stepLog.close(),
    };
  }

  /**
   * No step can guess where the files of another one will be, and untrusted ones
   * do not see them where the system can hide them.
   */
  function openAttempt(): AttemptFiles & Disposable {
    const directory = privateDirectory([attemptsPath]);
    const { path } = directory;
    const { ciManifest, ciPreparedPath } = run;
    const others = privateDirectories()
      .filter((other) => !isInside(attemptsPath, other));
    return {
      outputPath: `${path}/output`,
      temporaryPlace: { env: { TMPDIR: path }, workspace },
      protectedPaths: {
        readOnly: ciManifest && ciPreparedPath ? [ciPreparedPath] : [],
        hidden: [
          { path: attemptsPath, except: path },
          ...others.map((path) => ({ path })),
        ],
      },
      [Symbol.dispose]: () => directory[Symbol.dispose](),
    };
  }

  const made = stack.move();
  logger.debug("steps", `Files of steps go to ${attemptsPath}`);
  return {
    outputs,
    hint: await historyHint(run),
    openStep,
    [Symbol.asyncDispose]: () => made.disposeAsync(),
  };
}

/** What an untrusted step may have changed is not run by one that is trusted. */
async function checkTrusted(run: JobRun): Promise<void> {
  if (run.ciManifest === undefined) return;
  const { checkCiSource } = await import("./ci_source.ts");
  await checkCiSource(run);
}

/** Beside untrusted steps, the others read a CI source that those cannot change. */
function trustedFacts(
  { hasCiCopy, ciSourcePath }: JobRun,
  { steps }: JobPlan,
): Readonly<Record<string, string>> {
  const isMixed = steps.some(({ definition }) => definition.untrusted);
  return isMixed && hasCiCopy && ciSourcePath !== undefined
    ? { [Variable.ciSourceDir]: ciSourcePath }
    : {};
}

/** What logs call the steps: names may be made of values that are secret. */
function stepLabels({ steps }: JobPlan, masker: Masker): string[] {
  const counts = new Map<string, number>();
  return steps.map(({ name }) => {
    const label = masker.maskText(name);
    const count = (counts.get(label) ?? 0) + 1;
    counts.set(label, count);
    return count > 1 ? `${label} #${count}` : label;
  });
}

/**
 * Finds the directory in which a step runs, and makes it where it is missing.
 *
 * A path that begins with `/job` is one that the job knows; another one is
 * relative to where the job runs. Links that the source brought along are
 * followed before the path is checked.
 *
 * @param workspace The workspace.
 * @param jobPath Absolute path of the directory in which the job runs.
 * @param step The step.
 * @returns Absolute path.
 * @throws {RunnerError} `workspace`, if the path leaves both the workspace and
 * the job's directory, or is no directory.
 */
export async function stepDirectory(
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
  const info = await Deno.stat(path).catch(() => undefined);
  if (info?.isDirectory) return path;
  throw new RunnerError(
    `Cannot run step "${name}" in "${workingDir}": ${
      info === undefined ? "no such directory" : "not a directory"
    }`,
    { code: "workspace" },
  );
}

/** What the environment of a step is made of. */
export interface StepEnvironmentParts {
  /** The step. */
  step: PlannedStep;
  /** Environment from which commands of the job inherit. */
  parent: Environment;
  /** Variables of it that the job's steps inherit. */
  inheritEnv: boolean | readonly string[];
  /** Variables that describe the job. */
  facts: Environment;
  /** Variables of the job. */
  jobEnv: Environment;
  /** Outputs of the steps it depends on, by variable. */
  outputs: Environment;
  /** Checks whether a text contains a known secret. */
  holdsSecret: (text: string) => boolean;
  /** Gets the name of each variable that an untrusted step does not get. */
  onWithheld: (name: string) => void;
}

/**
 * Builds the environment of a step's commands. Variables of the step override
 * those of the job, and both override what is inherited.
 *
 * @param parts What it is made of.
 * @returns The whole environment.
 */
export function stepEnvironment(parts: StepEnvironmentParts): ChildEnvironment {
  const { step, parent, facts, jobEnv, outputs } = parts;
  const { definition, variables } = step;
  const inherit = definition.inheritEnv ?? parts.inheritEnv;
  const layers = {
    facts: { ...facts, [Variable.stepName]: step.name },
    jobEnv,
    own: { ...outputs, ...definition.env, ...variables },
  };
  if (!definition.untrusted) {
    return childEnvironment(parent, { kind: "job", inherit, ...layers });
  }
  const { inheritEnv: own } = definition;
  // It gets none of the variables that this one names.
  const { [Variable.secretEnvNames]: _, ...plain } = layers.own;
  return childEnvironment(parent, {
    kind: "untrusted-step",
    // A list of its own adds to the allowlist; that of the job limits all steps.
    isNarrow: Array.isArray(own) ? false : inherit !== true,
    names: Array.isArray(own) ? own : [],
    holdsSecret: parts.holdsSecret,
    onWithheld: parts.onWithheld,
    ...layers,
    own: plain,
  });
}

/** Only functions register secrets here; programs use the socket. */
async function secretRegistrar(
  parts: RunnerParts,
  { run }: PlannedStep["definition"],
): Promise<(value: string) => boolean> {
  if (typeof run !== "function") return (value) => parts.masker.add(value);
  const { registerSecret } = await import("./register_with_outer_runners.ts");
  return (value) => registerSecret(parts, value);
}
