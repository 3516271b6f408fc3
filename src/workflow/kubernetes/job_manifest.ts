import type { ContainerUser } from "../../container/container_arguments.ts";
import type {
  JobObject,
  ObjectManifest,
  Toleration,
} from "./cluster_objects.ts";

/** Label of all objects of one run. */
export const RUN_LABEL = "reactorcide.io/run-id";

/** Label of a Pod with the name of its Job. */
export const JOB_NAME_LABEL = "reactorcide.io/job-name";

/** Container that runs the command of the job. */
export const JOB_CONTAINER = "job";

/** Init container that delays the job until its files have arrived. */
export const PREPARE_CONTAINER = "prepare";

/** Container that keeps the files of the job until the runner has fetched them. */
export const FILES_CONTAINER = "files";

/** Grace period of a cancelled job, in seconds. */
export const GRACE_SECONDS = 60;

/** Time after which a finished Job is removed, in seconds. */
const TIME_TO_LIVE_SECONDS = 300;

/** Directory of the job in its containers. */
export const JOB_DIRECTORY = "/job";

/** Pipe that the prepare container reads; it ends when a writer closes the pipe. */
export const START_PIPE = "/tmp/runnerlib-start";

/**
 * Excludes the output from log collectors, because the runner has not masked it
 * yet.
 */
const LOG_ANNOTATIONS = {
  "fluentbit.io/exclude": "true",
  "fluentd.kubernetes.io/exclude": "true",
  "promtail.io/ignore": "true",
  "co.elastic.logs/enabled": "false",
  "vector.dev/exclude": "true",
};

/** Requests and limits of a helper container. */
const HELPER_RESOURCES = {
  requests: { cpu: "10m", memory: "32Mi" },
  limits: { cpu: "1", memory: "256Mi" },
};

/** Resources in the format of a job file. */
export interface JobResources {
  /** Cores, or millicores such as `500m`. */
  readonly cpu?: { readonly request?: string; readonly limit?: string };
  /** Bytes, or a number with a unit such as `4Gi`, `512MB` or `1K`. */
  readonly memory?: { readonly limit?: string };
}

/** A job to run as a Kubernetes Job. */
export interface JobManifestInput {
  /** ID of the job: a UUID in lower case. */
  readonly jobId: string;
  /** Eight hexadecimal digits that make the name unique. */
  readonly suffix: string;
  /** ID of the run that the job belongs to. */
  readonly runId: string;
  /** Name of the queue. */
  readonly queue: string;
  /** Display name of the job; may contain any characters. */
  readonly displayName: string;
  /** Image of the job. */
  readonly image: string;
  /** Image of the containers that transfer files; must have `sh` and `tar`. */
  readonly helperImage: string;
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Directory in which the command starts. */
  readonly directory: string;
  /** Variables without secrets. */
  readonly facts: Readonly<Record<string, string>>;
  /** Whether a Secret with the name of the Job contains variables. */
  readonly hasSecret: boolean;
  /** User and group. */
  readonly user: ContainerUser;
  /** Resources of the job. */
  readonly resources: JobResources;
  /** Number of GPUs. */
  readonly gpuCount: number;
  /** Names of the secrets for pulling images. */
  readonly imagePullSecrets: readonly string[];
  /** Labels that the node must have. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Taints that the Pod tolerates. */
  readonly tolerations: readonly Toleration[];
  /** Service account of the Pod, whose token is not mounted. */
  readonly serviceAccount?: string;
  /** Time after which Kubernetes ends a Job without a runner, in seconds. */
  readonly leaseSeconds: number;
}

/** Returns the name of the Kubernetes Job of a job, as the coordinator's worker does. */
function jobObjectName(
  { jobId, suffix }: Pick<JobManifestInput, "jobId" | "suffix">,
): string {
  return `reactorcide-job-${jobId}-${suffix}`;
}

/**
 * Creates the Kubernetes Job of a job, with the names and labels that the
 * coordinator's worker uses.
 *
 * Its Pod has no privileges and no token. Three containers share the directory
 * of the job:
 *
 * 1. `prepare` delays the job until the runner has sent the files.
 * 2. `job` runs the command.
 * 3. `files` keeps the directory until the runner has fetched the results.
 *
 * The deadline is not extended after the runner has died. Kubernetes then ends the
 * Job, and later removes it and the objects that it owns.
 */
export function jobManifest(input: JobManifestInput): ObjectManifest {
  const { jobId, runId, queue, displayName, leaseSeconds } = input;
  const name = jobObjectName(input);
  const annotations = {
    ...LOG_ANNOTATIONS,
    "reactorcide.io/original-job-id": jobId,
    "reactorcide.io/display-name": displayName,
  };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name,
      labels: {
        "reactorcide.io/job-id": jobId,
        "reactorcide.io/queue": toLabelValue(queue),
        "reactorcide.io/component": "job",
        "reactorcide.io/log-exclude": "true",
        [RUN_LABEL]: runId,
      },
      annotations: {
        ...annotations,
        "ad.datadoghq.com/job.logs":
          '[{"source": "reactorcide", "service": "reactorcide-job"}]',
      },
    },
    spec: {
      backoffLimit: 0,
      completions: 1,
      parallelism: 1,
      activeDeadlineSeconds: leaseSeconds,
      ttlSecondsAfterFinished: TIME_TO_LIVE_SECONDS,
      template: {
        metadata: {
          labels: {
            "reactorcide.io/job-id": jobId,
            [JOB_NAME_LABEL]: name,
            "reactorcide.io/log-exclude": "true",
            [RUN_LABEL]: runId,
          },
          annotations,
        },
        spec: createPodSpec(input, name),
      },
    },
  };
}

