import type { StepEvent, StepResult } from "../../steps/step.ts";

/** A step that was started and is not over. */
export interface RunningStep {
  /** Name of the step. */
  readonly name: string;
  /** When the first attempt began, in milliseconds. */
  readonly startedAt: number;
  /** Number of the attempt that runs, or comes next. */
  attempt: number;
  /** When that attempt begins, for one that waits for it. */
  resumesAt: number | undefined;
  /** How far it is, as it says itself. */
  progress: string | undefined;
}

/** Number of finished steps, by how they are shown. */
export interface EndedCounts {
  /** Steps that did what they were to do, or were let fail. */
  done: number;
  /** Steps for which the job fails. */
  failed: number;
  /** Steps that were ended by others. */
  cancelled: number;
  /** Steps that never run. */
  skipped: number;
}

/** What is known of the steps of a job, kept up to date by events. */
export class Board {
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, RunningStep>();

  /** When the job began, in milliseconds. */
  readonly startedAt: number;

  /** Steps that are over. */
  readonly ended: EndedCounts = {
    done: 0,
    failed: 0,
    cancelled: 0,
    skipped: 0,
  };

  constructor(startedAt: number) {
    this.startedAt = startedAt;
  }

  /** How many steps wait to be started. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** How many steps run. */
  get runningCount(): number {
    return this.#running.size;
  }

  /** Steps that run, those that have run longest first. */
  running(): MapIterator<RunningStep> {
    return this.#running.values();
  }

  /**
   * Records an event.
   *
   * @param event What happened.
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
    // A new value for a known key keeps its place.
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
