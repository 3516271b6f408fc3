import type { Plan } from "./plan.ts";

/** Options for {@linkcode schedule}. */
export interface ScheduleOptions {
  /** How many steps run at the same time at most. */
  concurrency: number;
  /**
   * Called when all that a step waits for is over and there is room for it.
   *
   * @param step Index of the step.
   * @returns A promise that resolves when the step is over and never rejects;
   * `undefined` for a step that need not run.
   */
  start: (step: number) => Promise<void> | undefined;
}

/**
 * Goes through a graph: starts each step when those it waits for are over.
 *
 * Steps start in the order in which they become ready; those that become
 * ready together, in the order of the plan. Each step costs the same, however
 * many there are, and nothing recurses.
 *
 * @param plan The graph.
 * @param options Concurrency and what to do with a step.
 * @returns A promise that resolves when every step is over.
 */
export function schedule(plan: Plan, options: ScheduleOptions): Promise<void> {
  const { concurrency, start } = options;
  const { needs, dependents } = plan;
  const { promise, resolve } = Promise.withResolvers<void>();
  const open = needs.map(({ length }) => length);
  const ready = open.flatMap((count, step) => count === 0 ? [step] : []);
  let next = 0;
  let runningCount = 0;

  function end(step: number): void {
    for (const dependent of dependents[step]) {
      if (--open[dependent] === 0) ready.push(dependent);
    }
  }

  function advance(): void {
    while (next < ready.length && runningCount < concurrency) {
      const step = ready[next++];
      const running = start(step);
      if (running === undefined) {
        end(step);
        continue;
      }
      runningCount++;
      running.then(() => {
        runningCount--;
        end(step);
        advance();
      });
    }
    if (runningCount === 0) resolve();
  }

  advance();
  return promise;
}
