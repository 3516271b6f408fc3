import type { FailurePolicy } from "../config/step_config.ts";
import { messageOf, RunnerError } from "../errors.ts";
import type { TerminationSignal } from "../host.ts";
import { type EventFacts, whenReason } from "../schema/when.ts";
import type { StepEnd } from "./attempt.ts";
import type { PlannedStep } from "./expand_matrix.ts";
import type { JobPlan } from "./job_plan.ts";
import { RunningSteps } from "./running_steps.ts";
import { READY, Services } from "./services.ts";
import type {
  ConditionContext,
  NeedState,
  Step,
  StepEvent,
  StepResult,
  StepStatus,
} from "./step.ts";
import { needsOf } from "./step_graph.ts";

/** Options for {@linkcode GraphRun}. */
export interface GraphRunOptions {
  /** What happens to other steps when a required step fails. */
  failurePolicy: FailurePolicy;
  /** Called with the result of each step. */
  onEvent: (event: StepEvent) => void;
  /** Called with the error of each required step that fails. */
  onFailure: (error: RunnerError) => void;
  /**
   * Facts about the event that started the job.
   *
   * @default {none}
   */
  facts?: EventFacts;
  /**
   * Returns the variables of a step, without outputs of other steps.
   *
   * @default {none}
   */
  envOf?: (step: number) => Readonly<Record<string, string>>;
}

/** Facts about an unknown event. */
const NO_FACTS: EventFacts = { reasons: {} };

/**
 * State of a running graph: which steps have ended, are running or may start.
 */
export class GraphRun {
  /** The running steps. */
  readonly running: RunningSteps = new RunningSteps();
  readonly #services: Services;
  readonly #plan: JobPlan;
  readonly #options: GraphRunOptions;
  readonly #results: StepResult[];
  /** For each step considered so far, whether one of its ancestors failed. */
  readonly #hasFailedAncestor: boolean[] = [];
  /**
   * Reason for each group that was cancelled because one of its steps failed.
   */
  readonly #groupStops = new Map<string, string>();
  #stopReason: string | undefined;
  #hasFailed = false;
  #isCancelled = false;
  #isOver = false;

  /** Creates the state of a graph that has not started. */
  constructor(plan: JobPlan, options: GraphRunOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#results = new Array(plan.steps.length);
    this.#services = new Services(plan, this.running);
  }

  /** Results of the steps that have ended, in the order of the job. */
  get results(): readonly StepResult[] {
    return this.#results;
  }

