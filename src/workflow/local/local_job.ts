import type {
  ArtifactDefinition,
  ArtifactNeed,
  SavedArtifact,
} from "../../artifacts/artifact.ts";
import type { NeededArtifact } from "../../artifacts/job_artifacts.ts";
import type { StepConfig } from "../../config/step_config.ts";
import { RunnerError } from "../../errors.ts";
import { type Graph, linkNodes } from "../../graph_scheduler.ts";
import { itemText, type JsonValue } from "../../json_value.ts";
import type { Condition } from "../../schema/scalars.ts";
import type { When } from "../../schema/when.ts";
import { didYouMean, suggest } from "../../suggest.ts";
import { bypassEmptyLists } from "../../triggers/trigger_document.ts";
import type { Trigger } from "../../triggers/trigger_options.ts";
import type { JobBody, JobDefinition } from "../definition/definition.ts";
import type { ConditionalNode, NodeEnd } from "./node_states.ts";
import {
  type JobOutputs,
  type JobRecords,
  type JsonObject,
  type TriggeredWorkflow,
  VariableStore,
} from "./workflow_state.ts";

/** A job of a local workflow. */
export interface LocalJob {
  /** Name, unique in its workflow. */
  readonly name: string;
  /** Shell command. */
  readonly command?: string;
  /** Steps of the job instead of a command. */
  readonly steps?: readonly StepConfig[];
  /** The steps as JSON, with the keys of the file. */
  readonly writtenSteps?: string;
  /** Variables. */
  readonly env: Readonly<Record<string, string>>;
  /** Jobs that must end before this one starts. */
  readonly dependsOn: readonly string[];
  /** Artifacts that the job needs from some of them. */
  readonly artifactNeeds?: readonly ArtifactNeed[];
  /** Artifacts that the job saves. */
  readonly artifacts?: readonly ArtifactDefinition[];
  /** Condition for running the job. */
  readonly condition: Condition;
  /** Condition on the event. */
  readonly when?: When;
  /** Why the event skips the job. */
  readonly skipReason?: string;
  /** Items; the job runs once per item. */
  readonly forEach?: readonly JsonValue[];
  /** Variable that contains the item. */
  readonly itemVar?: string;
  /**
   * Index of the only item that runs.
   *
   * @default {all items run}
   */
  readonly onlyItem?: number;
  /** Image of the container. */
  readonly image?: string;
  /** Time limit, in whole seconds. */
  readonly timeoutSeconds?: number;
  /** Directory of the source, as the job sees it. */
  readonly codeDir?: string;
  /** Directory in which the command runs, as the job sees it. */
  readonly jobDir?: string;
  /** User that the job runs as. */
  readonly runAsUser?: string;
  /** Source of the code, if the job sets its own. */
  readonly source?: {
    readonly type: string;
    readonly url: string;
    readonly ref?: string;
  };
  /** Whether the job is skipped on a developer's machine. */
  readonly disableRunLocal?: boolean;
  /** Whether a runner inside the container runs the command. */
  readonly isWrapped?: boolean;
  /** Resources of the container. */
  readonly resources?: JobBody["resources"];
  /** Secrets for pulling the image, on a cluster. */
  readonly imagePullSecrets?: readonly string[];
  /** Characteristics that a worker must have. */
  readonly characteristics?: JobBody["characteristics"];
  /** Capabilities that a worker must have. */
  readonly capabilities?: readonly string[];
  /** Labels that the node of the job must have, on a cluster. */
  readonly nodeSelector?: JobBody["nodeSelector"];
  /** Taints that the job tolerates, on a cluster. */
  readonly tolerations?: JobBody["tolerations"];
  /** ID of the job on the coordinator, if the coordinator has started it. */
  readonly remoteId?: string;
}

/** A local workflow. */
export interface LocalWorkflow {
  /** Initial variables. */
  readonly vars: JsonObject;
  /** Jobs. */
  readonly jobs: readonly LocalJob[];
}

/** A node of a workflow: a job, or one item of its fan-out. */
export interface LocalNode extends ConditionalNode {
  /** Name of the node, unique in its workflow. */
  readonly displayName: string;
  /** The job, with the variable of its item. */
  readonly job: LocalJob;
}

/** Converts a definition to a local job. */
export function localJob({ name, body, env }: JobDefinition): LocalJob {
  const { dependsOn = [], condition = "all_success" } = body;
  return {
    ...body,
    name,
    env,
    dependsOn,
    condition,
    jobDir: body.workingDir ?? body.jobDir,
    runAsUser: resolveUser(body),
    resources: resolveResources(body),
    isWrapped: !body.rawCommand && !body.command?.startsWith("runnerlib "),
  };
}

/**
 * Converts a definition to a job that does not run on a developer's machine.
 */
export function remoteJob(definition: JobDefinition): LocalJob {
  const { disableRunLocal: _disableRunLocal, ...job } = localJob(definition);
  return { ...job, runAsUser: definition.body.runAs?.user };
}

/** Settings for a developer's machine override those for workers. */
function resolveUser({ runLocal, runAs }: JobBody): string | undefined {
  return runLocal?.user ?? (runLocal?.asRunner ? "runner" : runAs?.user);
}

