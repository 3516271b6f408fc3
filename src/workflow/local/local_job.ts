import type { StepConfig } from "../../config/step_config.ts";
import { RunnerError } from "../../errors.ts";
import { type Graph, linkNodes } from "../../graph.ts";
import type { JsonValue } from "../../json.ts";
import type { Condition } from "../../schema/condition.ts";
import { suggest } from "../../suggest.ts";
import type { Trigger } from "../../triggers/trigger.ts";
import { bypassEmptyLists } from "../../triggers/trigger_graph.ts";
import type { JobBody, JobDefinition } from "../definition/definition.ts";
import { itemText } from "../../json.ts";
import type { ConditionalNode, NodeEnd } from "./node_states.ts";
import {
  type JobOutputs,
  type JobRecords,
  type JsonObject,
  type TriggeredWorkflow,
  WorkflowVariables,
} from "./workflow_state.ts";

/** A job that is run on this machine. */
export interface LocalJob {
  /** Name, unique in its workflow. */
  readonly name: string;
  /** Text for the shell. */
  readonly command?: string;
  /** Steps of the job, instead of a command. */
  readonly steps?: readonly StepConfig[];
  /** Variables. */
  readonly env: Readonly<Record<string, string>>;
  /** Jobs that must end before this one starts. */
  readonly dependsOn: readonly string[];
  /** When the job runs then. */
  readonly condition: Condition;
  /** Values, for each of which the job runs. */
  readonly forEach?: readonly JsonValue[];
  /** Variable that holds the value. */
  readonly itemVar?: string;
  /** Image of the container. */
  readonly image?: string;
  /** Time limit, in whole seconds. */
  readonly timeoutSeconds?: number;
  /** Where the source goes, as the job knows it. */
  readonly codeDir?: string;
  /** Where the command runs, as the job knows it. */
  readonly jobDir?: string;
  /** User of the container. */
  readonly runAsUser?: string;
  /** Where the code comes from, if the job says so itself. */
  readonly source?: {
    readonly type: string;
    readonly url: string;
    readonly ref?: string;
  };
  /** Whether the job does not run on a developer's machine. */
  readonly disableRunLocal?: boolean;
  /** Whether a runner in the container runs the command. */
  readonly isWrapped?: boolean;
  /** Resources of the container. */
  readonly resources?: JobBody["resources"];
}

/** A workflow that is run on this machine. */
export interface LocalWorkflow {
  /** Initial variables. */
  readonly vars: JsonObject;
  /** Jobs. */
  readonly jobs: readonly LocalJob[];
}

/** One node of a workflow: a job, or one of the many that it becomes. */
export interface LocalNode extends ConditionalNode {
  /** Name that no other node of the workflow has. */
  readonly displayName: string;
  /** The job, with the variable of its item. */
  readonly job: LocalJob;
}

/** Converts a definition to a job of this machine. */
export function localJob({ name, body, env }: JobDefinition): LocalJob {
  const { dependsOn = [], condition = "all_success" } = body;
  return {
    ...body,
    name,
    env,
    dependsOn,
    condition,
    jobDir: body.workingDir ?? body.jobDir,
    runAsUser: localUser(body),
    resources: localResources(body),
    isWrapped: !body.rawCommand && !body.command?.startsWith("runnerlib "),
  };
}

/** What a job says of developers' machines wins over what it says of workers. */
function localUser({ runLocal, runAs }: JobBody): string | undefined {
  return runLocal?.user ?? (runLocal?.asRunner ? "runner" : runAs?.user);
}

function localResources(
  { resources, cpuLimit, memoryLimit }: JobBody,
): JobBody["resources"] {
  if (resources !== undefined) return resources;
  return {
    ...cpuLimit === undefined ? {} : { cpu: { limit: cpuLimit } },
    ...memoryLimit === undefined ? {} : { memory: { limit: memoryLimit } },
  };
}

/**
 * Creates a job from a trigger; what the trigger leaves out is inherited from
 * the job that sent it.
 *
 * @param parent The job that sent it.
 */
export function triggeredJob(trigger: Trigger, parent: LocalJob): LocalJob {
  const { sourceType, sourceUrl, sourceRef } = trigger;
  return {
    name: trigger.name,
    command: trigger.jobCommand ?? "",
    env: { ...parent.env, ...trigger.env },
    dependsOn: trigger.dependsOn ?? [],
    condition: trigger.condition ?? "all_success",
    forEach: trigger.forEach,
    itemVar: trigger.itemVar,
    image: trigger.containerImage ?? parent.image,
    timeoutSeconds: trigger.timeoutSeconds ?? parent.timeoutSeconds,
    codeDir: trigger.codeDir ?? parent.codeDir,
    jobDir: trigger.workingDir ?? trigger.jobDir ?? trigger.codeDir ??
      parent.jobDir,
    runAsUser: trigger.runAsUser,
    disableRunLocal: trigger.disableRunLocal,
    ...sourceType === undefined || sourceUrl === undefined
      ? {}
      : { source: { type: sourceType, url: sourceUrl, ref: sourceRef } },
  };
}

