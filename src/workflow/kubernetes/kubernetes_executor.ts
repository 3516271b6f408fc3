import {
  imageProblem,
  parseUser,
} from "../../container/container_arguments.ts";
import {
  DEFAULT_RUNNER_IMAGE,
  type Environment,
  Variable,
} from "../../environment/variables.ts";
import { messageOf, RunnerError } from "../../errors.ts";
import { normalizePath } from "../../job_path.ts";
import { getDefault } from "../../options/options.ts";
import {
  containerFacts,
  inheritedVariables,
  jobArgv,
} from "../local/container_command.ts";
import type { JobRequest, LocalJob } from "../local/local_job.ts";
import { type PlacedJob, processExecutor } from "../local/process_executor.ts";
import { remoteStepsProblem, withRemoteSteps } from "../remote_steps.ts";
import type { WorkflowExecutor } from "../workflow_executor.ts";
import { Cluster } from "./cluster.ts";
import type { Toleration } from "./cluster_objects.ts";
import { jobManifest } from "./job_manifest.ts";
import { openTransport } from "./kubectl_transport.ts";
import { type PodProcessOptions, startPod } from "./pod_process.ts";
import { RunObjects } from "./run_objects.ts";

/** Names of variables that every version of Kubernetes accepts. */
const VARIABLE_NAME = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

/** Capabilities that need a privileged container. */
const PRIVILEGED: readonly string[] = ["docker", "builder"];

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
      // A job that clones its source itself is run without the source; its Pod
      // gets the original request.
      const requests = new WeakMap<JobRequest, JobRequest>();
      const place = (request: JobRequest) =>
        placeJob(requests.get(request)!, {
          ...options,
          cluster,
          objects,
          runId,
          onRemoval,
        });
      const { source } = options;
      const inner = await processExecutor({ source, place }).open(run);
      const opened = undo.move();
      return {
        async runJob(request) {
          const { node } = request;
          // `check()` does not know follow-up jobs.
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
  const problems = jobs.flatMap(findProblems);
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
  /** ID of the run. */
  readonly runId: string;
}

function placeJob(request: JobRequest, placing: Placing): PlacedJob {
  const { image: defaultImage = DEFAULT_RUNNER_IMAGE } = placing;
  const { node: { displayName }, onStart } = request;
  const job = request.node.job;
  const codeDir = job.codeDir ?? getDefault("code_dir");
  let reason: string | undefined;
  return {
    command: jobArgv(job),
    get reason() {
      return reason;
    },
    start({ host, workspace, logger, masker }, { env }) {
      const { facts, secrets } = createVariables(job, host.env, env);
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
        user: parseUser(job.runAsUser || "runner")!,
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
          artifacts: toRelativePath(workspace.base, env[Variable.artifactsDir]),
          code: listArtifactPaths(job),
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

function toRelativePath(base: string, path: string | undefined): string {
  return path?.startsWith(`${base}/`)
    ? path.slice(base.length + 1)
    : "artifacts";
}

/** Returns the reasons why a job cannot run on Kubernetes. */
function findProblems(job: LocalJob): string[] {
  const { name, image, env, capabilities = [], runAsUser } = job;
  const problems: string[] = [];
  const stepsProblem = remoteStepsProblem(job);
  if (stepsProblem !== undefined) problems.push(`its steps ${stepsProblem}`);
  const problem = image === undefined ? undefined : imageProblem(image);
  if (problem !== undefined) {
    problems.push(`its image ${JSON.stringify(image)}: ${problem}`);
  }
  for (const capability of capabilities) {
    if (!PRIVILEGED.includes(capability)) continue;
    problems.push(
      `its capability "${capability}" needs a privileged container`,
    );
  }
  for (const variable of Object.keys(env)) {
    if (VARIABLE_NAME.test(variable)) continue;
    problems.push(
      `its variable ${
        JSON.stringify(variable)
      } has a name that Kubernetes does not accept`,
    );
  }
  if (parseUser(runAsUser || "runner") === undefined) {
    problems.push(
      `its user ${JSON.stringify(runAsUser)} is not runner, root or uid[:gid]`,
    );
  }
  return problems.map((text) => `job "${name}": ${text}`);
}

/** Whether the runner in the Pod clones the source of the job. */
function clonesSource({ source, isWrapped }: LocalJob): boolean {
  return isWrapped === true && source?.type === "git";
}

/**
 * Returns the files and directories that may contain artifacts of a job, relative to
 * its workspace: the part of each pattern before wildcards.
 */
function listArtifactPaths({ artifacts = [], codeDir }: LocalJob): string[] {
  const code = normalizePath(codeDir ?? getDefault("code_dir"));
  const root = code.replace(/^\/job\/?/, "");
  const paths = artifacts.flatMap(({ paths }) => paths).map((pattern) => {
    const parts = pattern.split("/").filter((part) => part && part !== ".");
    const firstWildcard = parts.findIndex((part) => /[*?[\]{}\\!]/.test(part));
    const fixed = firstWildcard === -1 ? parts : parts.slice(0, firstWildcard);
    return [...root === "" ? [] : [root], ...fixed].join("/");
  });
  // A path is fetched with everything in it.
  return [...new Set(paths)].filter((path) =>
    !paths.some((other) => path.startsWith(`${other}/`))
  );
}

/** Variables of the container of a job. */
interface PodVariables {
  /** Variables that are visible to everyone who can read the Pod. */
  readonly facts: Readonly<Record<string, string>>;
  /** All other variables, which the job gets from a Secret. */
  readonly secrets: Readonly<Record<string, string>>;
}

/**
 * Returns the variables of a job in a Pod: the same as in a local container. Values
 * that the runner has not generated itself are kept in a Secret.
 *
 * @param runnerEnv Environment of the runner of the job.
 * @param env Environment that its command would have locally.
 */
function createVariables(
  job: LocalJob,
  runnerEnv: Environment,
  env: Environment,
): PodVariables {
  const listed = (job.env[Variable.secretEnvNames] ?? "").split(",");
  const referring = Object.keys(job.env)
    .filter((name) => job.env[name].includes("${secret:"));
  const secretNames = [...new Set([...listed, ...referring])].filter(Boolean);
  const facts = {
    ...containerFacts(job),
    ...job.env.GIT_CONFIG_COUNT === undefined ? SAFE_DIRECTORIES : {},
    ...secretNames.length === 0
      ? {}
      : { [Variable.secretEnvNames]: secretNames.join(",") },
    ...clonesSource(job) ? { [Variable.sourceType]: "git" } : {},
  };
  const { url, ref } = clonesSource(job) ? job.source! : {};
  const names = new Set(inheritedVariables(job, runnerEnv));
  const secrets = Object.fromEntries(
    [...names].flatMap((name) =>
      name in facts || env[name] === undefined ? [] : [[name, env[name]]]
    ),
  );
  return {
    facts,
    secrets: {
      ...secrets,
      ...url === undefined ? {} : { [Variable.sourceUrl]: url },
      ...ref === undefined ? {} : { [Variable.sourceRef]: ref },
    },
  };
}

/** Lets git use the directory of the job, which another user owns. */
const SAFE_DIRECTORIES = {
  GIT_CONFIG_COUNT: "1",
  GIT_CONFIG_KEY_0: "safe.directory",
  GIT_CONFIG_VALUE_0: "*",
};
