import { PORT_PREFIX } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import { type StepEnd, withOutcome } from "./attempt.ts";
import type { JobPlan } from "./job_plan.ts";
import type { RunningSteps } from "./running_steps.ts";
import type { NeedState } from "./step.ts";
import { needsOf } from "./step_graph.ts";

/** State of a running service, as the steps that need it see it. */
export const READY: NeedState = {
  outcome: "success",
  conclusion: "success",
  exitCode: null,
};

/** Number of last lines of a service that the errors of other steps contain. */
const SHOWN_LINES = 5;

/** Maximum length of such a line, in characters. */
const SHOWN_LENGTH = 300;

/**
 * Services and background steps of a running graph.
 *
 * A ready service runs until the last step that needs it has ended, and a
 * background step until all others have. If a service ends earlier, the running
 * steps that need it are ended and fail.
 */
export class Services {
  readonly #plan: JobPlan;
  readonly #running: RunningSteps;
  /** For each service, the number of steps that need it and have not ended. */
  readonly #userCounts = new Map<number, number>();
  /** For each service that is ready, the time since its start. */
  readonly #ready = new Map<number, number>();
  /** Steps that were stopped because no other step needs them. */
  readonly #released = new Set<number>();
  /** Errors of steps that are being ended because of their service. */
  readonly #errors = new Map<number, RunnerError>();
  /** Reasons of failed services, for the steps that need them. */
  readonly #failures = new Map<number, string>();

  /** Creates the services of a graph that has not started. */
  constructor(plan: JobPlan, running: RunningSteps) {
    this.#plan = plan;
    this.#running = running;
    const { groupOf, dependents } = plan.graph;
    for (const [step, { isService }] of plan.steps.entries()) {
      if (!isService) continue;
      this.#userCounts.set(step, dependents[groupOf[step]].length);
    }
  }

  /** Checks whether a service is ready. */
  isUsable(step: number): boolean {
    return this.#ready.has(step);
  }

  /**
   * Records that a service can be used.
   *
   * @param step Index of the service.
   * @param durationMs Time since its start, in milliseconds.
   */
  setReady(step: number, durationMs: number): void {
    this.#ready.set(step, durationMs);
    if (this.#userCounts.get(step) === 0) this.#release(step);
  }

  /** Records that a step has ended, whether it ran or not. */
  recordEnd(step: number): void {
    if (this.#userCounts.size === 0) return;
    for (const need of needsOf(this.#plan, step)) {
      const count = this.#userCounts.get(need);
      if (count === undefined) continue;
      this.#userCounts.set(need, count - 1);
      if (count === 1 && this.#ready.has(need)) this.#release(need);
    }
  }

  /** Ends the background steps. */
  endBackground(): void {
    for (const [step, { definition }] of this.#plan.steps.entries()) {
      if (definition.background) this.#release(step);
    }
  }

  /**
   * Records the failure of a step. If it is a service, the steps that need it
   * are ended, except those that run even if it fails.
   *
   * @param step Index of the step.
   * @param end Its error and last lines.
   */
  fail(
    step: number,
    { error, lastLines = [] }: Pick<StepEnd, "error" | "lastLines">,
  ): void {
    const { steps, graph: { groupOf, dependents } } = this.#plan;
    if (!steps[step].isService) return;
    const shown = lastLines.slice(-SHOWN_LINES)
      .map((line) => line.trim().slice(0, SHOWN_LENGTH).toWellFormed());
    const reason = error?.message ?? `Service "${steps[step].name}" failed`;
    this.#failures.set(
      step,
      shown.length === 0
        ? reason
        : `${reason}; its last lines: ${shown.join(" | ")}`,
    );
    for (const user of dependents[groupOf[step]]) {
      if (!this.#needsSuccess(user) || !this.#running.endStep(user)) continue;
      this.#errors.set(user, this.#errorOf(user, step));
    }
  }

  /** Checks whether all steps that need a service run only if it succeeds. */
  isNeededForSuccess(step: number): boolean {
    const { groupOf, dependents } = this.#plan.graph;
    return dependents[groupOf[step]].every((user) => this.#needsSuccess(user));
  }

  /**
   * Returns the error of a step that cannot start because a service that it
   * needs has failed.
   */
  errorFor(step: number): RunnerError | undefined {
    if (this.#failures.size === 0 || !this.#needsSuccess(step)) {
      return undefined;
    }
    const service = needsOf(this.#plan, step).find((need) =>
      this.#failures.has(need)
    );
    return service === undefined ? undefined : this.#errorOf(step, service);
  }

  /**
   * Returns how a step ended, considering why it was ended.
   *
   * @param step Index of the step.
   * @param end How its processes ended.
   */
  endOf(step: number, end: StepEnd): StepEnd {
    const error = this.#errors.get(step);
    if (error !== undefined) {
      return ["success", "neutral"].includes(end.outcome)
        ? end
        : { ...withOutcome(end, "failed"), error };
    }
    if (!this.#released.has(step)) return end;
    const { error: _, ...rest } = withOutcome(end, "success");
    const readyMs = this.#ready.get(step);
    const notes = [
      readyMs === undefined
        ? "in the background"
        : `service, ready after ${(readyMs / 1_000).toFixed(1)}s`,
      ...end.wasKilled ? ["killed after its grace time"] : [],
    ];
    return { ...rest, note: notes.join(", ") };
  }

  #needsSuccess(step: number): boolean {
    const { condition = "all_success" } = this.#plan.steps[step].definition;
    return condition === "all_success";
  }

  #release(step: number): void {
    if (this.#running.endStep(step)) this.#released.add(step);
  }

  #errorOf(step: number, service: number): RunnerError {
    const { name } = this.#plan.steps[step];
    return new RunnerError(
      `Step "${name}" cannot run without its service: ${
        this.#failures.get(service)
      }`,
      { code: "step-failed" },
    );
  }
}

/** Ports that were chosen for the services of a job. */
export class ServicePorts {
  readonly #plan: JobPlan;
  readonly #ports = new Map<number, Readonly<Record<string, number>>>();

  constructor(plan: JobPlan) {
    this.#plan = plan;
  }

  /**
   * Chooses free ports for a service that is about to start.
   *
   * @param step Index of the service.
   * @throws If Deno does not permit it to listen.
   */
  choose(step: number): void {
    const { ports = [] } = this.#plan.steps[step].definition;
    using stack = new DisposableStack();
    // All are open at once, so that they differ.
    const entries = ports.map((name) => {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      stack.defer(() => listener.close());
      return [name, listener.addr.port] as const;
    });
    this.#ports.set(step, Object.fromEntries(entries));
  }

  /** Returns the ports of a service by name. */
  of(step: number): Readonly<Record<string, number>> {
    return this.#ports.get(step) ?? {};
  }

  /**
   * Returns the variables with the ports of a service, and of the services that
   * a step needs.
   *
   * @param step Index of the step.
   */
  variablesFor(step: number): Readonly<Record<string, string>> {
    const variables: Record<string, string> = {};
    for (const one of [step, ...needsOf(this.#plan, step)]) {
      for (const [name, port] of Object.entries(this.of(one))) {
        variables[`${PORT_PREFIX}${name.toUpperCase()}`] = String(port);
      }
    }
    return variables;
  }
}
