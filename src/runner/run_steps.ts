import { commandText } from "../command_text.ts";
import type { JobConfig } from "../config/job_config.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { schedule } from "../graph_scheduler.ts";
import { shownPath } from "../job_path.ts";
import type { RenamedLogs } from "../output/job_log.ts";
import { formatSummary } from "../report/summary.ts";
import { updateLogPath } from "../report/run_event.ts";
import { hasFailed, isFlaky } from "../report/step_outcome.ts";
import type { Masker } from "../secrets/masker.ts";
import { listed } from "../suggest.ts";
import { runsAlongside } from "../steps/expand_matrix.ts";
import { GraphRun } from "../steps/graph_run.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import { StepActivity } from "../steps/cache/cached_step.ts";
import type { StepCache } from "../steps/cache/step_cache.ts";
import {
  distrustOutputs,
  forgetOutputs,
  keepOutputs,
  trustOutputs,
} from "../steps/output_files.ts";
import type { StepEvent, StepResult } from "../steps/step.ts";
import { shouldUseColor } from "../terminal/text.ts";
import type { TraceContext } from "./job_environment.ts";
import { watchJobTermination } from "./job_termination.ts";
import { maskedResult, recordFailure } from "./job_result.ts";
import type { RunState } from "./run_state.ts";
import { protectedFiles, snapshotFiles } from "./protected_files.ts";
import {
  executeStep,
  type ExecutionContext,
  startAlongside,
} from "./execute_step.ts";
import { logSteps, type StepLines } from "./log_steps.ts";
import type { RunnerContext } from "./runner_context.ts";
import {
  exportStepEvent,
  recordSteps,
  remaskJobLog,
  type StepDetails,
} from "./record_steps.ts";
import { stepConditions } from "./event_facts.ts";
import { openStepSetting, type StepSetting } from "./step_setting.ts";
import type { StepCacheUses } from "./step_cache_uses.ts";
import type { DebugShells } from "./debug_shells.ts";
import { type ConcurrentSteps, UntrustedGate } from "./untrusted_gate.ts";

/** Options for {@linkcode runSteps}. */
export interface RunStepsOptions {
  /** Trace to which the job belongs. */
  trace: TraceContext;
  /** Called with each event of a step. */
  onEvent: (event: StepEvent) => void;
  /**
   * Returns the arguments of the command that reruns a single step.
   *
   * @default {unknown}
   */
  rerunCommand?: (step: string) => readonly string[];
}

/**
 * Runs the steps of a job, and records the results in the run.
 *
 * @param options Trace and listener.
 * @returns The result of each step.
 * @throws {RunnerError} If the directories of the steps cannot be created.
 */
