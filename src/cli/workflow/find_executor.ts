import { readOptions } from "../../config/load_config.ts";
import { parseDuration } from "../../schema/duration.ts";
import type { CoordinatorSettings } from "../../workflow/coordinator/start_workflow.ts";
import type { Submission } from "../../workflow/coordinator/submission.ts";
import type { WorkflowExecutor } from "../../workflow/workflow_executor.ts";
import type { CommandContext, Flag } from "../command.ts";
import { flagsLayer } from "../config_flags.ts";
import { readChoice, usageError } from "../parse_arguments.ts";

/** Sources of the code of jobs on this machine. */
const SOURCES = ["copy", "in-place", "none"] as const;

/** An executor and its submission. */
export interface FoundExecutor {
  /** The executor. */
  readonly executor: WorkflowExecutor;
  /** Submission that it continues; `undefined` for a new run. */
  readonly continued?: Submission;
}

/** The workflow to run. */
export interface ExecutorPlace {
  /** Absolute path of the CI root. */
  readonly root: string;
  /** ID of the workflow. */
  readonly workflow: string;
}

/** Creates an executor from the options of the command. */
type CreateExecutor = (
  context: CommandContext,
  place: ExecutorPlace,
) => Promise<FoundExecutor>;

/** Executors by the value of `--executor`; each loads its modules on demand. */
const EXECUTORS: Readonly<Record<string, CreateExecutor>> = {
  process: (context) => createLocalExecutor(context),
  docker: (context) => createLocalExecutor(context, "docker"),
  podman: (context) => createLocalExecutor(context, "podman"),
  kubernetes: async (context) => ({
    executor: await createClusterExecutor(context),
  }),
  coordinator: createCoordinatorExecutor,
};

/** Option that selects the executor. */
export const EXECUTOR_FLAG: Flag = {
  name: "executor",
  valueName: "NAME",
  choices: Object.keys(EXECUTORS),
  help:
    "How jobs are run: process, docker, podman, kubernetes or coordinator (process)",
};

/**
 * Creates the executor that the options of a command select.
 *
 * @throws {RunnerError} `usage` if an option is invalid.
 */
export async function findExecutor(
  context: CommandContext,
  place: ExecutorPlace,
): Promise<FoundExecutor> {
  const { name: flag, choices = [] } = EXECUTOR_FLAG;
  const name = readChoice(context, flag, choices, "workflow") ?? "process";
  if (context.isOn("detach") && name !== "coordinator") {
    throw usageError(
      "Option --detach needs --executor coordinator",
      "workflow",
    );
  }
  return await EXECUTORS[name](context, place);
}

/** Options that only jobs on this machine have. */
const LOCAL_FLAGS: readonly string[] = ["concurrency", "network"];

/** Submits the jobs to a coordinator. */
async function createCoordinatorExecutor(
  context: CommandContext,
  { root, workflow }: ExecutorPlace,
): Promise<FoundExecutor> {
  const { flags, isOn, runner, print } = context;
  const local = LOCAL_FLAGS.find((name) => flags.has(name)) ??
    (isOn("watch") ? "watch" : undefined);
  if (local !== undefined) {
    throw usageError(
      `Option --${local} needs jobs on this machine, not --executor coordinator`,
      "workflow",
    );
  }
  const source = flags.get("source") ?? "git";
  if (source !== "git" && source !== "none") {
    throw usageError(
      `Option --source ${source} needs jobs on this machine; a coordinator gives jobs the code of a git repository`,
      "workflow",
    );
  }
  const { coordinatorExecutor } = await import(
    "../../workflow/coordinator/coordinator_executor.ts"
  );
  const { source_url, source_ref } = readOptions(
    runner.host,
    ["source_url", "source_ref"],
    flagsLayer(context),
  );
  const { findUnfinishedSubmission } = await import(
    "../../workflow/coordinator/coordinator_executor.ts"
  );
  const continued = isOn("resume")
    ? await findUnfinishedSubmission(root, workflow)
    : undefined;
  const executor = coordinatorExecutor({
    ...readCoordinatorSettings(context),
    code: source === "none" ? "none" : { url: source_url, ref: source_ref },
    submission: continued,
    ...isOn("detach") ? { onDetach: (id) => print(formatDetached(id)) } : {},
  });
  return { executor, continued };
}

function formatDetached(id: string): string {
  return [
    `Submitted as workflow ${id}`,
    "To follow it, and to cancel it with Ctrl-C:",
    `  runnerlib workflow attach ${id}`,
  ].join("\n");
}

