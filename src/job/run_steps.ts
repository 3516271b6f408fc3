import type { JobConfig } from "../config/job_config.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { schedule } from "./graph/schedule.ts";
import type { TraceContext } from "./job_environment.ts";
import type { StepResult } from "./job_result.ts";
import type { JobRun } from "./job_run.ts";
import type { StepEvent } from "./step_event.ts";
import { endWithJob } from "./steps/end_with_job.ts";
import { GraphRun } from "./steps/graph_run.ts";
import { keepOutputs } from "./steps/kept_outputs.ts";
import { maskedEvents } from "./steps/masked_events.ts";
import type { JobPlan } from "./steps/planned_step.ts";
import { runAttempts } from "./steps/run_attempts.ts";
import { openStepSetting, type StepSetting } from "./steps/step_setting.ts";
import { printSummary } from "./steps/print_summary.ts";

/** Options for {@linkcode runSteps}. */
export interface RunStepsOptions {
  /** Trace to which the job belongs. */
  trace: TraceContext;
  /** Hears what happens to the steps. */
  onEvent: (event: StepEvent) => void;
}

/**
 * Runs the steps of a job and notes in the run how they ended.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @param plan The steps.
 * @param options Trace and listener.
 * @returns The result of each step.
 * @throws {RunnerError} If the steps' directories cannot be made.
 */
export async function runSteps(
  run: JobRun,
  config: JobConfig,
  plan: JobPlan,
  options: RunStepsOptions,
): Promise<readonly StepResult[]> {
  const { failurePolicy, concurrency = navigator.hardwareConcurrency } = config;
  const onEvent = maskedEvents(run.parts.masker, options.onEvent);
  await using setting = await openStepSetting(run, config, plan, {
    trace: options.trace,
    onEvent,
  });
  run.cancellation.asked.throwIfAborted();
  const graph = new GraphRun(plan, {
    failurePolicy,
    onEvent,
    onFailure: (error) => run.fail(error),
  });
  onEvent({
    type: "planned",
    steps: plan.steps.map(({ name, dependsOn }) => ({ name, dependsOn })),
  });
  {
    using _ = endWithJob(run, config, graph);
    await schedule(plan, {
      concurrency,
      start: (step) =>
        graph.admits(step)
          ? runStep(step, plan, graph, setting, onEvent)
          : undefined,
    });
  }
  await keepForLater(run, setting);
  await printSummary(run.parts, graph.results, setting.tails);
  run.exitCode = run.error instanceof RunnerError ? run.error.exitCode : 0;
  return graph.results;
}

/** A later run of some of the steps needs what the others gave. */
async function keepForLater(run: JobRun, setting: StepSetting): Promise<void> {
  const { workspace, masker, logger } = run.parts;
  const outputs = setting.outputs.all();
  if (outputs.size === 0) return;
  try {
    const secret = await keepOutputs(workspace, outputs, masker);
    if (secret.length > 0) {
      const names = secret.join(", ");
      logger.debug("steps", `Outputs that hold secrets are not kept: ${names}`);
    }
  } catch (error) {
    logger.warn("steps", messageOf(error));
  }
}

async function runStep(
  step: number,
  plan: JobPlan,
  graph: GraphRun,
  setting: StepSetting,
  onEvent: (event: StepEvent) => void,
): Promise<void> {
  const { name } = plan.steps[step];
  const cancellation = graph.running.add(step);
  const startedAt = new Date();
  const start = performance.now();
  try {
    await using opened = await setting.openStep(step);
    const needs = graph.needsOf(step);
    const end = await runAttempts({ ...opened.context, needs, cancellation }, {
      onEvent,
      openAttempt: opened.openAttempt,
    });
    if ("value" in end) setting.outputs.set(step, end.value);
    setting.tails.set(name, opened.context.log.tail());
    graph.end(step, end, startedAt, performance.now() - start);
  } catch (cause) {
    const error = cause instanceof RunnerError
      ? cause
      : new RunnerError(`Cannot run step "${name}"`, {
        code: "step-failed",
        cause,
      });
    const { exitCode } = error;
    graph.end(
      step,
      { outcome: "failed", exitCode, signal: null, error, attempts: 0 },
      startedAt,
      performance.now() - start,
    );
  }
}