export async function runSteps(
  run: RunState,
  config: JobConfig,
  plan: JobPlan,
  options: RunStepsOptions,
): Promise<readonly StepResult[]> {
  const { failurePolicy, limits } = config;
  const { concurrency = run.system.processors } = limits;
  const { cwd } = run.runner.host;
  const details: StepDetails = new Map();
  const { rerunCommand } = options;
  // Quoting could hide a secret from the masker.
  const rerunOf = rerunCommand &&
    ((name: string) =>
      commandText(
        rerunCommand(name).map((word) => run.runner.masker.maskText(word)),
      ));
  const record = recordSteps(run.recorder, { details, rerunOf });
  const shells = await openShells(run, config);
  await using lines = openStepLines(run, plan, {
    ...options.trace,
    hasView: shells === undefined,
  });
  const show = maskEvents(run.runner.masker, (event) => {
    options.onEvent(event);
    lines?.onEvent(event);
  });
  const attempts = new Map<string, { attempt: number; span_id: string }>();
  const onEvent = (event: StepEvent) => {
    if (event.type === "started") {
      const { step, attempt, spanId } = event;
      attempts.set(step, { attempt, span_id: spanId });
    }
    record(event);
    if (run.logExporter) exportStepEvent(run.logExporter, event);
    show(event);
  };
  await using setting = await openStepSetting(run, config, plan, {
    trace: options.trace,
    onEvent,
    fieldsOf: (name) => ({
      ...attempts.get(name),
      trace_id: options.trace.traceId,
    }),
  });
  run.cancellation.graceful.throwIfAborted();
  const activity = new StepActivity();
  const gate = new UntrustedGate({
    snapshot: () =>
      snapshotFiles(
        protectedFiles(run.runner, config),
        run.runner.workspace.base,
      ),
    onUndone: (files, steps) => reportUndone(run, files, steps),
    onFailure: (cause) =>
      recordFailure(
        run,
        new RunnerError(
          `Cannot undo the changes of an untrusted step: ${messageOf(cause)}`,
          { code: "output-failed", cause },
        ),
      ),
  });
  await using cache = openLazyCache(run, config, plan, { activity, gate });
  const graph = new GraphRun(plan, {
    ...await stepConditions(run, plan),
    failurePolicy,
    onEvent,
    onFailure: (error) => recordFailure(run, error),
  });
  onEvent({
    type: "planned",
    steps: plan.steps.map(({ name, group, dependsOn, isService }) => ({
      name,
      group,
      dependsOn,
      ...isService ? { isService } : {},
    })),
  });
  let cacheUses: Promise<StepCacheUses> | undefined;
  {
    using _ = watchJobTermination(run, config, graph, shells);
    const context = {
      plan,
      graph,
      setting,
      onEvent,
      details,
      cwd,
      lines,
      shells,
      clock: run.system.clock,
      activity,
      cache: cache?.open,
      gate,
      cacheUses: () =>
        cacheUses ??= import("./step_cache_uses.ts").then((
          { StepCacheUses },
        ) => new StepCacheUses(run.runner, config.cache, gate)),
    };
    const alongside: Promise<void>[] = [];
    // If an error ends the run, it is unknown what the steps have left.
    if (plan.steps.some(({ definition }) => definition.untrusted)) {
      await distrustOutputs(run.runner);
    }
    await schedule(plan.graph, {
      concurrency,
      start(step) {
        if (!graph.shouldStart(step)) return undefined;
        if (!runsAlongside(plan.steps[step])) return executeStep(step, context);
        const { started, ended } = startAlongside(step, context);
        alongside.push(ended);
        return started;
      },
      takesSlot: (step) => !runsAlongside(plan.steps[step]),
      groupLimit: (step) => plan.steps[step].definition.maxParallel,
      onWait: (step) =>
        onEvent({ type: "queued", step: plan.steps[step].name }),
    });
    graph.endBackground();
    await Promise.all(alongside);
  }
  await keepForLater(run, setting);
  await printSummary(run.runner, graph.results, {
    details,
    renamedLogs: await remaskJobLog(run),
    rerunOf,
  });
  if (config.failOnFlaky) failIfFlaky(run, graph.results);
  run.exitCode = run.error instanceof RunnerError ? run.error.exitCode : 0;
  return graph.results;
}

/**
 * Fails the job if a step is flaky. Results of steps do not change, since no
 * step failed.
 */
function failIfFlaky(run: RunState, results: readonly StepResult[]): void {
  const names = results.filter(isFlaky).map(({ name }) => `"${name}"`);
  if (names.length === 0) return;
  recordFailure(
    run,
    new RunnerError(
      `Flaky ${names.length === 1 ? "step" : "steps"}: ${
        names.join(", ")
      } succeeded only after a failed attempt`,
      { code: "step-flaky" },
    ),
  );
}

/**
 * Reports that changes to protected files were undone. If a trusted step could
 * have made them, the job fails, as they may be missed.
 */
function reportUndone(
  run: RunState,
  files: readonly string[],
  { untrusted, trusted }: ConcurrentSteps,
): void {
  const { host, logger } = run.runner;
  const names = listed(files.map((file) => shownPath(file, host.cwd)));
  if (trusted.length === 0) {
    logger.warn(
      "steps",
      `Undid changes to ${names} by untrusted ${stepNames(untrusted)}`,
    );
    return;
  }
  recordFailure(
    run,
    new RunnerError(
      `Undid changes to ${names}, as ${
        stepNames(trusted)
      } ran at the same time as untrusted ${
        stepNames(untrusted)
      }: make one depend on the other`,
      { code: "output-failed" },
    ),
  );
}

function stepNames(names: readonly string[]): string {
  const quoted = names.map((name) => `"${name}"`);
  return `${names.length === 1 ? "step" : "steps"} ${listed(quoted)}`;
}

/** Saves the outputs of steps for a later run of selected steps. */
async function keepForLater(
  run: RunState,
  setting: StepSetting,
): Promise<void> {
  const { workspace, masker, logger } = run.runner;
  const outputs = setting.outputs.all();
  try {
    if (outputs.size === 0) await forgetOutputs(workspace);
    const secret = outputs.size === 0
      ? []
      : await keepOutputs(workspace, outputs, masker);
    await trustOutputs(run.runner);
    if (secret.length > 0) {
      const names = secret.join(", ");
      logger.debug(
        "steps",
        `Outputs not saved because they contain secrets: ${names}`,
      );
    }
  } catch (error) {
    logger.warn("steps", messageOf(error));
  }
}