/**
 * Creates the nodes of a workflow.
 *
 * @param jobs Jobs without dependency cycles.
 * @returns A node for each job, or for each item of one that has items. No node
 * depends on one whose list is empty.
 */
export function localNodes(jobs: readonly LocalJob[]): LocalNode[] {
  const { jobs: kept, empty } = bypassEmptyLists(jobs);
  const skipped = empty.map((job): LocalJob => ({
    ...job,
    dependsOn: [],
    condition: "always",
  }));
  const byName = new Map([...kept, ...skipped].map((job) => [job.name, job]));
  return jobs.flatMap(({ name }) => nodesOf(byName.get(name)!));
}

function nodesOf(job: LocalJob): LocalNode[] {
  const { name, dependsOn, condition, forEach = [], itemVar = "ITEM" } = job;
  const node = { name, dependsOn, condition };
  if (forEach.length === 0) return [{ ...node, displayName: name, job }];
  return forEach.map((item, index) => ({
    ...node,
    displayName: `${name}[${index}]`,
    job: { ...job, env: { ...job.env, [itemVar]: itemText(item) } },
  }));
}

/**
 * Links jobs of a workflow, or the nodes that they become.
 *
 * @param nodes Jobs or nodes.
 * @returns Which of them depend on which.
 */
export function localGraph(
  nodes: readonly Pick<LocalNode, "name" | "dependsOn">[],
): Graph {
  return linkNodes(
    nodes.map(({ name, dependsOn }) => ({ group: name, dependsOn })),
  );
}

/**
 * Selects jobs of a workflow, to run them alone.
 *
 * Other jobs that they depend on count as done; variables and outputs of jobs
 * that succeeded earlier are kept.
 *
 * @param names Names of the jobs.
 * @param earlier Results of earlier runs.
 * @returns A workflow of these jobs.
 * @throws {RunnerError} `invalid-config`, if there is no job of a name.
 */
export function selectJobs(
  { vars, jobs }: LocalWorkflow,
  names: readonly string[],
  earlier: JobRecords,
): LocalWorkflow {
  const known = new Set(jobs.map(({ name }) => name));
  for (const name of names) {
    if (!known.has(name)) throw unknownJob(name, known);
  }
  const chosen = new Set(names);
  const variables = new WorkflowVariables(vars);
  for (const record of earlier.values()) {
    const { status, name, origin } = record;
    if (status !== "completed" || origin !== undefined) continue;
    if (!chosen.has(name)) variables.add(name, record);
  }
  return {
    vars: JSON.parse(variables.text),
    jobs: jobs.filter(({ name }) => chosen.has(name))
      .map((job) => withoutOthers(job, chosen)),
  };
}

function withoutOthers(
  job: LocalJob,
  chosen: ReadonlySet<string>,
): LocalJob {
  const dependsOn = job.dependsOn.filter((name) => chosen.has(name));
  // A job that runs only after a failure runs when it is selected alone.
  const isAlone = dependsOn.length === 0;
  return { ...job, dependsOn, ...isAlone ? { condition: "always" } : {} };
}

function unknownJob(name: string, known: Iterable<string>): RunnerError {
  const near = suggest(name, known);
  return new RunnerError(
    `Cannot run job "${name}": the workflow has none of that name` +
      (near === undefined ? "" : `; did you mean "${near}"?`),
    { code: "invalid-config" },
  );
}

/** A job to run now. */
export interface JobRequest {
  /** Key of the job, which no other job of the run has. */
  readonly key: string;
  /** The job. */
  readonly node: LocalNode;
  /** Id of the workflow that the job belongs to. */
  readonly workflowId: string;
  /** Returns the variables of the workflow as JSON. */
  readonly varsText: () => string;
  /** Aborted when the run is to end. */
  readonly signal: AbortSignal;
}

/** How a job has ended, and what it left. */
export interface JobOutcome extends JobOutputs {
  /** How it ended. */
  readonly status: NodeEnd;
  /** Its exit code, `null` if it never had one. */
  readonly exitCode: number | null;
  /** Why it ended as it did, if there is more to say. */
  readonly reason?: string;
  /** Follow-up jobs. */
  readonly triggers?: readonly TriggeredWorkflow[];
  /** The last lines that it printed, masked. */
  readonly tail?: readonly string[];
}

/**
 * Runs a job.
 *
 * @param request The job.
 * @returns How it ended; the job fails with whatever it throws.
 */
export type Executor = (request: JobRequest) => Promise<JobOutcome>;
