import { onAbort } from "../../process/cancellation.ts";
import { pause, type TimeLimit, timeLimit } from "../../process/time_limit.ts";
import type { Cluster } from "./cluster.ts";
import { ClusterError } from "./cluster_transport.ts";
import { LogCursor } from "./log_cursor.ts";

/**
 * Time without bytes after which a stream is opened again when its container
 * has ended, in milliseconds.
 */
const END_MS = 10_000;

/** The same while its container runs. */
const MAX_STREAM_MS = 10 * 60_000;

const MIN_PAUSE_MS = 250;

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
  /** Stops the reading. */
  readonly signal: AbortSignal;
}

/**
 * Follows the log of a container to its end, across streams that break.
 *
 * A stream may end early without an error. The log is complete when a stream
 * that was opened after the end of the container has ended.
 *
 * @returns Why the log is not complete; `undefined` if it is.
 * @throws {ClusterError} If the log cannot be read at all.
 */
export async function followLog(
  cluster: Cluster,
  options: FollowLogOptions,
): Promise<string | undefined> {
  const { ended, write, signal } = options;
  const cursor = new LogCursor();
  for (let pauseMs = MIN_PAUSE_MS;;) {
    const isLast = ended.aborted;
    cursor.restart();
    try {
      for await (const bytes of logStream(cluster, cursor.since, options)) {
        const text = cursor.accept(bytes);
        if (text.length > 0) await write(text);
        pauseMs = MIN_PAUSE_MS;
      }
      if (isLast) break;
    } catch (error) {
      if (signal.aborted) throw error;
      if (isGone(error)) {
        await write(cursor.finish());
        return "the pod was deleted before its log was read";
      }
      if (!mayPass(error)) throw error;
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
  { pod, container, ended, signal }: FollowLogOptions,
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
    idle = timeLimit(ended.aborted ? END_MS : MAX_STREAM_MS);
    void idle.reached.then(() => stuck.abort());
  };
  using _ = onAbort(ended, awaitBytes);
  const path = `${cluster.path("pods", pod)}/log?${query}`;
  const both = AbortSignal.any([signal, stuck.signal]);
  try {
    awaitBytes();
    for await (const bytes of cluster.transport.stream(path, both)) {
      yield bytes;
      awaitBytes();
    }
  } finally {
    idle?.[Symbol.dispose]();
  }
}

function isGone(error: unknown): boolean {
  return error instanceof ClusterError && error.status === 404;
}

/** A container that is about to start has no log yet, which is status 400. */
function mayPass(error: unknown): boolean {
  return error instanceof DOMException ||
    error instanceof ClusterError &&
      (error.isTransient || error.status === 400);
}
