import type { JobConfig } from "../config/job_config.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { onAbort } from "../process/on_abort.ts";
import { timeLimit } from "../process/time_limit.ts";
import { schedule } from "./graph/schedule.ts";
import type { StepResult } from "./job_result.ts";
import { cancelledError, type JobRun } from "./job_run.ts";
import { TIMEOUT_EXIT_CODE } from "../process/exit_code.ts";
import type { StepEvent } from "./step_event.ts";
import { GraphRun } from "./steps/graph_run.ts";
import { keepOutputs } from "./steps/kept_outputs.ts";
import type { JobPlan } from "./steps/planned_step.ts";
import { runAttempts } from "./steps/run_attempts.ts";
import { openStepSetting, type StepSetting } from "./steps/step_setting.ts";
import { printSummary } from "./steps/print_summary.ts";

/** How long steps that run always have once a job was cancelled, after the grace time, in milliseconds. */
const ALWAYS_MS = 20_000;

/** Options for {@linkcode runSteps}. */
export interface RunStepsOptions {
  /** Id of the trace to which the job belongs. */
  traceId: string;
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
  const onEvent = maskedEvents(run, options.onEvent);
  await using setting = await openStepSetting(run, config, plan, {
    traceId: options.traceId,
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
      newOutputPath: opened.newOutputPath,
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

/** Ends the steps when the job is cancelled, or its time is over. */
function endWithJob(
  run: JobRun,
  config: JobConfig,
  graph: GraphRun,
): Disposable {
  const { cancellation } = run;
  const { timeoutMs, graceMs } = config;
  const stack = new DisposableStack();

  function end(error: RunnerError, reason: string): void {
    run.fail(error);
    graph.cancel(reason);
    graph.running.ask(cancellation.signal ?? "SIGTERM", () => true);
    const rest = stack.use(timeLimit(graceMs + ALWAYS_MS));
    rest.reached.then(() => {
      graph.close(reason);
      graph.running.ask("SIGTERM", () => true);
    });
  }

  stack.use(onAbort(cancellation.asked, () => {
    end(cancelledError(cancellation.signal!), "the job was cancelled");
  }));
  stack.use(onAbort(cancellation.insisted, () => {
    graph.close("the job was cancelled");
    graph.running.kill();
  }));
  if (timeoutMs !== undefined) {
    const limit = stack.use(timeLimit(timeoutMs));
    limit.reached.then(() => {
      const error = new RunnerError(
        `The job exceeded its time limit of ${timeoutMs} ms`,
        { code: "command-timeout", exitCode: TIMEOUT_EXIT_CODE },
      );
      end(error, "the job ran into its time limit");
    });
  }
  return stack;
}

/** Names and reasons may hold secrets; those who watch are no place for them. */
function maskedEvents(
  { parts: { masker } }: JobRun,
  onEvent: (event: StepEvent) => void,
): (event: StepEvent) => void {
  const mask = (text: string) => masker.maskText(text);
  return (event) => {
    switch (event.type) {
      case "planned":
        return onEvent({
          ...event,
          steps: event.steps.map(({ name, dependsOn }) => ({
            name: mask(name),
            dependsOn: dependsOn.map(mask),
          })),
        });
      case "ended": {
        const { name, reason } = event.result;
        return onEvent({
          ...event,
          result: {
            ...event.result,
            name: mask(name),
            ...reason === undefined ? {} : { reason: mask(reason) },
          },
        });
      }
      case "retrying":
        return onEvent({
          ...event,
          step: mask(event.step),
          reason: mask(event.reason),
        });
      default:
        return onEvent({ ...event, step: mask(event.step) });
    }
  };
}
