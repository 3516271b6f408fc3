import { messageOf } from "../../errors.ts";
import type { Logger } from "../../output/logger.ts";
import { onAbort, whenAborted } from "../../process/cancellation.ts";
import type { ExitStatus, RunningProcess } from "../../process/spawn.ts";
import {
  abortAfter,
  settlesWithin,
  timeLimit,
} from "../../process/time_limit.ts";
import type { Cluster } from "./cluster.ts";
import type { ObjectManifest } from "./cluster_objects.ts";
import {
  exitIn,
  explainMissingPod,
  type JobExit,
  jobFailure,
  KILLED_CODE,
  NO_EXIT_CODE,
  podState,
} from "./pod_state.ts";
import { type JobView, keepLease, type RunObjects } from "./run_objects.ts";
import {
  GRACE_SECONDS,
  JOB_CONTAINER,
  secretManifest,
} from "./job_manifest.ts";
import { fetchFiles, type ResultPaths, sendFiles } from "./pod_files.ts";
import { followLog } from "./pod_log.ts";

/** Maximum number of unread bytes before writes wait. */
const BUFFERED_BYTES = 64 * 1024;

/** Time limit for removing a Job, in milliseconds. */
const REMOVE_MS = 30_000;

/**
 * Time for which the log of a running job is followed after the job was removed, in
 * milliseconds.
 */
const REMOVED_LOG_MS = 2_000;

/** Time to wait for the state of a Job whose Pod is gone, in milliseconds. */
const JOB_STATE_MS = 2_000;

/** Time limit for the start of the `files` container, in milliseconds. */
const FILES_MS = 60_000;

/** Options for {@linkcode startPod}. */
export interface PodProcessOptions {
  readonly cluster: Cluster;
  /** Objects of the run. */
  readonly objects: RunObjects;
  /** The Job to create. */
  readonly manifest: ObjectManifest;
  /** Variables for the Secret of the job; may be empty. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Absolute path of the workspace to send. */
  readonly workspace: string;
  /** Paths of the results to fetch. */
  readonly paths: ResultPaths;
  /** Time after which Kubernetes ends a Job without a runner, in seconds. */
  readonly leaseSeconds: number;
  /** Time limit for the start of the Pod, in milliseconds. */
  readonly startMs: number;
  readonly logger: Logger;
  /** Called when the command starts. */
  readonly onStart: () => void;
  /** Called with the reason if Kubernetes ended the job. */
  readonly onReason: (reason: string) => void;
  /**
   * Called with the name of a Job that is being removed. The promise rejects if the
   * Job cannot be removed.
   */
  readonly onRemoval: (name: string, removal: Promise<void>) => void;
}

/**
 * Runs a job in a Pod as if it were a local program: its output is the log, and its
 * exit code is that of the container. SIGKILL deletes the Pod immediately, another
 * signal with its grace period.
 */
export function startPod(options: PodProcessOptions): RunningProcess {
  const run = new PodRun(options);
  return {
    // It is not a local process.
    pid: -1,
    stdout: run.stdout,
    status: run.status,
    signal: (signal) => run.signal(signal),
    end: () => run.end(),
  };
}

/** A started container, or the end of a job that has not started. */
type Started = { readonly pod: string } | JobExit;

class PodRun {
  readonly #options: PodProcessOptions;
  readonly #name: string;
  readonly #pipe = new BytePipe();
  /** Aborted by signals other than SIGKILL. */
  readonly #cancelled = new AbortController();
  /** Aborted by SIGKILL. */
  readonly #killed = new AbortController();
  #isOver = false;

  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>> =
    this.#pipe.readable;
  readonly status: Promise<ExitStatus>;

  constructor(options: PodProcessOptions) {
    this.#options = options;
    this.#name = options.manifest.metadata.name;
    this.status = this.#run();
  }

  signal(signal: Deno.Signal): void {
    if (this.#isOver) return;
    if (signal === "SIGKILL") this.#killed.abort();
    else this.#cancelled.abort();
  }

  /** Deletes the Job and the objects that it owns, without waiting for their removal. */
  async end(): Promise<boolean> {
    const limit = new AbortController();
    const deletion = this.#delete(limit.signal);
    const removal = this.#awaitRemoval(deletion, limit);
    removal.catch(() => {});
    this.#options.onRemoval(this.#name, removal);
    await Promise.race([deletion.catch(() => {}), whenAborted(limit.signal)]);
    return true;
  }

  async #delete(signal: AbortSignal): Promise<void> {
    const { cluster, objects } = this.#options;
    const name = this.#name;
    const pod = objects.view(name).pod?.metadata.name;
    const graceSeconds = this.#killed.signal.aborted ? 0 : 1;
    await Promise.all([
      cluster.delete("jobs", name, { signal }),
      cluster.delete("secrets", name, { signal }),
      pod && cluster.delete("pods", pod, { graceSeconds, signal }),
    ]);
  }

