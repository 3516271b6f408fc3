import { commandText } from "../command_text.ts";
import type { JobConfig } from "../config/job_config.ts";
import { childEnvironment } from "../environment/child_environment.ts";
import { bareLog, type StepLog, tailedLog } from "../output/job_log.ts";
import { maxLineBytes } from "../output/line_limit.ts";
import type { Sinks } from "../output/printer.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import { runCommand, waitForCommand } from "../steps/run_command.ts";
import type { AttemptResult, StepResult } from "../steps/step.ts";
import { showUrl } from "../url_secrets.ts";
import {
  inheritableEnvironment,
  jobFacts,
  type TraceContext,
} from "./job_environment.ts";
import { openLauncher } from "./job_launcher.ts";
import { cancelledError, recordFailure } from "./job_result.ts";
import type {
  Container,
  ContainerSetting,
  OpenContainerOptions,
} from "./nested_container.ts";
import { lockIdsOf, type RunState } from "./run_state.ts";
import type { RunnerContext } from "./runner_context.ts";
import {
  currentDirectory,
  foreignSources,
  historyHint,
  withSafeDirectories,
  workingDirectory,
} from "./working_directory.ts";

/** Name of the step of a single-command job. */
const STEP_NAME = "command";

/**
 * Runs the command of a job and records the result in the run.
 *
 * @param trace Trace to which the job belongs.
 * @param nested Setting of the nested container, if the command runs in one.
 * @returns The result of the command, as the only step.
 * @throws {RunnerError} If the directory, the environment or the container
 * cannot be created.
 */
export async function execute(
  run: RunState,
  config: JobConfig,
  trace: TraceContext,
  nested?: ContainerSetting,
): Promise<StepResult[]> {
  const { runner, cancellation, jobEnv } = run;
  const { host, workspace, logger, masker } = runner;
  const { command } = config;
  if (command === undefined) throw new TypeError("The job has no command");
  const cwd = await workingDirectory(run, config);
  const { openJobRegistration } = await import("./job_registration.ts");
  await using registration = openJobRegistration(
    runner,
    () => run.recorder.recordSecret("registered by a program of the job"),
  );
  const inherited = childEnvironment(await inheritableEnvironment(host), {
    kind: "job",
    inherit: config.inheritEnv,
    facts: jobFacts({
      config,
      workspace,
      currentDir: currentDirectory(run, config),
      run: runner.run,
      lockIds: lockIdsOf(run),
      trace,
      secretsSocket: registration?.path,
    }),
    jobEnv,
  });
  const foreign = await foreignSources(run, config.sourceDir);
  const safe = await withSafeDirectories(
    inherited,
    foreign.map(({ path }) => path),
  );
  const env = openLauncher(host, registration)?.addTo(safe) ?? safe;
  cancellation.graceful.throwIfAborted();
  await using container = nested && await openContainer(run, config, {
    ...nested,
    trace,
    socket: registration?.path,
  });
  logger.info("job", `$ ${commandText(command)}`);
  const hint = await historyHint(run);
  const ownLog = await openCommandLog(runner, config, {
    trace,
    keepsTail: hint !== undefined,
    sinks: run.markers?.sinks,
  });
  const exported = run.logExporter?.watch(STEP_NAME, ownLog) ?? ownLog;
  const log = run.problems?.watch(STEP_NAME, exported, cwd) ?? exported;
  const { clock, spawn } = run.system;
  const startMs = run.recorder.ms;
  const start = clock.now();
  let startedAt: Date | undefined;
  // The first date of a process takes time, which the command does not wait for.
  const recordStart = (): Date => {
    if (startedAt !== undefined) return startedAt;
    run.recorder.add("run.planned", {
      steps: [{ name: STEP_NAME, dependsOn: [] }],
    });
    run.recorder.add("step.started", { step: STEP_NAME, attempt: 1 });
    return startedAt = clock.date();
  };
  // Programs in a container are not processes of this runner.
  using _work = clock.work();
  using measured = container ? undefined : run.meter?.open();
  const exit = runCommand(command, {
    stderr: config.output.stderr,
    timeoutMs: config.limits.timeoutMs,
    graceMs: config.limits.graceMs,
    cwd,
    env,
    // The command line of the container includes the shell.
    shell: container ? undefined : config.shell,
    stopsOnError: config.shell !== undefined,
    start: container?.start ?? spawn,
    clock,
    onStart(pid) {
      recordStart();
      return measured?.add(pid) ?? { [Symbol.dispose]() {} };
    },
    cancellation,
    masker,
    stdout: log.stdout,
    stderrSink: log.stderr,
    temporaryPlace: { env: host.env, workspace },
    isInContainer: workspace.inContainer,
    onWarning: (message) => logger.warn("job", message),
  });
  const end = await waitForCommand(exit, {
    subject: "The command",
    timeoutMs: config.limits.timeoutMs,
  }).finally(() => log.close());
  const durationMs = clock.now() - start;
  if (end.outcome === "failed") hint?.(log);
  const { outcome, exitCode, signal } = end;
  const error = outcome === "cancelled"
    ? cancelledError(cancellation.signal!)
    : end.error;
  run.exitCode = exitCode;
  if (error) recordFailure(run, error);
  const attempt: AttemptResult = {
    number: 1,
    startedAt: recordStart(),
    durationMs,
    outcome,
    exitCode,
    signal,
    ...error && error.code !== "command-failed"
      ? { reason: error.message }
      : {},
    ...measured?.usage,
  };
  const { number: attempts, ...result } = attempt;
  const { startedAt: _, ...recorded } = attempt;
  run.recorder.add("step.ended", {
    step: STEP_NAME,
    conclusion: outcome,
    ...result,
    startedAt: attempt.startedAt.toISOString(),
    attempts: [{ ...recorded, startMs }],
  });
  return [{
    name: STEP_NAME,
    conclusion: outcome,
    attempts,
    attemptResults: [attempt],
    ...result,
  }];
}

