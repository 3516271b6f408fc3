import { onAbort } from "../../process/cancellation.ts";
import { pause } from "../../process/time_limit.ts";
import {
  isIgnoredFile,
  type Snapshot,
  type WatchedSource,
} from "./source_snapshot.ts";

/** Time without events that ends a burst, in milliseconds. */
const QUIET_MS = 100;

/** Maximum duration of a burst, in milliseconds. */
const MAX_BURST_MS = 1_000;

/** Polling interval of a source that cannot be watched, in milliseconds. */
const POLL_MS = 2_000;

/** Reports when a source may have changed. */
export interface FileWatcher extends Disposable {
  /**
   * Waits until something has changed since the last call, and then for the end
   * of the burst. False alarms are possible.
   *
   * @param signal Ends the wait early.
   */
  next(signal: AbortSignal): Promise<void>;
  /**
   * Adapts to directories that were created or removed.
   *
   * @param snapshot The files of the source.
   */
  follow(snapshot: Snapshot): void;
}

/**
 * Watches the directories of a source.
 *
 * A root and each of its directories with files that count are watched, so that
 * no watch is spent on the repository or on ignored directories such as
 * `node_modules`. If the system has no watches left, the source is
 * polled.
 *
 * @param source The source.
 * @param snapshot The files of the source.
 * @param warn Called once if the source cannot be watched.
 */
export function watchSource(
  { roots, ignored }: WatchedSource,
  snapshot: Snapshot,
  warn: (message: string) => void,
): FileWatcher {
  let watchers: Deno.FsWatcher[] = [];
  let watched = "";
  let isPolling = false;
  let isWoken = false;
  let lastEventMs = 0;
  let wake = () => {};

  function onEvent({ paths, kind }: Deno.FsEvent): void {
    if (kind === "access") return;
    // An event without paths means that events were lost.
    const counts = paths.length === 0 ||
      paths.some((path) => !isIgnoredFile(path, ignored));
    if (!counts) return;
    lastEventMs = performance.now();
    isWoken = true;
    wake();
  }

  async function listen(watcher: Deno.FsWatcher): Promise<void> {
    try {
      for await (const event of watcher) onEvent(event);
    } catch (error) {
      if (watchers.includes(watcher)) poll(error);
    }
  }

  function poll(cause: unknown): void {
    close();
    if (isPolling) return;
    isPolling = true;
    warn(
      `Cannot watch all directories (${
        cause instanceof Error ? cause.message : cause
      }); looking for changes every ${POLL_MS / 1_000} seconds instead`,
    );
  }

  function close(): void {
    const closing = watchers;
    watchers = [];
    for (const watcher of closing) watcher.close();
  }

  function open(directories: readonly string[]): void {
    try {
      watchers.push(Deno.watchFs([...roots], { recursive: false }));
      if (directories.length > 0) {
        watchers.push(Deno.watchFs([...directories], { recursive: true }));
      }
      for (const watcher of watchers) void listen(watcher);
    } catch (error) {
      poll(error);
    }
  }

  function follow(snapshot: Snapshot): void {
    if (isPolling) return;
    const directories = directoriesOf(roots, snapshot);
    const key = directories.join("\0");
    if (key === watched && watchers.length > 0) return;
    watched = key;
    close();
    open(directories);
    // Something may have changed between the two watches.
    isWoken = true;
  }

  async function burst(signal: AbortSignal): Promise<void> {
    const startMs = performance.now();
    while (!signal.aborted) {
      const nowMs = performance.now();
      const restMs = Math.min(
        lastEventMs + QUIET_MS - nowMs,
        startMs + MAX_BURST_MS - nowMs,
      );
      if (restMs <= 0) return;
      await pause(restMs, signal);
    }
  }

  follow(snapshot);
  return {
    follow,
    async next(signal) {
      if (isPolling) return await pause(POLL_MS, signal);
      const woken = Promise.withResolvers<void>();
      wake = woken.resolve;
      using _ = onAbort(signal, woken.resolve);
      if (!isWoken) await woken.promise;
      await burst(signal);
      isWoken = false;
    },
    [Symbol.dispose]: close,
  };
}

/** Returns the directories in the roots that contain files, in order. */
function directoriesOf(
  roots: readonly string[],
  snapshot: Snapshot,
): readonly string[] {
  const found = new Set<string>();
  for (const root of roots) {
    const prefix = `${root}/`;
    for (const path of snapshot.keys()) {
      if (!path.startsWith(prefix)) continue;
      const end = path.indexOf("/", prefix.length);
      if (end !== -1) found.add(path.slice(0, end));
    }
  }
  return [...found].sort();
}
