import { Variable } from "../../environment/variables.ts";
import { usesPaths } from "../../schema/when.ts";
import { findKey } from "../definition/definition.ts";
import { parseBytes } from "../local/container_command.ts";
import { Commented } from "./commented_yaml.ts";
import { type EngineRules, jobIds } from "./engines.ts";
import {
  type EngineSecret,
  type ExportedJob,
  type ExportedWorkflow,
  ITEM_VARIABLE,
} from "./exported_job.ts";

/** Name of the template that contains the graph. */
const ENTRY = "main";

/** Path of the file for the result of a job, in its container. */
const RESULT_FILE = "/tmp/runnerlib-result";

/** Directory for artifacts, in the container of a job. */
const STORE = "/tmp/runnerlib-artifacts";

/** Directory for artifacts of other jobs. */
const NEEDED = "/tmp/runnerlib-needed";

/** Merges the artifacts of other jobs; files of the same name have the same content. */
const JOIN_STORES =
  `mkdir -p ${STORE}\nfor d in ${NEEDED}/*/; do [ ! -d "$d" ] || cp -R "$d." ${STORE}; done`;

/** Name of the output artifact with the artifacts of a job. */
const ARTIFACTS = "artifacts";

/** Name of the output parameter with the result of a job. */
const RESULT = "result";

/** Parameters of the workflow, by the variables that contain them. */
const PARAMETERS: readonly (readonly [variable: string, parameter: string])[] =
  [
    [Variable.sourceUrl, "source-url"],
    [Variable.sourceRef, "source-ref"],
    [Variable.eventType, "event-type"],
    [Variable.branch, "branch"],
  ];

const ID_RULES = { allowsUnderscore: false, reserved: [ENTRY] };

/** Rules for exporting to Argo. */
export const ARGO: EngineRules = {
  ...ID_RULES,
  engine: "Argo",
  maxItems: 1_000,
  unsupported: [
    {
      property: "priority",
      keys: ["priority"],
      note: "is not exported: Argo has priorities for whole workflows only",
    },
    ...([
      ["capabilities", "capabilities"],
      ["workerClass", "worker_class"],
      ["characteristics", "characteristics"],
    ] as const).map(([property, key]) => ({
      property,
      keys: [key],
      note:
        "is not exported; set a node selector or tolerations in the template",
    })),
  ],
  artifactStore: STORE,
  result: () => ({ file: RESULT_FILE }),
};

/** Creates the workflow file for Argo Workflows. */
export function argoFile(
  workflow: ExportedWorkflow,
  getComments: (job: ExportedJob) => readonly string[],
): Record<string, unknown> {
  reportUnsupported(workflow);
  const secrets = assignSecretKeys(workflow.secrets);
  const pullSecrets = new Set(
    workflow.jobs.flatMap(({ definition: { body } }) =>
      body.imagePullSecrets ?? []
    ),
  );
  return {
    apiVersion: "argoproj.io/v1alpha1",
    kind: "Workflow",
    metadata: { generateName: `${workflow.definition.id}-` },
    spec: {
      entrypoint: ENTRY,
      arguments: {
        parameters: PARAMETERS.map(([, name]) => ({ name, value: "" })),
      },
      imagePullSecrets: pullSecrets.size === 0
        ? undefined
        : [...pullSecrets].map((name) => ({ name })),
      templates: [
        {
          name: ENTRY,
          // A failed task stops only the tasks that need it.
          dag: { failFast: false, tasks: createTasks(workflow) },
        },
        ...workflow.jobs.map((job) =>
          new Commented(createTemplate(job, secrets), getComments(job))
        ),
      ],
    },
  };
}

/**
 * Creates the tasks: one per job, or one per item, because Argo would not pass on
 * the results of a loop in which an item fails.
 */
function createTasks({ jobs, isGated }: ExportedWorkflow) {
  const tasks = jobs.flatMap((job) =>
    Array.from({ length: job.itemCount ?? 1 }, (_, item) => ({
      job,
      item,
      name: job.itemCount === undefined ? job.id : `${job.id} ${item}`,
    }))
  );
  const ids = jobIds(tasks.map(({ name }) => name), ID_RULES);
  const names = tasks.map(({ name }) => ids.get(name)!);
  const tasksByJob = new Map<ExportedJob, string[]>();
  tasks.forEach(({ job }, at) => {
    tasksByJob.set(job, [...tasksByJob.get(job) ?? [], names[at]]);
  });
  return tasks.map(({ job, item }, at) => {
    const needed = job.needs.flatMap((need) => tasksByJob.get(need)!);
    const parameters = [
      ...job.itemCount === undefined
        ? []
        : [{ name: ITEM_VARIABLE, value: `${item}` }],
      ...job.needs.flatMap((need) =>
        need.results.map((name, index) => ({
          name,
          value: `{{tasks.${
            tasksByJob.get(need)![index]
          }.outputs.parameters.${RESULT}}}`,
        }))
      ),
    ];
    return {
      name: names[at],
      template: job.id,
      depends: needed.length === 0
        ? undefined
        : needed.map((name) => formatDependency(name, isGated)).join(" && "),
      arguments: parameters.length + job.artifactNeeds.length === 0
        ? undefined
        : {
          parameters: parameters.length === 0 ? undefined : parameters,
          artifacts: createArtifactArguments(job, tasksByJob),
        },
    };
  });
}

