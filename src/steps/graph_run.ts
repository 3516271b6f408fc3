import type { FailurePolicy } from "../config/step_config.ts";
import { messageOf, RunnerError } from "../errors.ts";
import type { EndingSignal } from "../host.ts";
import { Cancellation } from "../process/cancellation.ts";
import type { StepEnd } from "./attempts.ts";
import type { JobPlan, PlannedStep } from "./job_plan.ts";
import type {
  ConditionContext,
  NeedState,
  Step,
  StepEvent,
  StepResult,
  StepStatus,
} from "./step.ts";

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

/** What a condition depends on, besides the steps that a step waits for. */
export interface JobState extends Omit<ConditionContext, "needs"> {
  /** Whether a step failed that this one depends on, directly or not. */
  readonly hasFailedAncestor: boolean;
  /** Why no step starts any more that runs only when all is well. */
  readonly stopReason: string | undefined;
}

/**
 * Judges whether a step runs, now that those it waits for are over.
 *
 * @param step The step.
 * @param needs How those ended, by name.
 * @param state Where the job is.
 * @returns Why it is skipped; `undefined`, if it runs.
 * @throws What a condition that is a function throws.
 */
export function skipReason(
  { condition = "all_success" }: Step,
  needs: Readonly<Record<string, NeedState>>,
  { stopReason, hasFailed, isCancelled, hasFailedAncestor }: JobState,
): string | undefined {
  if (typeof condition === "function") {
    return condition({ needs, hasFailed, isCancelled })
      ? undefined
      : "its condition does not hold";
  }
  if (condition === "always") return undefined;
  if (condition === "any_failed") {
    return hasFailedAncestor ? undefined : "no step that it depends on failed";
  }
  const missing = Object.entries(needs).find(([, { conclusion }]) =>
    conclusion !== "success"
  );
  if (missing !== undefined) {
    const [name, { conclusion }] = missing;
    return `"${name}" ${conclusionText(conclusion)}`;
  }
  return stopReason;
}

/**
 * Tells whether a conclusion counts as a failure, as the coordinator counts.
 *
 * @param conclusion Conclusion of a step.
 * @returns Whether it is one.
 */
export function isFailure(conclusion: NeedState["conclusion"]): boolean {
  return conclusion === "failed" || conclusion === "cancelled" ||
    conclusion === "timeout";
}

function conclusionText(conclusion: NeedState["conclusion"]): string {
  if (conclusion === "timeout") return "ran into its time limit";
  if (conclusion === "failed") return "failed";
  return `was ${conclusion}`;
}

/**
 * Makes the result of a step that never ran.
 *
 * @param name Name of the step.
 * @param reason Why it did not run.
 * @param conclusion What the job makes of it.
 * @returns The result.
 */
export function notRun(
  name: string,
  reason: string,
  conclusion: StepStatus = "skipped",
): StepResult {
  return {
    name,
    outcome: "skipped",
    conclusion,
    exitCode: null,
    signal: null,
    attempts: 0,
    startedAt: null,
    durationMs: 0,
    reason,
  };
}

/**
 * Makes the result of a step that ran.
 *
 * @param step The step.
 * @param end How it ended.
 * @param startedAt When it was started first.
 * @param durationMs How long it took, in milliseconds.
 * @returns The result.
 */
export function resultOf(
  { name, definition }: PlannedStep,
  end: StepEnd,
  startedAt: Date,
  durationMs: number,
): StepResult {
  const { outcome, exitCode, signal, attempts, error, endJob } = end;
  // Its exit code tells all that there is to say of a command that failed.
  const reason = error?.code === "command-failed"
    ? undefined
    : error?.message ?? endJob;
  return {
    name,
    outcome,
    conclusion: conclusionOf(outcome, definition.continueOnError ?? false),
    exitCode,
    signal,
    attempts,
    startedAt,
    durationMs,
    ...reason === undefined ? {} : { reason },
  };
}

function conclusionOf(
  outcome: StepStatus,
  continueOnError: boolean,
): StepStatus {
  if (outcome === "neutral") return "success";
  const isForgiven = outcome === "failed" || outcome === "timeout";
  return isForgiven && continueOnError ? "success" : outcome;
}

/** The steps that run now, so that they can be ended. */
export class RunningSteps {
  readonly #cancellations = new Map<number, Cancellation>();

  /**
   * Adds a step that begins.
   *
   * @param step Index of the step.
   * @returns The wish that it ends.
   */
  add(step: number): Cancellation {
    const cancellation = new Cancellation();
    this.#cancellations.set(step, cancellation);
    return cancellation;
  }

  /** Removes a step that is over. */
  remove(step: number): void {
    this.#cancellations.delete(step);
  }

  /**
   * Asks steps to end that were not asked before.
   *
   * @param signal Signal that their programs get.
   * @param isMeant Tells which steps are asked.
   */
  ask(signal: EndingSignal, isMeant: (step: number) => boolean): void {
    for (const [step, cancellation] of [...this.#cancellations]) {
      if (cancellation.signal === null && isMeant(step)) {
        cancellation.cancel(signal);
      }
    }
  }

  /** Ends all steps at once. */
  kill(): void {
    for (const cancellation of [...this.#cancellations.values()]) {
      if (cancellation.signal === null) cancellation.cancel("SIGTERM");
      cancellation.cancel("SIGTERM");
    }
  }
}
