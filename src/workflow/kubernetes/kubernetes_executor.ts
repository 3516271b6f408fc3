import { messageOf, RunnerError } from "../../errors.ts";
import { DEFAULT_RUNNER_IMAGE, Variable } from "../../environment/variables.ts";
import { defaultOf } from "../../options/options.ts";
import type { JobRequest, LocalJob } from "../local/local_job.ts";
import { type PlacedJob, processExecutor } from "../local/process_executor.ts";
import { withRemoteSteps } from "../remote_steps.ts";
import type { WorkflowExecutor } from "../workflow_executor.ts";
import { Cluster } from "./cluster.ts";
import type { Toleration } from "./cluster_objects.ts";
import { jobManifest } from "./job_manifest.ts";
import { openTransport } from "./open_transport.ts";
import {
  artifactPaths,
  clonesSource,
  clusterProblems,
  jobArgv,
  parseUserIds,
} from "./placed_job.ts";
import { podVariables } from "./pod_variables.ts";
import { type PodProcessOptions, startPod } from "./pod_process.ts";
import { RunObjects } from "./run_objects.ts";

/** Number of jobs that run concurrently, unless the user sets it. */
const CONCURRENCY = 16;

/** Time after which Kubernetes ends a Job without a runner, in seconds. */
const LEASE_SECONDS = 600;

/** Options for {@linkcode kubernetesExecutor}. */
export interface KubernetesExecutorOptions {
  /** Source of the code of jobs: a copy of the root, or none. */
  readonly source: "copy" | "none";
  /**
   * Context of the configuration of kubectl.
   *
   * @default {the current context}
   */
  readonly context?: string;
  /**
   * Namespace of the Jobs.
   *
   * @default {that of the context, or of the Pod of this runner}
   */
  readonly namespace?: string;
  /**
   * Image of the containers that transfer files, and of jobs that set no image.
   *
   * @default {the image of the runner}
   */
  readonly image?: string;
  /** Labels that the nodes of all jobs must have. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Taints that all jobs tolerate. */
  readonly tolerations: readonly Toleration[];
  /** Time limit for the start of the Pod of a job, in milliseconds. */
  readonly startMs: number;
}

/**
 * Creates an executor that runs each job as a Kubernetes Job.
 *
 * This runner prepares the source, secrets and plugins of each job locally. It sends
 * the workspace to the Pod, follows the log of the Pod, and fetches the files that
 * the job has written.
 */
export function kubernetesExecutor(
  options: KubernetesExecutorOptions,
): WorkflowExecutor {
  return {
    concurrency: CONCURRENCY,
    isRemote: true,
    passesArtifacts: true,
    check: ({ workflow: { jobs } }) => checkJobs(jobs),
    async open(run) {
      const { runner } = run;
      await using undo = new AsyncDisposableStack();
      const transport = undo.use(
        await openTransport({ ...options, ...runner }),
      );
      // Reports invalid credentials immediately.
      const cluster = new Cluster(transport, {
        onRetry: (reason) => runner.logger.debug("kubernetes", reason),
      });
      await cluster.checkAccess(run.signal);
      const runId = crypto.randomUUID();
      const objects = undo.use(new RunObjects(cluster, runId));
      const removals = new Set<Promise<void>>();
      undo.defer(async () => void await Promise.all(removals));
      const onRemoval = (name: string, removal: Promise<void>) => {
        removals.add(removal.catch((error) =>
          runner.logger.warn(
            "kubernetes",
            `Cannot remove Job "${name}" in namespace "${transport.namespace}": ${
              messageOf(error)
            }; Kubernetes will remove it`,
          )
        ));
      };
      // Omits the source from a job that clones it itself.
      const requests = new WeakMap<JobRequest, JobRequest>();
      const place = (request: JobRequest) =>
        placeJob(requests.get(request)!, {
          ...{ ...options, cluster, objects, runId, onRemoval },
        });
      const { source } = options;
      const inner = await processExecutor({ source, place }).open(run);
      const opened = undo.move();
      return {
        async runJob(request) {
          const { node } = request;
          // Follow-up jobs were not known before.
          checkJobs([node.job]);
          const sent = {
            ...request,
            node: { ...node, job: withRemoteSteps(node.job) },
          };
          const prepared = withoutOwnClone(sent);
          requests.set(prepared, sent);
          return await inner.runJob(prepared);
        },
        [Symbol.asyncDispose]: () => opened.disposeAsync(),
      };
    },
  };
}

function checkJobs(jobs: readonly LocalJob[]): void {
  const problems = jobs.flatMap(clusterProblems);
  if (problems.length === 0) return;
  throw new RunnerError(
    `Cannot run the workflow on Kubernetes: ${problems.join("; ")}`,
    { code: "invalid-workflow" },
  );
}

/** State that all jobs of a run share. */
interface Placing
  extends KubernetesExecutorOptions, Pick<PodProcessOptions, "onRemoval"> {
  readonly cluster: Cluster;
  readonly objects: RunObjects;
  /** Id of the run. */
  readonly runId: string;
}

function placeJob(request: JobRequest, placing: Placing): PlacedJob {
  const { image: defaultImage = DEFAULT_RUNNER_IMAGE } = placing;
  const { node: { displayName }, onStart } = request;
  const job = request.node.job;
  const codeDir = job.codeDir ?? defaultOf("code_dir");
  let reason: string | undefined;
  return {
    command: jobArgv(job),
    get reason() {
      return reason;
    },
    start({ host, workspace, logger, masker }, { env }) {
      const { facts, secrets } = podVariables(job, host.env, env);
      const input = {
        jobId: host.env[Variable.jobId],
        suffix: crypto.randomUUID().slice(0, 8),
        runId: placing.runId,
        leaseSeconds: LEASE_SECONDS,
      };
      const manifest = jobManifest({
        ...input,
        queue: host.env[Variable.queue],
        displayName: masker.maskText(displayName),
        image: job.image ?? defaultImage,
        helperImage: defaultImage,
        command: jobArgv(job),
        directory: job.jobDir ?? codeDir,
        facts,
        hasSecret: Object.keys(secrets).length > 0,
        user: parseUserIds(job)!,
        resources: job.resources ?? {},
        gpuCount: job.capabilities?.includes("gpu") ? 1 : 0,
        imagePullSecrets: job.imagePullSecrets ?? [],
        nodeSelector: { ...placing.nodeSelector, ...job.nodeSelector },
        tolerations: [...placing.tolerations, ...job.tolerations ?? []],
      });
      return startPod({
        ...placing,
        manifest,
        secrets,
        workspace: workspace.base,
        paths: {
          artifacts: relativeTo(workspace.base, env[Variable.artifactsDir]),
          code: artifactPaths(job),
        },
        leaseSeconds: LEASE_SECONDS,
        logger,
        onStart,
        onReason: (text) => reason = text,
      });
    },
  };
}

function withoutOwnClone(request: JobRequest): JobRequest {
  const { node, node: { job } } = request;
  if (!clonesSource(job)) return { ...request };
  const source = { type: "none", url: "" };
  return { ...request, node: { ...node, job: { ...job, source } } };
}

function relativeTo(base: string, path: string | undefined): string {
  return path?.startsWith(`${base}/`)
    ? path.slice(base.length + 1)
    : "artifacts";
}