/** Passes the artifacts of the needed jobs to a task; each job consists of one or more tasks. */
function createArtifactArguments(
  { artifactNeeds }: ExportedJob,
  tasksByJob: ReadonlyMap<ExportedJob, readonly string[]>,
) {
  const tasks = artifactNeeds.flatMap((need) => tasksByJob.get(need)!);
  return tasks.length === 0 ? undefined : tasks.map((task, at) => ({
    name: `needed-${at}`,
    from: `{{tasks.${task}.outputs.artifacts.${ARTIFACTS}}}`,
    optional: true,
  }));
}

/** Returns the condition on a needed task; if the runner checks conditions, it only has to end. */
function formatDependency(name: string, isGated: boolean): string {
  return isGated
    ? `(${name}.Succeeded || ${name}.Failed || ${name}.Errored)`
    : `${name}.Succeeded`;
}

function createTemplate(job: ExportedJob, secrets: SecretKeys) {
  const { id, needs, itemCount, timeoutSeconds, isNeeded, user } = job;
  const { retentionMs } = job;
  const inputs = [
    ...itemCount === undefined ? [] : [ITEM_VARIABLE],
    ...needs.flatMap(({ results }) => results),
  ];
  const neededCount = job.artifactNeeds
    .reduce((count, need) => count + (need.itemCount ?? 1), 0);
  const artifacts = Array.from({ length: neededCount }, (_, at) => ({
    name: `needed-${at}`,
    path: `${NEEDED}/${at}`,
    optional: true,
  }));
  const [uid, gid] = user?.split(":").map(Number) ?? [];
  return {
    name: id,
    inputs: inputs.length + neededCount === 0 ? undefined : {
      parameters: inputs.length === 0
        ? undefined
        : inputs.map((name) => ({ name })),
      artifacts: neededCount === 0 ? undefined : artifacts,
    },
    activeDeadlineSeconds: timeoutSeconds,
    script: {
      // The schema requires a name, and Argo always calls the container "main".
      name: "main",
      image: job.image,
      command: ["sh"],
      workingDir: "/job",
      env: [
        { name: Variable.sourceType, value: "git" },
        ...PARAMETERS.map(([name, parameter]) => ({
          name,
          value: `{{workflow.parameters.${parameter}}}`,
        })),
        ...inputs.map((name) => ({
          name,
          value: `{{inputs.parameters.${name}}}`,
        })),
        ...job.secrets.map(({ variable }) => ({
          name: variable,
          valueFrom: { secretKeyRef: secrets.get(variable) },
        })),
      ],
      resources: createResources(job),
      securityContext: uid === undefined
        ? undefined
        : { runAsUser: uid, runAsGroup: gid },
      source: neededCount === 0 ? job.script : `${JOIN_STORES}\n${job.script}`,
    },
    outputs: isNeeded || retentionMs !== undefined
      ? {
        parameters: isNeeded
          ? [{ name: RESULT, valueFrom: { path: RESULT_FILE, default: "" } }]
          : undefined,
        artifacts: retentionMs === undefined
          ? undefined
          : [{ name: ARTIFACTS, path: STORE, optional: true }],
      }
      : undefined,
  };
}

/** Names and keys of Kubernetes Secrets, by the variables that get their values. */
type SecretKeys = ReadonlyMap<
  string,
  { readonly name: string; readonly key: string }
>;

/**
 * Assigns a key of a Kubernetes Secret to each secret. Names that differ only in
 * characters that Kubernetes does not allow get a number, so that no two secrets
 * share a key.
 */
function assignSecretKeys(secrets: readonly EngineSecret[]): SecretKeys {
  const names = new Map<string, string>();
  const keys = new Map<string, Map<string, string>>();
  return new Map(secrets.map(({ variable, path, key }) => {
    const name = assignUnique(
      names,
      path,
      path.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") ||
        "secret",
    );
    const keysOfSecret = keys.get(path) ?? new Map<string, string>();
    keys.set(path, keysOfSecret);
    const uniqueKey = assignUnique(
      keysOfSecret,
      key,
      key.replace(/[^\w.-]/g, "_"),
    );
    return [variable, { name, key: uniqueKey }];
  }));
}

/** Returns the name of an ID, which is the wanted one unless another ID has it. */
function assignUnique(
  names: Map<string, string>,
  id: string,
  wanted: string,
): string {
  const known = names.get(id);
  if (known !== undefined) return known;
  const used = new Set(names.values());
  let name = wanted;
  for (let count = 2; used.has(name); count++) name = `${wanted}-${count}`;
  names.set(id, name);
  return name;
}

function createResources(
  { definition: { body: { resources } } }: ExportedJob,
) {
  const { cpu, memory } = resources ?? {};
  if (cpu === undefined && memory === undefined) return undefined;
  return {
    requests: cpu?.request === undefined ? undefined : { cpu: cpu.request },
    limits: {
      cpu: cpu?.limit,
      memory: memory?.limit === undefined
        ? undefined
        : `${parseBytes(memory.limit)}`,
    },
  };
}

function reportUnsupported(
  { definition, source: { document }, jobs, warnings }: ExportedWorkflow,
): void {
  const { triggers: { events = [] }, paths } = definition;
  if (events.length > 0) {
    warnings.add(
      findKey([document], ["on", "triggers", "true"]) ?? document,
      "triggers are not exported: Argo does not start workflows on events; set the parameters event-type and branch when you submit it",
    );
  }
  if (paths.include !== undefined || paths.exclude !== undefined) {
    warnings.add(
      findKey([document], ["paths"]) ?? document,
      "paths is not exported: Argo does not know the changed files",
    );
  }
  for (const { definition: { name, body: { when } }, sources } of jobs) {
    if (!usesPaths(when)) continue;
    warnings.add(
      findKey(sources, ["when"]) ?? sources[0],
      `job "${name}": it is always skipped: when.paths needs the changed files, which Argo does not know`,
    );
  }
}