/** Reads the settings with which a coordinator is followed. */
export function readCoordinatorSettings(
  { runner: { host } }: CommandContext,
): CoordinatorSettings {
  const settings = readOptions(host, [
    "coordinator_timeout",
    "coordinator_poll",
    "coordinator_outage",
  ]);
  return {
    env: host.env,
    timeoutMs: settings.coordinator_timeout,
    pollMs: settings.coordinator_poll,
    outageMs: settings.coordinator_outage,
  };
}

/**
 * Runs the jobs on this machine.
 *
 * @param program Container engine; by default, jobs run without containers.
 */
async function createLocalExecutor(
  context: CommandContext,
  program?: string,
): Promise<FoundExecutor> {
  const { processExecutor } = await import(
    "../../workflow/local/process_executor.ts"
  );
  const network = context.flags.get("network");
  const executor = processExecutor({
    source: readChoice(context, "source", SOURCES, "workflow") ?? "copy",
    container: program === undefined
      ? undefined
      : { program, ...typeof network === "string" ? { network } : {} },
  });
  return { executor };
}

/** Sources of the code of jobs that run in a cluster. */
const CLUSTER_SOURCES = ["copy", "none"] as const;

const DEFAULT_START = "5m";

/** Flags of jobs that run on Kubernetes. */
export const KUBERNETES_FLAGS: readonly Flag[] = [
  {
    name: "namespace",
    valueName: "NAME",
    help: "Namespace of the Jobs on Kubernetes (that of the context)",
    group: "Kubernetes",
  },
  {
    name: "context",
    valueName: "NAME",
    help: "Context of kubectl (the current one)",
    group: "Kubernetes",
  },
  {
    name: "image",
    valueName: "IMAGE",
    help: "Image for jobs that set none; it must contain runnerlib, sh and tar",
    group: "Kubernetes",
  },
  {
    name: "node-selector",
    valueName: "NAME=VALUE",
    isRepeatable: true,
    help: "Label that the nodes of all jobs must have",
    group: "Kubernetes",
  },
  {
    name: "start-timeout",
    valueName: "DURATION",
    help: `Time limit for the pod of a job to start (${DEFAULT_START})`,
    group: "Kubernetes",
  },
];

/**
 * Creates the executor for Kubernetes from the options of a command.
 *
 * @throws {RunnerError} `usage` if an option is invalid.
 */
async function createClusterExecutor(
  { flags }: CommandContext,
): Promise<WorkflowExecutor> {
  const { kubernetesExecutor } = await import(
    "../../workflow/kubernetes/kubernetes_executor.ts"
  );
  const { imageProblem } = await import(
    "../../container/container_arguments.ts"
  );
  const readText = (name: string) => {
    const value = flags.get(name);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const [image, namespace] = [readText("image"), readText("namespace")];
  const problem = image && imageProblem(image);
  if (problem) throw usageError(`Option --image: ${problem}`, "workflow");
  if (
    namespace !== undefined &&
    !/^[a-z\d](?:[-a-z\d]{0,61}[a-z\d])?$/.test(namespace)
  ) {
    throw usageError(
      "Option --namespace must be up to 63 lower-case letters, digits and dashes",
      "workflow",
    );
  }
  const startMs = parseDuration(readText("start-timeout") ?? DEFAULT_START);
  if (startMs === undefined || startMs <= 0) {
    throw usageError(
      "Option --start-timeout must be a duration such as 10m",
      "workflow",
    );
  }
  return kubernetesExecutor({
    source: readClusterSource(readText("source")),
    context: readText("context"),
    namespace,
    image,
    nodeSelector: readNodeSelector(flags.get("node-selector")),
    tolerations: [],
    startMs,
  });
}

function readClusterSource(given = "copy"): (typeof CLUSTER_SOURCES)[number] {
  const source = CLUSTER_SOURCES.find((known) => known === given);
  if (source !== undefined) return source;
  throw usageError(
    "Option --source must be copy or none on Kubernetes, which has no access to this directory",
    "workflow",
  );
}

function readNodeSelector(given: unknown): Record<string, string> {
  const items = Array.isArray(given) ? given as string[] : [];
  return Object.fromEntries(items.map((item) => {
    const [, name, value] = /^([\w./-]+)=([\w.-]*)$/.exec(item) ?? [];
    if (name !== undefined) return [name, value];
    throw usageError("Option --node-selector must be NAME=VALUE", "workflow");
  }));
}
