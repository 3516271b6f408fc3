import { messageOf, RunnerError } from "../errors.ts";
import { shownPath } from "../job_path.ts";
import { isObject } from "../json_value.ts";
import type { Cancellation } from "../process/cancellation.ts";
import type { Clock } from "../process/time_limit.ts";
import { CANCELLED_END, type StepEnd } from "../steps/attempt.ts";
import type { GraphRun } from "../steps/graph_run.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import { runAttempts } from "../steps/run_attempts.ts";
import type { CachedStep, StepActivity } from "../steps/cache/cached_step.ts";
import type { StepCache } from "../steps/cache/step_cache.ts";
import type { StepEvent } from "../steps/step.ts";
import type { StepLines } from "./log_steps.ts";
import type { StepDetails } from "./record_steps.ts";
import type { OpenedStep, StepSetting } from "./step_setting.ts";
import type { StepCacheUses } from "./step_cache_uses.ts";
import type { DebugShells } from "./debug_shells.ts";
import type { UntrustedGate } from "./untrusted_gate.ts";

/** State shared by the running steps of a job. */
export interface ExecutionContext {
  readonly plan: JobPlan;
  readonly graph: GraphRun;
  readonly setting: StepSetting;
  /** Called with each event of a step. */
  readonly onEvent: (event: StepEvent) => void;
  /** Gets the details of each step before its end. */
  readonly details: StepDetails;
  /** Directory to which shown paths are relative. */
  readonly cwd: string;
  /** Log lines about steps, if there are any. */
  readonly lines: StepLines | undefined;
  /** Clock of the steps. */
  readonly clock: Clock;
  /** Opens shells around steps, if some are requested. */
  readonly shells: DebugShells | undefined;
  /** Activity of all steps. */
  readonly activity: StepActivity;
  /** Returns the cache of the steps; unset if there is none. */
  readonly cache: (() => Promise<StepCache>) | undefined;
  /** Keeps untrusted steps and the files of the runner apart. */
  readonly gate: UntrustedGate;
  /** Returns the object that restores and saves directories of steps. */
  readonly cacheUses: () => Promise<StepCacheUses>;
}

/**
 * Starts a service or a background step, which runs while the job continues.
 *
 * @param step Index of the step.
 * @returns When the steps that depend on it can start, and when it has ended.
 */
export function startAlongside(
  step: number,
  context: ExecutionContext,
): { readonly started: Promise<void>; readonly ended: Promise<void> } {
  if (context.plan.steps[step].definition.background) {
    return {
      started: Promise.resolve(),
      ended: executeStep(step, context),
    };
  }
  const ready = Promise.withResolvers<void>();
  const ended = executeStep(step, context, ready.resolve);
  return { started: Promise.race([ready.promise, ended]), ended };
}

/**
 * Runs a step that may start, and records its end in the graph.
 *
 * @param step Index of the step.
 * @param onReady Called as soon as a service is ready, or has failed and is
 * being ended.
 */
export async function executeStep(
  step: number,
  context: ExecutionContext,
  onReady: () => void = () => {},
): Promise<void> {
  const { plan, graph, setting, details, cwd, shells, clock } = context;
  const { name } = plan.steps[step];
  const cancellation = graph.running.add(step);
  let startedAt = clock.date();
  let start = clock.now();
  try {
    using place = await setting.takePlace(step, cancellation.graceful);
    startedAt = clock.date();
    start = clock.now();
    using _work = clock.work();
    if (place === undefined) {
      return graph.end(step, CANCELLED_END, startedAt, 0);
    }
    await using opened = await setting.openStep(step);
    const { log } = opened.context;
    const shared = { ...context, cancellation, onReady };
    const run = () => runOrRestore(step, opened, shared);
    const target = { step: plan.steps[step], opened, cancellation };
    const end = await (shells?.around(target, run) ?? run());
    if ("value" in end) {
      setting.outputs.set(step, end.value);
    }
    const hint = end.outcome === "failed" ? opened.hint(log) : undefined;
    // The size of the log is final after its last line.
    await log.close();
    details.set(name, {
      tail: [...log.tail(), ...hint === undefined ? [] : [hint]],
      outputs: "value" in end && isObject(end.value)
        ? Object.keys(end.value)
        : [],
      ...end.caches === undefined ? {} : { caches: end.caches },
      ...log.path === undefined ? {} : {
        log: shownPath(log.path, cwd),
        ...readLogSize(log.path),
      },
    });
    graph.end(step, end, startedAt, clock.now() - start);
  } catch (cause) {
    const error = cause instanceof RunnerError
      ? cause
      : new RunnerError(`Cannot run step "${name}": ${messageOf(cause)}`, {
        code: "step-failed",
        cause,
      });
    const { exitCode } = error;
    graph.end(
      step,
      { outcome: "failed", exitCode, signal: null, error, attemptResults: [] },
      startedAt,
      clock.now() - start,
    );
  }
}