function resolveResources(
  { resources, cpuLimit, memoryLimit }: JobBody,
): JobBody["resources"] {
  if (resources !== undefined) return resources;
  return {
    ...cpuLimit === undefined ? {} : { cpu: { limit: cpuLimit } },
    ...memoryLimit === undefined ? {} : { memory: { limit: memoryLimit } },
  };
}

/**
 * Creates a job from a trigger. Properties that the trigger omits are inherited
 * from the job that sent it.
 *
 * @param parent Job that sent the trigger.
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
 * @returns One node per job, or per item of a job. No node depends on a job
 * whose list of items is empty.
 */
export function localNodes(jobs: readonly LocalJob[]): LocalNode[] {
  const { jobs: nonEmpty, empty } = bypassEmptyLists(jobs);
  const skipped = empty.map((job): LocalJob => ({
    ...job,
    dependsOn: [],
    condition: "always",
  }));
  const byName = new Map(
    [...nonEmpty, ...skipped].map((job) => [job.name, job]),
  );
  return jobs.flatMap(({ name }) => createNodes(byName.get(name)!));
}

function createNodes(job: LocalJob): LocalNode[] {
  const { name, dependsOn, condition, forEach = [], itemVar = "ITEM" } = job;
  const node = { name, dependsOn, condition };
  if (forEach.length === 0) return [{ ...node, displayName: name, job }];
  const nodes = forEach.map((item, index) => ({
    ...node,
    displayName: `${name}[${index}]`,
    job: { ...job, env: { ...job.env, [itemVar]: itemText(item) } },
  }));
  return job.onlyItem === undefined
    ? nodes
    : nodes.slice(job.onlyItem, job.onlyItem + 1);
}

/**
 * Creates the dependency graph of jobs or nodes.
 *
 * @param nodes Jobs of a workflow, or its nodes.
 */
export function localGraph(
  nodes: readonly Pick<LocalNode, "name" | "dependsOn">[],
): Graph {
  return linkNodes(
    nodes.map(({ name, dependsOn }) => ({ group: name, dependsOn })),
  );
}

/**
 * Selects jobs of a workflow to run without the others.
 *
 * Dependencies that are not selected count as completed. Variables and outputs
 * of jobs that succeeded earlier are kept.
 *
 * @param earlier Results of earlier runs.
 * @throws {RunnerError} `invalid-config` if a job does not exist.
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
  const selected = new Set(names);
  const variables = new VariableStore(vars);
  for (const record of earlier.values()) {
    const { status, name, origin } = record;
    if (status !== "completed" || origin !== undefined) continue;
    if (!selected.has(name)) variables.add(name, record);
  }
  return {
    vars: JSON.parse(variables.text),
    jobs: jobs.filter(({ name }) => selected.has(name))
      .map((job) => withoutOthers(job, selected)),
  };
}

function withoutOthers(
  job: LocalJob,
  selected: ReadonlySet<string>,
): LocalJob {
  const dependsOn = job.dependsOn.filter((name) => selected.has(name));
  // Even a job that only runs after a failure runs if it is selected alone.
  const isAlone = dependsOn.length === 0;
  return { ...job, dependsOn, ...isAlone ? { condition: "always" } : {} };
}

function unknownJob(name: string, known: Iterable<string>): RunnerError {
  const near = suggest(name, known);
  return new RunnerError(
    `Cannot run job "${name}": the workflow has no such job` +
      didYouMean(near),
    { code: "invalid-config" },
  );
}

/** A job to run now. */
export interface JobRequest {
  /** Key of the job, unique in the run. */
  readonly key: string;
  /** The job. */
  readonly node: LocalNode;
  /** ID of the workflow that the job belongs to. */
  readonly workflowId: string;
  /** Returns the variables of the workflow as JSON. */
  readonly varsText: () => string;
  /** Artifacts of the job; `undefined` if it has none. */
  readonly artifacts?: NodeArtifacts;
  /** Aborted when the run is cancelled. */
  readonly signal: AbortSignal;
  /**
   * Called when the job starts, if it runs elsewhere; otherwise it starts
   * immediately.
   */
  readonly onStart: () => void;
}

/** Artifacts that a job gets from other jobs, and those that it saves. */
export interface NodeArtifacts {
  /** Artifacts that it saves. */
  readonly definitions: readonly ArtifactDefinition[];
  /** Artifacts that it needs, with their saved versions. */
  readonly needs: readonly NeededArtifact[];
}

/** Outcome and outputs of a job. */
export interface LocalJobOutcome extends JobOutputs {
  /** How the job ended. */
  readonly status: NodeEnd;
  /** Exit code, or `null` if there is none. */
  readonly exitCode: number | null;
  /** Reason for the outcome, if it is known. */
  readonly reason?: string;
  /**
   * Duration in milliseconds, if another machine measured it.
   *
   * @default {the time since the job started}
   */
  readonly durationMs?: number;
  /** Follow-up jobs. */
  readonly triggers?: readonly TriggeredWorkflow[];
  /** Artifacts that the job saved. */
  readonly artifacts?: readonly SavedArtifact[];
  /** Last lines of its output, masked. */
  readonly tail?: readonly string[];
  /** Absolute path of its record, if it has one. */
  readonly recordPath?: string;
  /** Absolute path of its log, if it has one. */
  readonly logPath?: string;
}

/**
 * Runs a job.
 *
 * @returns Its outcome. If the function throws, the job fails.
 */
export type Executor = (request: JobRequest) => Promise<LocalJobOutcome>;
