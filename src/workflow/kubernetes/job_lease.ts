import { messageOf } from "../../errors.ts";
import { pause } from "../../process/time_limit.ts";
import type { Cluster } from "./cluster.ts";

/** Number of attempts to extend a deadline before it passes. */
const EXTENSIONS = 3;

/** Options for {@linkcode keepLease}. */
export interface LeaseOptions {
  /** Time until the deadline from the start and from each extension, in seconds. */
  readonly seconds: number;
  /** Called if the deadline cannot be extended. */
  readonly onProblem: (problem: string) => void;
}

/**
 * Extends the deadline of a Job periodically until disposed, so that Kubernetes ends
 * the Job if the runner is killed.
 *
 * The deadline is relative to the start of the Job. The time since then is measured
 * locally, so that clocks need not agree.
 */
export function keepLease(
  cluster: Cluster,
  name: string,
  { seconds, onProblem }: LeaseOptions,
): Disposable {
  const stop = new AbortController();
  const start = performance.now();
  const extend = async () => {
    for (;;) {
      await pause(seconds * 1_000 / EXTENSIONS, stop.signal);
      if (stop.signal.aborted) return;
      const passed = Math.ceil((performance.now() - start) / 1_000);
      try {
        await cluster.extendDeadline(name, passed + seconds, stop.signal);
      } catch (error) {
        if (stop.signal.aborted) return;
        onProblem(`Cannot extend the deadline: ${messageOf(error)}`);
      }
    }
  };
  void extend();
  return { [Symbol.dispose]: () => stop.abort() };
}
