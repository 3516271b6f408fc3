import { isObject } from "../../json_value.ts";
import { signalExitCode } from "../../process/spawn.ts";
import { pause } from "../../process/time_limit.ts";
import type { Cluster } from "./cluster.ts";
import {
  type ContainerStatus,
  type JobObject,
  type ObjectCondition,
  type Pod,
  readString,
} from "./cluster_objects.ts";
import {
  FILES_CONTAINER,
  JOB_CONTAINER,
  PREPARE_CONTAINER,
} from "./job_manifest.ts";
import type { JobView } from "./run_objects.ts";

/** Time without a Pod after which the events of a Job are read, in milliseconds. */
const MISSING_MS = 5_000;

/** State of a container of a job. */
export type ContainerPhase = "waiting" | "running" | "ended";

/** How the command of a job ended. */
export interface JobExit {
  /** Exit code; 128+N after signal N. */
  readonly exitCode: number;
  /**
   * Why it ended, if Kubernetes ended it.
   *
   * @default {it ended by itself}
   */
  readonly reason?: string;
}

/** State of the Pod of a job. */
export interface PodState {
  /** State of each container. */
  readonly prepare: ContainerPhase;
  readonly job: ContainerPhase;
  readonly files: ContainerPhase;
  /** How the job ended, if it has. */
  readonly exit?: JobExit;
  /** Why the job cannot start at the moment. */
  readonly waitReason?: string;
  /** Whether the Pod is being deleted. */
  readonly isDeleted: boolean;
}

/** Exit code to report if Kubernetes ended a job without one. */
export const NO_EXIT_CODE = 1;

/** Exit code of a process that was killed by SIGKILL. */
export const KILLED_CODE: number = signalExitCode("SIGKILL");

/** Waiting reasons of a container whose image cannot be pulled. */
const IMAGE_REASONS: readonly string[] = [
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
  "ImageInspectError",
  "RegistryUnavailable",
];

/** Waiting reasons of a container that cannot start. */
const START_REASONS: readonly string[] = [
  "CreateContainerError",
  "RunContainerError",
  "CrashLoopBackOff",
];

/** Reads the state of the Pod of a job. */
export function podState(pod: Pod): PodState {
  const { status = {}, metadata } = pod;
  const statuses = [
    ...status.initContainerStatuses ?? [],
    ...status.containerStatuses ?? [],
  ];
  const find = (name: string) =>
    statuses.find((container) => container.name === name);
  const [prepare, job, files] = [
    PREPARE_CONTAINER,
    JOB_CONTAINER,
    FILES_CONTAINER,
  ].map(find);
  const exit = findExit(pod, job, prepare, statuses);
  const waitReason = exit === undefined && readPhase(job) === "waiting"
    ? findPendingReason(pod, statuses)
    : undefined;
  return {
    prepare: readPhase(prepare),
    job: readPhase(job),
    files: readPhase(files),
    ...exit === undefined ? {} : { exit },
    ...waitReason === undefined ? {} : { waitReason },
    isDeleted: metadata.deletionTimestamp !== undefined,
  };
}

function readPhase(status: ContainerStatus | undefined): ContainerPhase {
  if (status?.state?.terminated !== undefined) return "ended";
  return status?.state?.running === undefined ? "waiting" : "running";
}

function findExit(
  pod: Pod,
  job: ContainerStatus | undefined,
  prepare: ContainerStatus | undefined,
  statuses: readonly ContainerStatus[],
): JobExit | undefined {
  const { status = {} } = pod;
  const ended = job?.state?.terminated;
  const removal = findRemovalReason(pod);
  if (ended !== undefined && !isUnknown(ended.reason)) {
    const exitCode = ended.exitCode || (ended.signal ? 128 + ended.signal : 0);
    if (ended.reason === "OOMKilled") {
      return {
        exitCode: exitCode || KILLED_CODE,
        reason: describeOutOfMemory(ended),
      };
    }
    // If the job had succeeded before its Pod was removed, it counts as successful.
    const reason = exitCode === 0
      ? undefined
      : removal ?? findStartReason(ended) ?? findDeletionReason(pod);
    return { exitCode, ...reason === undefined ? {} : { reason } };
  }
  const failed = findStartFailure(statuses);
  if (failed !== undefined) return { exitCode: NO_EXIT_CODE, reason: failed };
  const early = prepare?.state?.terminated;
  if (early !== undefined && early.exitCode !== 0) {
    return {
      exitCode: NO_EXIT_CODE,
      reason: removal ?? findDeletionReason(pod) ??
        `its container "${PREPARE_CONTAINER}" ended with exit code ${early.exitCode}` +
          formatDetail(early.message),
    };
  }
  if (status.phase !== "Failed" && status.phase !== "Succeeded") {
    return undefined;
  }
  const reason = removal ?? `its pod ended: ${status.reason ?? status.phase}` +
      formatDetail(status.message);
  return { exitCode: NO_EXIT_CODE, reason };
}

/** Checks whether the node lost the container and does not know how it ended. */
function isUnknown(reason: string | undefined): boolean {
  return reason === "ContainerStatusUnknown";
}

function describeOutOfMemory(
  { message }: { readonly message?: string },
): string {
  return "out of memory: it used more than its memory limit (OOMKilled)" +
    formatDetail(message);
}

function findStartReason(
  { reason, message }: { readonly reason?: string; readonly message?: string },
): string | undefined {
  // The command does not exist, or cannot be executed.
  return reason === "StartError" || reason === "ContainerCannotRun"
    ? `its container did not start${formatDetail(message)}`
    : undefined;
}