  /**
   * Returns the results of the dependencies of a step. A service that is ready
   * counts as successful.
   *
   * @param step Index of the step.
   * @returns Results by name.
   */
  needsOf(step: number): Readonly<Record<string, NeedState>> {
    const needs: Record<string, NeedState> = Object.create(null);
    for (const need of needsOf(this.#plan, step)) {
      needs[this.#plan.steps[need].name] = this.#results[need] ?? READY;
    }
    return needs;
  }

  /**
   * Decides whether a step starts. If not, its result is recorded.
   *
   * @param step Index of a step whose dependencies have ended.
   * @returns Whether it starts.
   */
  shouldStart(step: number): boolean {
    const { steps, isSelected } = this.#plan;
    const { name, group, definition, isEmpty } = steps[step];
    const hasFailedAncestor = needsOf(this.#plan, step).some((need) =>
      this.#hasFailedAncestor[need] ||
      isFailure((this.#results[need] ?? READY).conclusion)
    );
    this.#hasFailedAncestor[step] = hasFailedAncestor;
    if (!isSelected[step]) {
      // Dependents of a step that is not selected still run.
      this.#record(step, buildSkippedResult(name, "not selected", "success"));
      return false;
    }
    const error = this.#isOver ? undefined : this.#services.errorFor(step);
    if (error !== undefined) {
      this.#services.fail(step, { error });
      this.#recordEnd(
        step,
        buildFailedResult(this.#plan.steps[step], error),
        error,
      );
      return false;
    }
    let reason: string | undefined;
    try {
      reason = this.#isOver ? this.#stopReason : this.#groupStops.get(group) ??
        skipReason(definition, this.needsOf(step), {
          ...this.#state,
          hasFailedAncestor,
          facts: this.#options.facts ?? NO_FACTS,
          env: this.#options.envOf?.(step) ?? {},
        });
    } catch (cause) {
      const error = new RunnerError(
        `The condition of step "${name}" threw: ${messageOf(cause)}`,
        { code: "step-failed", cause },
      );
      const end = { outcome: "failed", exitCode: 1, signal: null } as const;
      this.end(step, { ...end, error, attemptResults: [] }, new Date(), 0);
      return false;
    }
    if (reason !== undefined) {
      this.#record(step, buildSkippedResult(name, reason));
    } else if (isEmpty) {
      const result = buildSkippedResult(name, "its list is empty", "success");
      this.#record(step, { ...result, outcome: "neutral" });
    }
    return reason === undefined && !isEmpty;
  }

  /**
   * Records the end of a step and applies the failure policy.
   *
   * @param step Index of the step.
   * @param startedAt Start of the first attempt.
   * @param durationMs Duration of all attempts, in milliseconds.
   */
  end(step: number, end: StepEnd, startedAt: Date, durationMs: number): void {
    const planned = this.#plan.steps[step];
    const final = this.#services.endOf(step, end);
    const result = buildStepResult(planned, final, startedAt, durationMs);
    this.running.remove(step);
    if (result.outcome === "failed") this.#services.fail(step, final);
    this.#recordEnd(step, result, final.error);
    if (end.endJob !== undefined) {
      this.#stopReason ??= `the job ended early: ${end.endJob}`;
    }
  }

  /**
   * Records that a service is ready: the steps that need it can start.
   *
   * @param step Index of the service.
   * @param durationMs Time since its start, in milliseconds.
   */
  setReady(step: number, durationMs: number): void {
    this.#services.setReady(step, durationMs);
  }

  /**
   * Records that a service is not ready in time, and is being ended.
   *
   * @param step Index of the service.
   * @param failure Its error and last lines.
   * @returns Whether the steps that need it fail at once, because none of them runs
   * even if it fails.
   */
  failService(
    step: number,
    failure: Pick<StepEnd, "error" | "lastLines">,
  ): boolean {
    this.#services.fail(step, failure);
    if (!this.#services.isNeededForSuccess(step)) return false;
    const { continueOnError } = this.#plan.steps[step].definition;
    if (!continueOnError) this.#recordFailure(step, failure.error);
    return true;
  }

  /** Ends the background steps when all other steps have ended. */
  endBackground(): void {
    this.#services.endBackground();
  }

  /**
   * Ends the running steps. Services end when the steps that need them have
   * ended.
   *
   * @param signal Signal for their processes.
   */
  requestEnd(signal: TerminationSignal): void {
    this.running.requestEnd(signal, (step) => !this.#services.isUsable(step));
  }

  /**
   * Prevents steps with condition `all_success` from starting.
   *
   * @param reason Reason for skipping them.
   */
  cancel(reason: string): void {
    this.#isCancelled = true;
    this.#stopReason = reason;
  }

  /**
   * Prevents all steps from starting.
   *
   * @param reason Reason for skipping them.
   */
  close(reason: string): void {
    this.#isOver = true;
    this.#stopReason = reason;
  }

  get #state(): Omit<GraphState, "hasFailedAncestor" | "facts" | "env"> {
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
    this.running.requestEnd(
      "SIGTERM",
      (step) =>
        steps[step].definition.condition !== "always" &&
        !this.#services.isUsable(step),
    );
  }

  #recordEnd(step: number, result: StepResult, error?: RunnerError): void {
    const { name, group, definition } = this.#plan.steps[step];
    if (isFailure(result.conclusion) && definition.failFast) {
      this.#stopGroup(group, `"${name}" failed`);
    }
    if (isFailure(result.conclusion)) this.#recordFailure(step, error);
    this.#record(step, result);
  }

  #recordFailure(step: number, error?: RunnerError): void {
    const { name, definition } = this.#plan.steps[step];
    if (definition.required === false) return;
    this.#hasFailed = true;
    if (error) this.#options.onFailure(error);
    this.#applyPolicy(`step "${name}" failed`);
  }

  #stopGroup(group: string, reason: string): void {
    if (this.#groupStops.has(group)) return;
    this.#groupStops.set(group, reason);
    const { steps } = this.#plan;
    this.running.requestEnd("SIGTERM", (step) => steps[step].group === group);
  }

  #record(step: number, result: StepResult): void {
    this.#results[step] = result;
    this.#options.onEvent({ type: "ended", result });
    this.#services.recordEnd(step);
  }
}

/**
 * State that a condition depends on, in addition to the results of
 * dependencies.
 */
export interface GraphState extends Omit<ConditionContext, "needs"> {
  /** Whether a direct or indirect dependency failed. */
  readonly hasFailedAncestor: boolean;
  /**
   * Why steps with condition `all_success` no longer start; `undefined` while
   * they do.
   */
  readonly stopReason: string | undefined;
}

/**
 * Evaluates the condition of a step whose dependencies have ended.
 *
 * @param needs Results of its dependencies by name.
 * @returns Reason for skipping the step; `undefined` if it runs.
 * @throws The error of a condition function.
 */
export function skipReason(
  step: Pick<Step, "condition" | "when">,
  needs: Readonly<Record<string, NeedState>>,
  state: GraphState,
): string | undefined {
  const { when } = step;
  return checkCondition(step, needs, state) ??
    (when && whenReason(when, state.facts, state.env));
}

function checkCondition(
  { condition = "all_success" }: Pick<Step, "condition">,
  needs: Readonly<Record<string, NeedState>>,
  { stopReason, hasFailedAncestor, ...context }: GraphState,
): string | undefined {
  if (typeof condition === "function") {
    return condition({ needs, ...context })
      ? undefined
      : "its condition does not hold";
  }
  if (condition === "always") return undefined;
  if (condition === "any_failed") {
    return hasFailedAncestor ? undefined : "none of its dependencies failed";
  }
  const missing = Object.entries(needs).find(([, { conclusion }]) =>
    conclusion !== "success"
  );
  if (missing !== undefined) {
    const [name, { conclusion }] = missing;
    return `"${name}" ${describeConclusion(conclusion)}`;
  }
  return stopReason;
}

/**
 * Checks whether a conclusion counts as a failure. The coordinator uses the
 * same rule.
 */
export function isFailure(conclusion: NeedState["conclusion"]): boolean {
  return conclusion === "failed" || conclusion === "cancelled" ||
    conclusion === "timeout";
}

function describeConclusion(conclusion: NeedState["conclusion"]): string {
  if (conclusion === "timeout") return "timed out";
  if (conclusion === "failed") return "failed";
  return `was ${conclusion}`;
}

/**
 * Builds the result of a step that did not run.
 *
 * @param reason Why it did not run.
 * @param conclusion How the job counts the step.
 */
function buildSkippedResult(
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
    attemptResults: [],
    startedAt: null,
    durationMs: 0,
    reason,
  };
}

/** Builds the result of a step that could not start. */
function buildFailedResult(
  { name, definition }: PlannedStep,
  { message }: RunnerError,
): StepResult {
  const { continueOnError = false } = definition;
  const conclusion = applyContinueOnError("failed", continueOnError);
  return {
    ...buildSkippedResult(name, message, conclusion),
    outcome: "failed",
  };
}

/**
 * Builds the result of a step that ran.
 *
 * @param startedAt Start of the first attempt.
 * @param durationMs Duration of all attempts, in milliseconds.
 */
function buildStepResult(
  { name, definition }: PlannedStep,
  end: StepEnd,
  startedAt: Date,
  durationMs: number,
): StepResult {
  const { outcome, exitCode, signal, attemptResults, error, endJob, note } =
    end;
  const { cached } = end;
  // For a failed command, the exit code is reason enough.
  const reason = error?.code === "command-failed"
    ? undefined
    : error?.message ?? endJob ?? note;
  return {
    name,
    outcome,
    conclusion: applyContinueOnError(
      outcome,
      definition.continueOnError ?? false,
    ),
    exitCode,
    signal,
    attempts: attemptResults.length,
    attemptResults,
    startedAt,
    durationMs,
    ...reason === undefined ? {} : { reason },
    ...cached ? { cached } : {},
  };
}

function applyContinueOnError(
  outcome: StepStatus,
  continueOnError: boolean,
): StepStatus {
  if (outcome === "neutral") return "success";
  const isForgiven = outcome === "failed" || outcome === "timeout";
  return isForgiven && continueOnError ? "success" : outcome;
}