/** State shared by the attempts of a step. */
interface SharedContext extends ExecutionContext {
  readonly cancellation: Cancellation;
  readonly onReady: () => void;
}

/** Runs a step, or restores its result from the cache. */
async function runOrRestore(
  step: number,
  opened: OpenedStep,
  shared: SharedContext,
): Promise<StepEnd> {
  const { cache, activity, graph, cancellation } = shared;
  const { definition } = opened.context;
  if (definition.untrusted) activity.markUntrusted();
  const run: CachedStep["run"] = async (log, spawn) => {
    using _ = activity.enter();
    const { system } = opened.context;
    const context = {
      ...opened.context,
      log,
      system: spawn === undefined ? system : { ...system, spawn },
    };
    return await runWithDirectories(step, { ...opened, context }, shared);
  };
  if (cache === undefined || definition.cache === undefined) {
    return await run(opened.context.log);
  }
  return await (await cache()).run({
    index: step,
    context: { ...opened.context, needs: graph.needsOf(step), cancellation },
    openAttempt: opened.openAttempt,
    run,
  });
}

/** Restores directories, runs a step, and saves them. */
async function runWithDirectories(
  step: number,
  opened: Pick<OpenedStep, "context" | "openAttempt">,
  shared: SharedContext,
): Promise<StepEnd> {
  const { gate, cacheUses, cancellation } = shared;
  const { name, definition, system } = opened.context;
  const run = async () => {
    await using _untrusted = definition.untrusted
      ? await gate.enter(name)
      : undefined;
    using _trusted = definition.untrusted ? undefined : gate.enterTrusted(name);
    return await runOpened(step, opened, shared);
  };
  if (definition.usesCache === undefined || !system.usesCache) {
    return await run();
  }
  return await (await cacheUses()).around(opened, cancellation, run);
}

/** Runs the attempts of a step, or a service for as long as it is needed. */
async function runOpened(
  step: number,
  { context, openAttempt }: Pick<OpenedStep, "context" | "openAttempt">,
  shared: SharedContext,
): Promise<StepEnd> {
  const { graph, setting, onEvent, lines, cancellation, onReady } = shared;
  const { name, log, definition } = context;
  const attempt = { ...context, needs: graph.needsOf(step), cancellation };
  const options = {
    onEvent(event: StepEvent) {
      onEvent(event);
      if (event.type === "started") lines?.watch(name, log);
    },
    openAttempt,
    // Logs the start of the step before its output.
    beforeAttempt: lines?.written,
  };
  if (!definition.service) return await runAttempts(attempt, options);
  const { runService } = await import("../steps/run_service.ts");
  return await runService(attempt, {
    ...options,
    ports: setting.portsOf(step),
    onReady(outputs, durationMs) {
      setting.outputs.set(step, outputs);
      onEvent({ type: "ready", step: name, durationMs });
      graph.setReady(step, durationMs);
      onReady();
    },
    onUnusable(failure) {
      if (graph.failService(step, failure)) onReady();
    },
  });
}

/** Reads the size of a log; a step may have replaced the file. */
function readLogSize(path: string): { logBytes?: number } {
  try {
    const { isFile, size } = Deno.lstatSync(path);
    return isFile ? { logBytes: size } : {};
  } catch {
    // A step has removed the file, or a warning explains why there is none.
    return {};
  }
}