/** Loads the modules of the cache when the first cached step needs them. */
function openLazyCache(
  run: RunState,
  config: JobConfig,
  plan: JobPlan,
  running: Pick<ExecutionContext, "activity" | "gate">,
): AsyncDisposable & { open(): Promise<StepCache> } | undefined {
  const isUsed = run.system.usesCache && config.cache.mode !== "off" &&
    plan.steps.some(({ definition }) => definition.cache !== undefined);
  if (!isUsed) return undefined;
  let opening: Promise<StepCache> | undefined;
  return {
    open: () =>
      opening ??= import("./open_step_cache.ts").then(({ openStepCache }) =>
        openStepCache(run, config, plan, running)
      ),
    async [Symbol.asyncDispose]() {
      const cache = await opening?.catch(() => undefined);
      await cache?.[Symbol.asyncDispose]();
    },
  };
}

/** Loads the module for shells only if some are requested. */
async function openShells(
  run: RunState,
  config: JobConfig,
): Promise<DebugShells | undefined> {
  const { shellOnFailure, breakpoints } = config.debug;
  if (!shellOnFailure && breakpoints === undefined) return undefined;
  const { DebugShells } = await import("./debug_shells.ts");
  return new DebugShells(run, config);
}

/**
 * Opens log lines about steps, except on a terminal, where the live view shows
 * the same.
 */
function openStepLines(
  { runner: { host, logger } }: RunState,
  { steps }: JobPlan,
  { traceId, hasView }: Pick<TraceContext, "traceId"> & { hasView: boolean },
): StepLines | undefined {
  const isJson = host.env.LOG_FORMAT === "json";
  const isTerminal = host.stdout.isTerminal() && host.stderr.isTerminal();
  const isShown = isTerminal && hasView;
  if (!isJson && (isShown || steps.length < 2)) return undefined;
  return logSteps({ logger, traceId, isJson });
}

/**
 * Masks the events of a job, whose names and reasons may contain secrets.
 *
 * @param onEvent Called with masked events.
 * @returns Receiver of unmasked events.
 */
function maskEvents(
  masker: Masker,
  onEvent: (event: StepEvent) => void,
): (event: StepEvent) => void {
  const mask = (text: string) => masker.maskText(text);
  return (event) => {
    switch (event.type) {
      case "planned":
        return onEvent({
          ...event,
          steps: event.steps.map(({ name, group, dependsOn, ...rest }) => ({
            ...rest,
            name: mask(name),
            group: mask(group),
            dependsOn: dependsOn.map(mask),
          })),
        });
      case "ended": {
        const result = maskedResult(event.result, mask);
        return onEvent({
          ...event,
          result: { ...result, name: mask(result.name) },
        });
      }
      case "retrying":
        return onEvent({
          ...event,
          step: mask(event.step),
          reason: mask(event.reason),
          last: {
            ...event.last,
            ...event.last.reason === undefined
              ? {}
              : { reason: mask(event.last.reason) },
          },
        });
      default:
        return onEvent({ ...event, step: mask(event.step) });
    }
  };
}

/**
 * Prints a summary of the steps, unless the output is JSON.
 *
 * @param results Results of the steps.
 * @param options Last lines and logs of the steps.
 */
async function printSummary(
  runner: RunnerContext,
  results: readonly StepResult[],
  { details, renamedLogs, rerunOf }: {
    details: StepDetails;
    renamedLogs: RenamedLogs;
    rerunOf: ((name: string) => string) | undefined;
  },
): Promise<void> {
  const { host, masker, stderr, logger } = runner;
  if (results.length < 2 || host.env.LOG_FORMAT === "json") return;
  const isQuiet = host.env.LOG_LEVEL === "warning";
  if (isQuiet && !results.some(hasFailed)) return;
  const logOf = (name: string) => {
    const { log } = details.get(name) ?? {};
    return log === undefined ? undefined : updateLogPath(log, renamedLogs);
  };
  const steps = results.map(({ name, reason, ...result }) => ({
    ...result,
    name: masker.maskText(name),
    ...reason === undefined ? {} : { reason: masker.maskText(reason) },
    tail: maskedTail(masker, details.get(name)?.tail),
    log: logOf(name),
    ...rerunOf === undefined ? {} : { rerun: rerunOf(name) },
  }));
  const isTerminal = host.stderr.isTerminal();
  const text = formatSummary(steps, {
    columns: isTerminal ? host.consoleSize?.()?.columns : undefined,
    color: shouldUseColor(host.env, isTerminal),
  });
  await logger.flush().catch(() => {});
  // A job does not fail because its summary cannot be printed.
  await stderr.write(new TextEncoder().encode(`\n${text}\n`)).catch(() => {});
}

/**
 * Masks the last lines of a step again, since more secrets may be known than
 * when the lines were printed.
 *
 * @param lines The lines.
 */
export function maskedTail(
  masker: Masker,
  lines: readonly string[] = [],
): readonly string[] {
  // Joined, since a secret can span several lines.
  return lines.length === 0
    ? lines
    : masker.maskText(lines.join("\n")).split("\n");
}