  async #awaitRemoval(
    deletion: Promise<void>,
    limit: AbortController,
  ): Promise<void> {
    const removal = deletion.then(() =>
      this.#options.objects.until(this.#name, isRemoved, limit.signal)
    );
    if (!await settlesWithin(removal, REMOVE_MS)) limit.abort();
    await removal;
  }

  async #run(): Promise<ExitStatus> {
    const killed = this.#killed.signal;
    const { exitCode, reason } = await this.#attempt()
      .then((exit) => this.#explain(exit))
      .catch((error): JobExit => ({
        exitCode: NO_EXIT_CODE,
        reason: messageOf(error),
      }));
    this.#isOver = true;
    this.#pipe.close();
    if (killed.aborted) return { exitCode: KILLED_CODE, signal: "SIGKILL" };
    if (reason !== undefined && !this.#cancelled.signal.aborted) {
      this.#options.onReason(reason);
    }
    return { exitCode, signal: null };
  }

  async #attempt(): Promise<JobExit> {
    using _lease = await this.#create();
    using _cancelling = onAbort(
      this.#cancelled.signal,
      () => void this.#deletePod(),
    );
    const prepared = await this.#start("prepare");
    if ("exitCode" in prepared) return prepared;
    const early = await this.#send(prepared.pod);
    if (early !== undefined) return early;
    const started = await this.#start("job");
    if ("exitCode" in started) return started;
    this.#options.onStart();
    const exit = await this.#follow(started.pod);
    return await this.#collect(started.pod, exit);
  }

  /**
   * Waits for the reason if the Pod is gone: the Job may have been deleted as well,
   * but its watch may lag behind that of the Pod.
   */
  async #explain(exit: JobExit): Promise<JobExit> {
    const { pod, isPodGone } = this.#view;
    const isKnown = !isPodGone || pod && podState(pod).exit !== undefined;
    if (isKnown || this.#cancelled.signal.aborted) return exit;
    using late = abortAfter(JOB_STATE_MS);
    const signal = AbortSignal.any([this.#killed.signal, late.signal]);
    await this.#options.objects.until(
      this.#name,
      ({ job, isJobGone }) =>
        isJobGone || job && jobFailure(job) ? true : undefined,
      signal,
    ).catch(() => {});
    return exitIn(this.#view) ?? exit;
  }

  /**
   * Sends the files of the job. If the job starts, they have arrived, even if the
   * connection breaks before the transfer is confirmed.
   *
   * @returns How the job ended, if it ended without starting.
   */
  async #send(pod: string): Promise<JobExit | undefined> {
    const { cluster, objects, workspace } = this.#options;
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#killed.signal, stop.signal]);
    const sending = sendFiles(cluster, { pod, workspace, signal })
      .then(() => undefined);
    const changing = objects.until(
      this.#name,
      (view) => hasStarted(view) ? "started" : exitIn(view),
      signal,
    );
    try {
      const first = await Promise.race([sending, changing])
        .catch(async (error) => {
          // The container may have ended because the files have arrived.
          if (await settlesWithin(changing, JOB_STATE_MS)) return changing;
          throw error;
        });
      return first === "started" ? undefined : first;
    } finally {
      stop.abort();
      await Promise.allSettled([sending, changing]);
    }
  }

  get #view(): JobView {
    return this.#options.objects.view(this.#name);
  }

  /** Creates the Job and the Secret that it owns. */
  async #create(): Promise<Disposable> {
    const { cluster, objects, manifest, secrets, logger } = this.#options;
    const signal = this.#killed.signal;
    using stack = new DisposableStack();
    stack.use(keepLease(cluster, this.#name, {
      seconds: this.#options.leaseSeconds,
      onProblem: (problem) => logger.warn("kubernetes", problem),
    }));
    const job = await cluster.create("jobs", manifest, signal);
    objects.add(job);
    if (Object.keys(secrets).length > 0) {
      await cluster.create("secrets", secretManifest(job, secrets), signal);
    }
    return stack.move();
  }

  /** Deletes the Pod with its grace period. */
  async #deletePod(): Promise<void> {
    const { cluster, logger } = this.#options;
    const pod = this.#view.pod?.metadata.name;
    const signal = this.#killed.signal;
    const deletion = pod === undefined
      ? cluster.delete("jobs", this.#name, { signal })
      : cluster.delete("pods", pod, { graceSeconds: GRACE_SECONDS, signal });
    await deletion.catch((error) => {
      if (signal.aborted) return;
      logger.warn("kubernetes", `Cannot cancel the job: ${messageOf(error)}`);
    });
  }

  /** Waits until a container has started, and logs why it has not. */
  async #start(container: "prepare" | "job"): Promise<Started> {
    const { cluster, objects, startMs, logger } = this.#options;
    let lastReason: string | undefined;
    const logReason = (reason: string) => {
      if (reason === lastReason) return;
      lastReason = reason;
      logger.warn("kubernetes", `The job is waiting: ${reason}`);
    };
    using late = abortAfter(startMs);
    using _ = explainMissingPod(cluster, {
      name: this.#name,
      isMissing: () => this.#view.pod === undefined,
      onReason: logReason,
    });
    const find = (view: JobView): Started | undefined => {
      const { pod } = view;
      const state = pod && podState(pod);
      if (state?.waitReason !== undefined) logReason(state.waitReason);
      const isStarted = state !== undefined && state[container] !== "waiting" &&
        (container === "job" || state[container] === "running");
      if (pod !== undefined && isStarted) return { pod: pod.metadata.name };
      return exitIn(view);
    };
    const signal = AbortSignal.any([this.#killed.signal, late.signal]);
    try {
      return await objects.until(this.#name, find, signal);
    } catch (error) {
      if (!late.signal.aborted || this.#killed.signal.aborted) throw error;
      const reason = `it did not start within ${startMs / 1_000} s` +
        (lastReason === undefined ? "" : `: ${lastReason}`);
      return { exitCode: NO_EXIT_CODE, reason };
    }
  }

  /** Follows the log of the job to its end. */
  async #follow(pod: string): Promise<JobExit> {
    const { cluster, objects, logger } = this.#options;
    const ended = new AbortController();
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#killed.signal, stop.signal]);
    const killed = this.#killed.signal;
    const exit = objects.until(this.#name, exitIn, killed)
      .finally(() => ended.abort());
    // The container of a deleted Job may keep running for a while.
    using late = new DisposableStack();
    void exit.then(() => {
      if (isEnded(this.#view)) return;
      const limit = late.use(timeLimit(REMOVED_LOG_MS));
      void limit.reached.then(() => stop.abort());
    }, () => stop.abort());
    const log = followLog(cluster, {
      pod,
      container: JOB_CONTAINER,
      ended: ended.signal,
      write: (bytes) => this.#pipe.write(bytes),
      signal,
    });
    const [gap] = await Promise.allSettled([log, exit]);
    const problem = gap.status === "fulfilled"
      ? gap.value
      : stop.signal.aborted
      ? "the job was removed while it ran"
      : messageOf(gap.reason);
    if (problem !== undefined && !this.#killed.signal.aborted) {
      logger.warn("kubernetes", `The log is not complete: ${problem}`);
    }
    return await exit;
  }

  /** Fetches the results of a job that has ended, if its Pod is still there. */
  async #collect(pod: string, exit: JobExit): Promise<JobExit> {
    const { cluster, objects, workspace, paths, logger } = this.#options;
    using late = abortAfter(FILES_MS);
    const waiting = AbortSignal.any([this.#killed.signal, late.signal]);
    const signal = this.#killed.signal;
    try {
      const phase = await objects.until(this.#name, findFilesPhase, waiting);
      if (phase !== "running") throw new Error("its pod has ended");
      const skipped = await fetchFiles(cluster, {
        pod,
        workspace,
        paths,
        signal,
      });
      for (const name of skipped) {
        logger.warn(
          "kubernetes",
          `Did not fetch "${name}": the runner writes this file itself`,
        );
      }
      return exit;
    } catch (error) {
      if (signal.aborted) return exit;
      const reason = `its results could not be fetched: ${messageOf(error)}`;
      if (exit.exitCode === 0) return { exitCode: NO_EXIT_CODE, reason };
      logger.warn("kubernetes", `The job has ended, but ${reason}`);
      return exit;
    }
  }
}

function hasStarted({ pod }: JobView): boolean {
  return pod !== undefined && podState(pod).job !== "waiting";
}

function isRemoved(
  { job, isJobGone, pod, isPodGone }: JobView,
): true | undefined {
  const areBothDeleted = (job === undefined || isJobGone) &&
    (pod === undefined || isPodGone);
  return areBothDeleted || undefined;
}

function isEnded({ pod, isPodGone }: JobView): boolean {
  return pod === undefined || isPodGone || podState(pod).job === "ended";
}

function findFilesPhase(
  { pod, isPodGone, isJobGone }: JobView,
): "running" | "ended" | undefined {
  if (pod === undefined || isPodGone) return "ended";
  const { files, isDeleted } = podState(pod);
  if (files !== "waiting") return files;
  // The container will never start.
  return isJobGone || isDeleted ? "ended" : undefined;
}

/** Passes bytes to a reader as if they came from the pipe of a program. */
export class BytePipe {
  readonly #readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableByteStreamController;
  #wake: () => void = () => {};
  #isOpen = true;

  constructor() {
    this.#readable = new ReadableStream({
      type: "bytes",
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#wake(),
      cancel: () => {
        this.#isOpen = false;
        this.#wake();
      },
    }, { highWaterMark: BUFFERED_BYTES });
  }

  /** Readable end of the pipe. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable;
  }

  /** Writes bytes, and waits while too many bytes are unread. */
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (!this.#isOpen || bytes.length === 0) return;
    this.#controller.enqueue(bytes);
    if ((this.#controller.desiredSize ?? 1) > 0) return;
    await new Promise<void>((resolve) => this.#wake = resolve);
  }

  /** Ends the stream. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#controller.close();
    // Ends a pending read into a buffer of the reader.
    this.#controller.byobRequest?.respond(0);
  }
}
