import { joinBytes } from "../../bytes.ts";
import { messageOf } from "../../errors.ts";
import { isObject, parseJson } from "../../json_value.ts";
import { onAbort } from "../../process/cancellation.ts";
import { abortAfter, pause } from "../../process/time_limit.ts";
import { type Cluster, CLUSTER_OUTAGE_MS } from "./cluster.ts";
import {
  type JobObject,
  type Pod,
  readObject,
  readString,
} from "./cluster_objects.ts";
import { ClusterError } from "./cluster_transport.ts";
import { JOB_NAME_LABEL, RUN_LABEL } from "./job_manifest.ts";

/** Number of times that a deadline is extended within its own time. */
const EXTENSION_COUNT = 3;

/** Time after which a watch is restarted, in seconds. */
const WATCH_SECONDS = 60;

/** Time after which a watch that does not end is aborted, in milliseconds. */
const STUCK_MS = (WATCH_SECONDS + 15) * 1_000;

/** Minimum and maximum pause between failed watches, in milliseconds. */
const MIN_PAUSE_MS = 250;

const MAX_PAUSE_MS = 5_000;

/** Maximum size of one event of a watch, in bytes. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024;

/** Last known state of the objects of a job. */
export interface JobView {
  /** Its Job. */
  readonly job?: JobObject;
  /** Whether the Job was deleted. */
  readonly isJobGone: boolean;
  /** Its Pod, or the last state of a deleted one. */
  readonly pod?: Pod;
  /** Whether the Pod was deleted. */
  readonly isPodGone: boolean;
}

/** Last known state of a job, and its bookkeeping. */
interface Entry {
  view: JobView;
  /** Number of list requests for Jobs that had started when it was created. */
  readonly listCount: number;
}

type Watched = "jobs" | "pods";

/**
 * Watches the Jobs and Pods of a run until disposed.
 *
 * 1. A list request returns all objects, and a watch all later changes.
 * 2. A watch that ends or breaks is continued from the last version that was seen.
 * 3. If the server no longer has this version, everything is listed again. Objects
 *    that are missing in the list were deleted.
 */