function createPodSpec(input: JobManifestInput, name: string) {
  const { user: { uid, gid }, tolerations, nodeSelector } = input;
  const { imagePullSecrets, serviceAccount } = input;
  return {
    restartPolicy: "Never",
    terminationGracePeriodSeconds: GRACE_SECONDS,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...serviceAccount === undefined
      ? {}
      : { serviceAccountName: serviceAccount },
    securityContext: {
      runAsUser: uid,
      runAsGroup: gid,
      runAsNonRoot: uid !== 0,
      fsGroup: gid,
      seccompProfile: { type: "RuntimeDefault" },
    },
    ...Object.keys(nodeSelector).length === 0 ? {} : { nodeSelector },
    ...tolerations.length === 0 ? {} : { tolerations },
    ...imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) },
    initContainers: [createHelper(PREPARE_CONTAINER, PREPARE_SCRIPT, input)],
    containers: [
      createJobContainer(input, name),
      createHelper(FILES_CONTAINER, FILES_SCRIPT, input),
    ],
    volumes: ["job", "workspace", "home"].map((name) => ({
      name,
      emptyDir: {},
    })),
  };
}

function createJobContainer(input: JobManifestInput, secretName: string) {
  const { image, command, directory, facts, hasSecret, resources } = input;
  return {
    name: JOB_CONTAINER,
    image,
    imagePullPolicy: "Always",
    // A `workingDir` that Kubernetes creates would belong to root.
    command: [
      ...["sh", "-c", 'mkdir -p -- "$0" && cd -- "$0" && exec "$@"'],
      directory,
      ...command,
    ].map(escapeReferences),
    env: Object.entries(facts)
      .map(([name, value]) => ({ name, value: escapeReferences(value) })),
    ...hasSecret ? { envFrom: [{ secretRef: { name: secretName } }] } : {},
    resources: createResources(resources, input.gpuCount),
    securityContext: UNPRIVILEGED,
    volumeMounts: [
      { name: "job", mountPath: JOB_DIRECTORY },
      { name: "workspace", mountPath: "/workspace" },
      { name: "home", mountPath: "/home/runner" },
    ],
  };
}

const UNPRIVILEGED = {
  allowPrivilegeEscalation: false,
  privileged: false,
  capabilities: { drop: ["ALL"] },
};

/** As the first process of a container, a shell ignores SIGTERM by default. */
const PREPARE_SCRIPT =
  `trap 'exit 143' TERM; mkfifo -m 600 ${START_PIPE} && { cat ${START_PIPE} >/dev/null & wait "$!"; }`;

/** File in the `files` container that exists once the results have been sent. */
export const SENT_FILE = "/tmp/runnerlib-sent";

/**
 * Keeps running after the end of the job, even if it was cancelled, until the runner
 * has fetched the results and deletes the Pod, or the grace period is over. Nothing
 * is written to its pipe.
 */
const FILES_SCRIPT =
  `trap '[ ! -e ${SENT_FILE} ] || exit 0' TERM; mkfifo -m 600 /tmp/runnerlib-wait && { cat /tmp/runnerlib-wait >/dev/null & while kill -0 "$!" 2>/dev/null; do wait "$!"; done; }`;

function createHelper(name: string, script: string, input: JobManifestInput) {
  return {
    name,
    image: input.helperImage,
    imagePullPolicy: "IfNotPresent",
    command: ["sh", "-c", script].map(escapeReferences),
    resources: HELPER_RESOURCES,
    securityContext: UNPRIVILEGED,
    volumeMounts: [{ name: "job", mountPath: JOB_DIRECTORY }],
  };
}

/**
 * Escapes a text for Kubernetes, which replaces `$(NAME)` in commands and variables,
 * and `$$` with `$`.
 */
function escapeReferences(text: string): string {
  return text.replaceAll("$", "$$$$");
}

/** Requests as much memory as the limit, like the coordinator's worker. */
function createResources(
  { cpu, memory }: JobResources,
  gpuCount: number,
): Record<string, Record<string, string>> {
  const limits = {
    ...cpu?.limit === undefined ? {} : { cpu: cpu.limit },
    ...memory?.limit === undefined ? {} : { memory: toQuantity(memory.limit) },
    ...gpuCount === 0 ? {} : { "nvidia.com/gpu": String(gpuCount) },
  };
  const requests = {
    ...cpu?.request === undefined ? {} : { cpu: cpu.request },
    ...memory?.limit === undefined ? {} : { memory: toQuantity(memory.limit) },
  };
  return {
    ...Object.keys(limits).length === 0 ? {} : { limits },
    ...Object.keys(requests).length === 0 ? {} : { requests },
  };
}

/**
 * Converts an amount of memory to a Kubernetes quantity, which has no suffix `B`
 * and writes a thousand as `k`.
 */
function toQuantity(amount: string): string {
  return amount.replace(/[Bb]$/, "").replace(/K$/, "k");
}

/** Replaces characters that a label cannot contain. */
function toLabelValue(text: string): string {
  return text.slice(0, 63).replace(/[^\w.-]/g, "-")
    .replace(/^[^a-z\d]+|[^a-z\d]+$/gi, "");
}

/**
 * Creates the Secret with the variables of a job. It has the same name as the Job,
 * which owns it.
 *
 * @param job The created Job.
 */
export function secretManifest(
  job: JobObject,
  variables: Readonly<Record<string, string>>,
): ObjectManifest {
  const { name, uid = "", labels } = job.metadata;
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name,
      labels,
      ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name, uid }],
    },
    type: "Opaque",
    immutable: true,
    stringData: variables,
  };
}
