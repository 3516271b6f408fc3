import { messageOf } from "../../errors.ts";
import { pause } from "../../process/time_limit.ts";
import type { Cluster } from "./cluster.ts";

/** Number of times that a deadline is extended before it could pass. */
const EXTENSIONS = 3;

/** Options for {@linkcode keepLease}. */
export interface LeaseOptions {
  /** Seconds from now, or from each extension, to the deadline. */
  readonly seconds: number;
  /** Called if the deadline cannot be extended. */
  readonly onProblem: (problem: string) => void;
}

/**
 * Extends the deadline of a Job again and again until it is disposed of, so
 * that Kubernetes ends the Job of a runner that was killed.
 *
 * The deadline counts from the start of the Job, and the time since then is
 * measured here, so that clocks need not agree.
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
