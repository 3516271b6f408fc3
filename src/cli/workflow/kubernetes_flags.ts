import { parseDuration } from "../../schema/duration.ts";
import type { WorkflowExecutor } from "../../workflow/workflow_executor.ts";
import type { CommandContext, Flag } from "../command.ts";
import { usageError } from "../parse_arguments.ts";

/** Sources of the code of jobs that run in a cluster. */
const SOURCES = ["copy", "none"] as const;

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
export async function clusterExecutor(
  { flags }: CommandContext,
): Promise<WorkflowExecutor> {
  const { kubernetesExecutor } = await import(
    "../../workflow/kubernetes/kubernetes_executor.ts"
  );
  const { imageProblem } = await import(
    "../../container/container_arguments.ts"
  );
  const textOf = (name: string) => {
    const value = flags.get(name);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const [image, namespace] = [textOf("image"), textOf("namespace")];
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
  const startMs = parseDuration(textOf("start-timeout") ?? DEFAULT_START);
  if (startMs === undefined || startMs <= 0) {
    throw usageError(
      "Option --start-timeout must be a duration such as 10m",
      "workflow",
    );
  }
  return kubernetesExecutor({
    source: sourceIn(textOf("source")),
    context: textOf("context"),
    namespace,
    image,
    nodeSelector: selectorIn(flags.get("node-selector")),
    tolerations: [],
    startMs,
  });
}

function sourceIn(given = "copy"): (typeof SOURCES)[number] {
  const source = SOURCES.find((known) => known === given);
  if (source !== undefined) return source;
  throw usageError(
    "Option --source must be copy or none on Kubernetes, which has no access to this directory",
    "workflow",
  );
}

function selectorIn(given: unknown): Record<string, string> {
  const items = Array.isArray(given) ? given as string[] : [];
  return Object.fromEntries(items.map((item) => {
    const [, name, value] = /^([\w./-]+)=([\w.-]*)$/.exec(item) ?? [];
    if (name !== undefined) return [name, value];
    throw usageError("Option --node-selector must be NAME=VALUE", "workflow");
  }));
}
