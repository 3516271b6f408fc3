import { messageOf } from "../../errors.ts";
import { onAbort } from "../../process/cancellation.ts";
import { pause, type TimeLimit, timeLimit } from "../../process/time_limit.ts";
import { type Cluster, CLUSTER_OUTAGE_MS } from "./cluster.ts";
import { ClusterError } from "./cluster_transport.ts";
import { LogCursor } from "./log_cursor.ts";

/**
 * Time without bytes after which a stream is reopened while its container runs, in
 * milliseconds.
 */
const MAX_STREAM_MS = 10 * 60_000;

/**
 * Time for which the log of an ended container may be missing, in milliseconds.
 */
const NO_LOG_MS = 10_000;

const MAX_PAUSE_MS = 5_000;

/** Options for {@linkcode followLog}. */
export interface FollowLogOptions {
  /** Name of the Pod. */
  readonly pod: string;
  /** Name of the container, which has started. */
  readonly container: string;
  /** Aborted when the container has ended. */
  readonly ended: AbortSignal;
  /** Takes the bytes of the log. */
  readonly write: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
  /** Stops reading. */
  readonly signal: AbortSignal;
  /**
   * Maximum time for which the log of an ended container may be unreadable, in
   * milliseconds.
   *
   * @default {300_000}
   */
  readonly outageMs?: number;
  /**
   * Time without bytes after which a stream is reopened once its container has
   * ended, in milliseconds.
   *
   * @default {10_000}
   */
  readonly idleMs?: number;
  /**
   * Minimum pause between two streams, in milliseconds.
   *
   * @default {250}
   */
  readonly minPauseMs?: number;
}

/**
 * Follows the log of a container to its end, across streams that break.
 *
 * A stream may end early without an error. The log is complete when a stream ends
 * that was opened after the end of the container.
 *
 * @returns Why the log is not complete; `undefined` if it is.
 * @throws {ClusterError} If the log cannot be read at all.
 */
export async function followLog(
  cluster: Cluster,
  options: FollowLogOptions,
): Promise<string | undefined> {
  const { ended, write, signal, minPauseMs = 250 } = options;
  const { outageMs = CLUSTER_OUTAGE_MS } = options;
  const cursor = new LogCursor();
  // Nothing else limits the time of retries after the end of the container.
  let failedSinceMs: number | undefined;
  for (let pauseMs = minPauseMs;;) {
    const isLast = ended.aborted;
    cursor.restart();
    try {
      for await (const bytes of logStream(cluster, cursor.since, options)) {
        const text = cursor.accept(bytes);
        if (text.length > 0) await write(text);
        pauseMs = minPauseMs;
        // A stream repeats what was read before it continues.
        if (text.length > 0) failedSinceMs = undefined;
      }
      if (isLast) break;
      // The stream ends a moment before or after its container.
      if (ended.aborted) continue;
    } catch (error) {
      if (signal.aborted) throw error;
      if (isDeleted(error)) {
        await write(cursor.finish());
        return "the pod was deleted before its log was read";
      }
      if (!isTemporary(error)) throw error;
      if (isLast) {
        failedSinceMs ??= performance.now();
        const maxMs = isMissing(error)
          ? Math.min(NO_LOG_MS, outageMs)
          : outageMs;
        if (performance.now() - failedSinceMs > maxMs) {
          await write(cursor.finish());
          return error instanceof DOMException
            ? "its stream does not end"
            : messageOf(error);
        }
      }
    }
    await pause(pauseMs, ended.aborted ? signal : ended);
    pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
  }
  const rest = cursor.finish();
  if (rest.length > 0) await write(rest);
  return cursor.hasGap
    ? "the node removed lines before they were read"
    : undefined;
}

async function* logStream(
  cluster: Cluster,
  since: string | undefined,
  { pod, container, ended, signal, idleMs = 10_000 }: FollowLogOptions,
): AsyncGenerator<Uint8Array> {
  const query = new URLSearchParams({
    container,
    follow: "true",
    timestamps: "true",
    ...since === undefined ? {} : { sinceTime: since },
  });
  const stuck = new AbortController();
  let idle: TimeLimit | undefined;
  const awaitBytes = () => {
    idle?.[Symbol.dispose]();
    idle = timeLimit(ended.aborted ? idleMs : MAX_STREAM_MS);
    void idle.reached.then(() => stuck.abort());
  };
  // The time that the reader takes does not count as idle.
  using _ = onAbort(ended, () => {
    if (idle !== undefined) awaitBytes();
  });
  const path = `${cluster.path("pods", pod)}/log?${query}`;
  const eitherSignal = AbortSignal.any([signal, stuck.signal]);
  try {
    awaitBytes();
    for await (const bytes of cluster.transport.stream(path, eitherSignal)) {
      idle?.[Symbol.dispose]();
      idle = undefined;
      yield bytes;
      awaitBytes();
    }
  } finally {
    idle?.[Symbol.dispose]();
  }
}

function isDeleted(error: unknown): boolean {
  return error instanceof ClusterError && error.status === 404;
}

/** Checks whether the node has no log: the container has not started, or was removed. */
function isMissing(error: unknown): boolean {
  return error instanceof ClusterError && error.status === 400;
}

function isTemporary(error: unknown): boolean {
  return error instanceof DOMException ||
    isMissing(error) || error instanceof ClusterError && error.isTransient;
}
