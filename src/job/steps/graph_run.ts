import type { FailurePolicy } from "../../config/step_config.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import type { StepResult } from "../job_result.ts";
import type { NeedState } from "../step.ts";
import type { StepEvent } from "../step_event.ts";
import type { JobPlan } from "./planned_step.ts";
import type { StepEnd } from "./run_attempts.ts";
import { RunningSteps } from "./running_steps.ts";
import { notRun, resultOf } from "./step_result.ts";
import { isFailure, type JobState, skipReason } from "./verdict.ts";

/** Options for {@linkcode GraphRun}. */
export interface GraphRunOptions {
  /** What happens to the other steps when a required one has failed. */
  failurePolicy: FailurePolicy;
  /** Hears how each step ends. */
  onEvent: (event: StepEvent) => void;
  /** Hears why the job fails, when a required step does. */
  onFailure: (error: RunnerError) => void;
}

/** Where the graph of a job is: what has ended, what runs, what may start. */
export class GraphRun {
  /** The steps that run now. */
  readonly running: RunningSteps = new RunningSteps();
  readonly #plan: JobPlan;
  readonly #options: GraphRunOptions;
  readonly #results: StepResult[];
  /** For each step that was looked at, whether one that it depends on failed. */
  readonly #hasFailedAncestor: boolean[] = [];
  #stopReason: string | undefined;
  #hasFailed = false;
  #isCancelled = false;
  #isOver = false;

  /**
   * Makes the run of a graph that has not begun.
   *
   * @param plan The graph.
   * @param options Policy and listeners.
   */
  constructor(plan: JobPlan, options: GraphRunOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#results = new Array(plan.steps.length);
  }

  /** Results of all steps, in the order of the job, once they are over. */
  get results(): readonly StepResult[] {
    return this.#results;
  }

  /**
   * Gives what a step is told of those it waits for.
   *
   * @param step Index of the step.
   * @returns How they ended, by name.
   */
  needsOf(step: number): Readonly<Record<string, NeedState>> {
    const needs: Record<string, NeedState> = Object.create(null);
    for (const need of this.#plan.needs[step]) {
      needs[this.#plan.steps[need].name] = this.#results[need];
    }
    return needs;
  }

  /**
   * Judges whether a step runs; if not, its result is noted.
   *
   * @param step Index of the step, those it waits for being over.
   * @returns Whether it runs.
   */
  admits(step: number): boolean {
    const { steps, isSelected } = this.#plan;
    const { name, definition, isEmpty } = steps[step];
    const hasFailedAncestor = this.#plan.needs[step].some((need) =>
      this.#hasFailedAncestor[need] ||
      isFailure(this.#results[need].conclusion)
    );
    this.#hasFailedAncestor[step] = hasFailedAncestor;
    if (!isSelected[step]) {
      // What was left out on purpose keeps nobody else from running.
      this.#note(step, notRun(name, "not selected", "success"));
      return false;
    }
    let reason: string | undefined;
    try {
      reason = this.#isOver
        ? this.#stopReason
        : skipReason(definition, this.needsOf(step), {
          ...this.#state,
          hasFailedAncestor,
        });
    } catch (cause) {
      const error = new RunnerError(
        `The condition of step "${name}" threw: ${messageOf(cause)}`,
        { code: "step-failed", cause },
      );
      const end = { outcome: "failed", exitCode: 1, signal: null } as const;
      this.end(step, { ...end, error, attempts: 0 }, new Date(), 0);
      return false;
    }
    if (reason !== undefined) this.#note(step, notRun(name, reason));
    else if (isEmpty) {
      const result = notRun(name, "its list is empty", "success");
      this.#note(step, { ...result, outcome: "neutral" });
    }
    return reason === undefined && !isEmpty;
  }

  /**
   * Notes how a step ended, and what that means for the others.
   *
   * @param step Index of the step.
   * @param end How it ended.
   * @param startedAt When it was started first.
   * @param durationMs How long it took, in milliseconds.
   */
  end(step: number, end: StepEnd, startedAt: Date, durationMs: number): void {
    const planned = this.#plan.steps[step];
    const { name, definition } = planned;
    const result = resultOf(planned, end, startedAt, durationMs);
    this.running.remove(step);
    if (isFailure(result.conclusion) && definition.required !== false) {
      this.#hasFailed = true;
      if (end.error) this.#options.onFailure(end.error);
      this.#applyPolicy(`step "${name}" failed`);
    }
    if (end.endJob !== undefined) {
      this.#stopReason ??= `the job ended early: ${end.endJob}`;
    }
    this.#note(step, result);
  }

  /**
   * From now on only steps start that run whatever happened before.
   *
   * @param reason Why.
   */
  cancel(reason: string): void {
    this.#isCancelled = true;
    this.#stopReason = reason;
  }

  /**
   * From now on no step starts at all.
   *
   * @param reason Why.
   */
  close(reason: string): void {
    this.#isOver = true;
    this.#stopReason = reason;
  }

  get #state(): Omit<JobState, "hasFailedAncestor"> {
    return {
      stopReason: this.#stopReason,
      hasFailed: this.#hasFailed,
      isCancelled: this.#isCancelled,
    };
  }

  #applyPolicy(reason: string): void {
    const { failurePolicy } = this.#options;
    if (failurePolicy === "continue") return;
    this.#stopReason ??= reason;
    if (failurePolicy !== "kill") return;
    const { steps } = this.#plan;
    this.running.ask(
      "SIGTERM",
      (step) => steps[step].definition.condition !== "always",
    );
  }

  #note(step: number, result: StepResult): void {
    this.#results[step] = result;
    this.#options.onEvent({ type: "ended", result });
  }
}