export class RunObjects implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #outageMs: number;
  readonly #selector: string;
  readonly #entries = new Map<string, Entry>();
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  readonly #watching: Promise<unknown>;
  #jobListCount = 0;
  #failure: unknown;

  /**
   * Starts watching the objects of a run.
   *
   * @param outageMs Maximum time for which watches may fail, in milliseconds.
   */
  constructor(
    cluster: Cluster,
    runId: string,
    outageMs: number = CLUSTER_OUTAGE_MS,
  ) {
    this.#cluster = cluster;
    this.#outageMs = outageMs;
    this.#selector = `${RUN_LABEL}=${runId}`;
    this.#watching = Promise.all([this.#watch("jobs"), this.#watch("pods")])
      .catch((error) => {
        if (this.#stop.signal.aborted) return;
        this.#failure = error;
        this.#wake();
      });
  }

  /** Adds a Job that was just created. */
  add(job: JobObject): void {
    const { name } = job.metadata;
    const known = this.#entries.get(name)?.view;
    this.#entries.set(name, {
      view: { isJobGone: false, isPodGone: false, job, ...known },
      listCount: this.#jobListCount,
    });
  }

  /** Returns the last known state of an added job. */
  view(name: string): JobView {
    return this.#entries.get(name)?.view ??
      { isJobGone: false, isPodGone: false };
  }

  /**
   * Waits until a job is in a state.
   *
   * @param find Returns a value when the state is reached.
   * @throws {ClusterError} If the objects can no longer be watched.
   * @throws {unknown} The reason of the signal once it is aborted.
   */
  async until<T>(
    name: string,
    find: (view: JobView) => T | undefined,
    signal: AbortSignal,
  ): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const found = find(this.view(name));
      if (found !== undefined) return found;
      if (this.#failure !== undefined) throw this.#failure;
      await this.#change(signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    using _ = onAbort(signal, resolve);
    await promise;
    this.#waiting.delete(resolve);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async #watch(resource: Watched): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      if (resource === "jobs") this.#jobListCount++;
      const { items, version } = await this.#cluster.list(
        resource,
        this.#selector,
        signal,
      );
      this.#replace(resource, items);
      await this.#follow(resource, version);
    }
  }

  /** Follows changes until the server no longer has the version. */
  async #follow(resource: Watched, version: string): Promise<void> {
    const { signal } = this.#stop;
    let pauseMs = MIN_PAUSE_MS;
    let failedSince: number | undefined;
    while (!signal.aborted) {
      const start = performance.now();
      try {
        for await (const event of this.#events(resource, version)) {
          if (isExpired(event)) return;
          const { metadata } = event.object;
          const newer = isObject(metadata) &&
            readString(metadata.resourceVersion);
          version = newer || version;
          const object = readObject(event.object);
          if (object !== undefined && event.type !== "BOOKMARK") {
            this.#apply(resource, object, event.type === "DELETED");
          }
          pauseMs = MIN_PAUSE_MS;
          failedSince = undefined;
        }
        failedSince = undefined;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ClusterError && error.status === 410) return;
        const isTransient = error instanceof DOMException ||
          error instanceof ClusterError && error.isTransient;
        failedSince ??= start;
        const isOver = performance.now() - failedSince > this.#outageMs;
        if (!isTransient || isOver) throw error;
      }
      if (performance.now() - start > MAX_PAUSE_MS) continue;
      await pause(pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
    }
  }

  async *#events(
    resource: Watched,
    version: string,
  ): AsyncGenerator<WatchEvent> {
    const query = new URLSearchParams({
      watch: "true",
      allowWatchBookmarks: "true",
      labelSelector: this.#selector,
      resourceVersion: version,
      timeoutSeconds: String(WATCH_SECONDS),
    });
    using stuck = abortAfter(STUCK_MS);
    const { transport } = this.#cluster;
    const path = `${this.#cluster.path(resource)}?${query}`;
    const signal = AbortSignal.any([this.#stop.signal, stuck.signal]);
    yield* parseEvents(transport.stream(path, signal));
  }

  #apply(resource: Watched, object: JobObject & Pod, isDeleted: boolean): void {
    const name = resource === "jobs"
      ? object.metadata.name
      : object.metadata.labels?.[JOB_NAME_LABEL];
    if (name === undefined) return;
    this.#update(name, resource, object, isDeleted);
    this.#wake();
  }

  #update(
    name: string,
    resource: Watched,
    object: JobObject & Pod,
    isDeleted: boolean,
  ): void {
    const entry = this.#entries.get(name) ?? {
      view: { isJobGone: false, isPodGone: false },
      listCount: this.#jobListCount,
    };
    entry.view = resource === "jobs"
      ? { ...entry.view, job: object, isJobGone: isDeleted }
      : { ...entry.view, pod: object, isPodGone: isDeleted };
    this.#entries.set(name, entry);
  }

  #replace(resource: Watched, items: readonly (JobObject & Pod)[]): void {
    const present = new Set<string>();
    for (const object of items) {
      this.#apply(resource, object, false);
      present.add(
        resource === "jobs"
          ? object.metadata.name
          : object.metadata.labels?.[JOB_NAME_LABEL] ?? "",
      );
    }
    for (const [name, entry] of this.#entries) {
      if (present.has(name)) continue;
      if (resource === "pods") {
        const isPodGone = entry.view.pod !== undefined;
        entry.view = { ...entry.view, isPodGone };
      } else if (entry.listCount < this.#jobListCount) {
        entry.view = { ...entry.view, isJobGone: true };
      }
    }
    this.#wake();
  }
}

/** A change of an object. */
interface WatchEvent {
  readonly type: unknown;
  /** The object from the server. */
  readonly object: Record<string, unknown>;
}

/**
 * Checks whether an event says that the version is too old.
 *
 * @throws {ClusterError} For any other error event.
 */
function isExpired({ type, object }: WatchEvent): boolean {
  if (type !== "ERROR") return false;
  const { code, message } = object;
  if (code === 410) return true;
  throw new ClusterError(
    `Cannot watch: ${readString(message) ?? "unknown error"}`,
    { status: typeof code === "number" ? code : undefined },
  );
}

/** Parses the events of a watch, one per line. */
async function* parseEvents(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<WatchEvent> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (let bytes of stream) {
    for (let end; (end = bytes.indexOf(10)) !== -1;) {
      const line = joinBytes([...parts, bytes.subarray(0, end)]);
      bytes = bytes.subarray(end + 1);
      parts = [];
      length = 0;
      const event = parseJson(new TextDecoder().decode(line));
      if (isObject(event) && isObject(event.object)) {
        yield { type: event.type, object: event.object };
      }
    }
    length += bytes.length;
    if (length > MAX_EVENT_BYTES) {
      throw new ClusterError("Cannot watch: an event is too large", {
        status: undefined,
      });
    }
    if (bytes.length > 0) parts.push(bytes.slice());
  }
}

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
      await pause(seconds * 1_000 / EXTENSION_COUNT, stop.signal);
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