/** Returns why Kubernetes removed a Pod, if it did. */
function findRemovalReason({ status = {} }: Pod): string | undefined {
  if (status.reason === "Evicted") {
    return `its pod was evicted${formatDetail(status.message)}`;
  }
  if (status.reason === "NodeLost" || status.reason === "Shutdown") {
    return `its node was lost (${status.reason})${
      formatDetail(status.message)
    }`;
  }
  if (status.reason === "Terminated" || status.reason === "NodeShutdown") {
    return `its node was shut down${formatDetail(status.message)}`;
  }
  const disruption = find(status.conditions, "DisruptionTarget", "True");
  if (disruption === undefined) return undefined;
  const { reason = "", message } = disruption;
  const description = DISRUPTIONS[reason] ?? `its pod was removed (${reason})`;
  return description + formatDetail(message);
}

function findDeletionReason({ metadata }: Pod): string | undefined {
  return metadata.deletionTimestamp === undefined
    ? undefined
    : "its pod was deleted by another client";
}

/** Descriptions of disruptions of a Pod, by the reason of its condition. */
const DISRUPTIONS: Readonly<Record<string, string>> = {
  PreemptionByScheduler: "its pod was preempted by one of higher priority",
  DeletionByTaintManager: "its pod was removed from a tainted node",
  EvictionByEvictionAPI: "its pod was evicted",
  DeletionByPodGC: "its node was lost",
  TerminationByKubelet: "its node ended its pod",
};

/** Returns why a container never starts; `undefined` if it may start. */
function findStartFailure(
  statuses: readonly ContainerStatus[],
): string | undefined {
  for (const { state, image = "" } of statuses) {
    const { reason = "", message } = state?.waiting ?? {};
    if (IMAGE_REASONS.includes(reason)) {
      return `the image "${image}" cannot be pulled (${reason})${
        formatDetail(message)
      }`;
    }
    if (START_REASONS.includes(reason)) {
      return `its container cannot start (${reason})${formatDetail(message)}`;
    }
  }
  return undefined;
}

/** Returns why a Pod is pending, if it may stay so. */
function findPendingReason(
  { status = {} }: Pod,
  statuses: readonly ContainerStatus[],
): string | undefined {
  const scheduled = find(status.conditions, "PodScheduled", "False");
  if (scheduled !== undefined) {
    const { reason, message } = scheduled;
    return reason === "Unschedulable"
      ? `no node can run its pod (Unschedulable)${formatDetail(message)}`
      : `its pod is not scheduled (${reason ?? "unknown reason"})${
        formatDetail(message)
      }`;
  }
  for (const { state } of statuses) {
    const { reason, message } = state?.waiting ?? {};
    if (reason === "CreateContainerConfigError") {
      return `its container cannot be created (${reason})${
        formatDetail(message)
      }`;
    }
  }
  return undefined;
}

/** Why a Job failed. */
export interface JobFailure {
  /** Description for messages. */
  readonly text: string;
  /** Whether its deadline passed because the runner did not extend it. */
  readonly isDeadline: boolean;
}

/** Returns why a Job failed, according to its own conditions. */
export function jobFailure({ status = {} }: JobObject): JobFailure | undefined {
  const { reason, message } = find(status.conditions, "Failed", "True") ??
    find(status.conditions, "FailureTarget", "True") ?? {};
  if (reason === undefined) return undefined;
  const isDeadline = reason === "DeadlineExceeded";
  const text = isDeadline
    ? "the runner lost its connection for too long, and Kubernetes ended it (DeadlineExceeded)"
    : `its Job failed (${reason})${formatDetail(message)}`;
  return { text, isDeadline };
}

function find(
  conditions: readonly ObjectCondition[] | undefined,
  type: string,
  status: string,
): ObjectCondition | undefined {
  return conditions?.find((condition) =>
    condition.type === type && condition.status === status
  );
}

function formatDetail(message: string | undefined): string {
  const text = message?.trim();
  return text ? `: ${text}` : "";
}

/**
 * Returns how a job ended, from the state of its Pod and its Job.
 *
 * @returns Exit code and reason; `undefined` while it has not ended.
 */
export function exitIn(view: JobView): JobExit | undefined {
  const { pod, job, isPodGone, isJobGone } = view;
  const failure = job && jobFailure(job);
  const exit = pod && podState(pod).exit;
  if (exit !== undefined) {
    const hitDeadline = exit.exitCode !== 0 && failure?.isDeadline;
    return hitDeadline ? { ...exit, reason: failure?.text } : exit;
  }
  if (isJobGone) {
    return {
      exitCode: NO_EXIT_CODE,
      reason: "its Job was deleted by another client",
    };
  }
  if (isPodGone) {
    const reason = failure?.isDeadline
      ? failure.text
      : pod && findRemovalReason(pod) ||
        "its pod was deleted by another client";
    return { exitCode: NO_EXIT_CODE, reason };
  }
  // The state of a Pod, if there is one, contains more details.
  return failure !== undefined && pod === undefined
    ? { exitCode: NO_EXIT_CODE, reason: failure.text }
    : undefined;
}

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
      const reason = await readLastWarning(cluster, name, signal);
      if (reason !== undefined && isMissing()) onReason(reason);
    }
  };
  // The reason is optional: reading events may be forbidden.
  poll().catch(() => {});
  return { [Symbol.dispose]: () => stop.abort() };
}

async function readLastWarning(
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