/**
 * Opens the log of a single-command job. Output passes through unchanged,
 * unless it must be JSON, have timestamps, or have lines of limited length.
 *
 * @param options Trace, sinks for the output, and whether the log keeps its last
 * lines.
 */
async function openCommandLog(
  runner: RunnerContext,
  config: JobConfig,
  { trace: { traceId, spanId }, keepsTail, sinks = runner }: {
    readonly trace: TraceContext;
    readonly keepsTail: boolean;
    readonly sinks?: Sinks;
  },
): Promise<StepLog> {
  const { host, workspace, logger } = runner;
  const { stdout, stderr } = config.triggers.transport === "stdout"
    ? (await import("../triggers/trigger_lines.ts")).filteredSinks(
      runner,
      sinks,
    )
    : sinks;
  const limit = maxLineBytes(config, workspace);
  const isJson = host.env.LOG_FORMAT === "json";
  const { timestamps } = config.output;
  if (!isJson && limit === undefined && !timestamps) {
    if (!keepsTail) return bareLog(stdout, stderr);
    const { LogTail } = await import("../output/log_tail.ts");
    return tailedLog(stdout, stderr, new LogTail());
  }
  const { createJobLog } = await import("../output/create_job_log.ts");
  const log = createJobLog({
    stdout,
    stderr,
    style: isJson ? "json" : "plain",
    steps: [STEP_NAME],
    timestamps,
    maxLineBytes: limit,
    getFields: () => ({ attempt: 1, span_id: spanId, trace_id: traceId }),
    onWarning: (message) => logger.warn("logs", message),
  });
  return await log.openStep(STEP_NAME);
}

async function openContainer(
  run: RunState,
  config: JobConfig,
  options: OpenContainerOptions,
): Promise<Container> {
  const container = await import("./nested_container.ts");
  return await container.openContainer(run, config, options);
}

/** Prints the plan of a dry run. */
export function printDryRun(
  run: RunState,
  config: JobConfig,
  plan: JobPlan | undefined,
): void {
  const { host, logger, workspace } = run.runner;
  for (const source of [config.ciSource, config.source]) {
    if (!("url" in source)) continue;
    const { type, url, ref = "the default branch" } = source;
    logger.info("dry-run", `Would prepare ${showUrl(url) || type}`, {
      type,
      ref,
    });
  }
  const directory = currentDirectory(run, config)
    ? host.cwd
    : workspace.pathOf(config.cwd);
  logger.info("dry-run", `Would run in ${directory}`);
  plan?.steps.forEach(({ name, definition }, index) => {
    if (!plan.isSelected[index]) return;
    const { run, service, background } = definition;
    const text = typeof run === "function"
      ? "a function of the pipeline"
      : `$ ${commandText(run)}`;
    const kind = service
      ? "service: "
      : background
      ? "in the background: "
      : "";
    logger.info("dry-run", `${name}: ${kind}${text}`);
  });
  if (config.command === undefined) return;
  logger.info("dry-run", `$ ${commandText(config.command)}`);
}
