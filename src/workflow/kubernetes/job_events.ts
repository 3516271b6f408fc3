import { isObject } from "../../json_value.ts";
import { pause } from "../../process/time_limit.ts";
import type { Cluster } from "./cluster.ts";
import { readString } from "./read_objects.ts";

/** Time without a Pod after which the events of a Job are read, in milliseconds. */
const MISSING_MS = 5_000;

/** Options for {@linkcode explainMissingPod}. */
export interface MissingPodOptions {
  /** Name of the Job. */
  readonly name: string;
  /** Whether the Job has no Pod yet. */
  readonly isMissing: () => boolean;
  /** Called with the reason, repeatedly while it persists. */
  readonly onReason: (reason: string) => void;
}

/**
 * Finds out why a Job has no Pod, such as a quota or an admission policy. Only
 * events contain the reason.
 */
export function explainMissingPod(
  cluster: Cluster,
  { name, isMissing, onReason }: MissingPodOptions,
): Disposable {
  const stop = new AbortController();
  const { signal } = stop;
  const poll = async () => {
    for (;;) {
      await pause(MISSING_MS, signal);
      if (signal.aborted || !isMissing()) return;
      const reason = await lastWarning(cluster, name, signal);
      if (reason !== undefined && isMissing()) onReason(reason);
    }
  };
  // The reason is optional: reading events may be forbidden.
  poll().catch(() => {});
  return { [Symbol.dispose]: () => stop.abort() };
}

async function lastWarning(
  cluster: Cluster,
  name: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const query = new URLSearchParams({
    fieldSelector: `involvedObject.name=${name},type=Warning`,
  });
  const list = await cluster.send(
    { method: "GET", path: `${cluster.path("events")}?${query}` },
    signal,
  );
  const items = isObject(list) && Array.isArray(list.items) ? list.items : [];
  const event: unknown = items.at(-1);
  if (!isObject(event)) return undefined;
  const reason = readString(event.reason) ?? "unknown reason";
  const message = readString(event.message) ?? "";
  return `its pod cannot be created (${reason}): ${message}`;
}
