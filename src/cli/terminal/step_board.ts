import type { StepEvent, StepResult } from "../../steps/step.ts";

/** A step that has started and not ended. */
export interface RunningStep {
  /** Name of the step. */
  readonly name: string;
  /** Start of the first attempt, in milliseconds. */
  readonly startedAt: number;
  /** Number of the current or next attempt. */
  attempt: number;
  /** Start of the next attempt, in milliseconds, during the delay before it. */
  resumesAt: number | undefined;
  /** Progress that the step prints. */
  progress: string | undefined;
}

/** Numbers of ended steps, as they are displayed. */
export interface EndedCounts {
  /** Steps that succeeded, or whose failure does not count. */
  done: number;
  /** Steps that failed. */
  failed: number;
  /** Steps that were cancelled. */
  cancelled: number;
  /** Steps that did not run. */
  skipped: number;
}

/** State of the steps of a job, updated by events. */
export class StepBoard {
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, RunningStep>();

  /** Start of the job, in milliseconds. */
  readonly startedAt: number;

  /** Numbers of ended steps. */
  readonly ended: EndedCounts = {
    done: 0,
    failed: 0,
    cancelled: 0,
    skipped: 0,
  };

  constructor(startedAt: number) {
    this.startedAt = startedAt;
  }

  /** Number of steps that have not started. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Number of running steps. */
  get runningCount(): number {
    return this.#running.size;
  }

  /** Returns the running steps, the longest running first. */
  running(): MapIterator<RunningStep> {
    return this.#running.values();
  }

  /**
   * Records an event.
   *
   * @param now Time of the event, in milliseconds.
   */
  apply(event: StepEvent, now: number): void {
    switch (event.type) {
      case "planned":
        for (const { name } of event.steps) this.#waiting.add(name);
        break;
      case "started":
        this.#attempt(event.step, event.attempt, now, undefined);
        break;
      case "retrying":
        this.#attempt(event.step, event.attempt, now, now + event.delayMs);
        break;
      case "progress": {
        const step = this.#running.get(event.step);
        if (step) step.progress = event.text;
        break;
      }
      case "ready": {
        const step = this.#running.get(event.step);
        if (step) step.progress = "ready";
        break;
      }
      case "ended":
        this.#waiting.delete(event.result.name);
        this.#running.delete(event.result.name);
        this.ended[countOf(event.result)]++;
    }
  }

  #attempt(
    name: string,
    attempt: number,
    now: number,
    resumesAt: number | undefined,
  ): void {
    this.#waiting.delete(name);
    const startedAt = this.#running.get(name)?.startedAt ?? now;
    // Setting an existing key keeps its position.
    this.#running.set(name, {
      name,
      startedAt,
      attempt,
      resumesAt,
      progress: undefined,
    });
  }
}

function countOf({ outcome, conclusion }: StepResult): keyof EndedCounts {
  if (outcome === "skipped" || outcome === "cancelled") return outcome;
  return conclusion === "success" || conclusion === "neutral"
    ? "done"
    : "failed";
}
