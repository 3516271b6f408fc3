/**
 * A workflow as the files of other engines describe it.
 *
 * The engine starts the jobs in the order of their dependencies, each in its
 * image, with its secrets and its time limit. Everything else is in the
 * specification of a job, which our runner gets in the engine.
 *
 * @module
 */
import { RunnerError } from "../../errors.ts";
import { imageProblem } from "../../container/container_arguments.ts";
import { DEFAULT_RUNNER_IMAGE } from "../../environment/variables.ts";
import { linkNodes, topologicalOrder } from "../../graph_scheduler.ts";
import { usesPaths } from "../../schema/when.ts";
import { bypassEmptyLists } from "../../triggers/trigger_graph.ts";
import type {
  JobBody,
  JobDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import {
  type DefinitionSource,
  findKey,
  type SourcedNode,
} from "../definition/definition_source.ts";
import { writeYaml } from "./commented_yaml.ts";
import { type EngineSecret, EngineSecrets } from "./engine_secrets.ts";
import { type IdRules, jobIds } from "./job_ids.ts";
import {
  jobScript,
  type JobSpec,
  jobSpec,
  writtenArtifacts,
} from "./job_spec.ts";
import { LossList } from "./losses.ts";

/** Directory of exported jobs in their code; no artifact contains it. */
export const EXPORT_DIRECTORY = ".reactorcide/exported";

/**
 * Time that a runner has to end a job at its time limit, before the engine ends
 * the runner, in seconds.
 */
const TIMEOUT_MARGIN = 300;

/** What a workflow file says, and what hides secrets in it. */
export interface ExportInput {
  /** The workflow. */
  readonly definition: WorkflowDefinition;
  /** Where it is written. */
  readonly source: DefinitionSource;
  /** Replaces secret parts of a text. */
  readonly mask: (text: string) => string;
}

/** How an engine starts jobs. */
export interface EngineRules extends IdRules {
  /** Name of the engine, for messages. */
  readonly engine: string;
  /** Maximum number of items that the engine starts as jobs. */
  readonly maxItems: number;
  /** Directory for artifacts, which the engine passes on. */
  readonly artifactStore: string;
  /** Properties of jobs that are lost, and why. */
  readonly lost: readonly LostProperty[];
  /**
   * Returns the file for the result of a job, and the name before it, as words
   * of a shell.
   *
   * @param id Id of the job.
   * @param variable Variable that contains the result in other jobs.
   */
  readonly result: (
    id: string,
    variable: string,
  ) => { readonly file: string; readonly name?: string };
}

/** A property of a job that an engine does not have. */
export interface LostProperty {
  /** The property. */
  readonly property: keyof JobBody;
  /** Its key, and its other names. */
  readonly keys: readonly string[];
  /** Why it is lost, phrased to follow the key. */
  readonly why: string;
}

/** A job in the file of an engine. */
export interface ExportedJob {
  /** Id in the engine. */
  readonly id: string;
  /** The job, without dependencies on jobs that have no items. */
  readonly definition: JobDefinition;
  /** Values that define it. */
  readonly sources: readonly SourcedNode[];
  /** Image reference. */
  readonly image: string;
  /** User as `uid` or `uid:gid`, if it is not that of the image. */
  readonly user?: string;
  /** Jobs that must end before this one starts. */
  readonly needs: readonly ExportedJob[];
  /** Number of items that the engine starts as jobs; `undefined` for none. */
  readonly itemCount?: number;
  /**
   * Variables that contain its results in the jobs that need it: one, or one
   * per item.
   */
  readonly results: readonly string[];
  /** Whether a job needs it. */
  readonly isNeeded: boolean;
  /** Jobs whose artifacts it needs. */
  readonly artifactNeeds: readonly ExportedJob[];
  /**
   * How long its artifacts are kept, in milliseconds; `undefined` if it saves
   * none.
   */
  readonly retentionMs?: number;
  /** Secrets that the engine has to pass. */
  readonly secrets: readonly EngineSecret[];
  /** Shell script that runs the job. */
  readonly script: string;
  /** Time limit for the engine, in whole seconds. */
  readonly timeoutSeconds?: number;
}

/** A workflow in the file of an engine. */
export interface ExportedWorkflow {
  /** The workflow. */
  readonly definition: WorkflowDefinition;
  /** Where it is written. */
  readonly source: DefinitionSource;
  /** Its jobs, in the order of the file. */
  readonly jobs: readonly ExportedJob[];
  /**
   * Whether the runner decides which jobs run. Otherwise each job runs if those
   * that it needs have succeeded, which every engine decides alike.
   */
  readonly isGated: boolean;
  /** Whether jobs need the history of the code, to find changed files. */
  readonly needsHistory: boolean;
  /** All secrets. */
  readonly secrets: readonly EngineSecret[];
  /** What cannot be exported. */
  readonly losses: LossList;
}

/** Variable that contains the index of an item. */
export const ITEM_VARIABLE = "RUNNERLIB_ITEM";

/**
 * Prepares a workflow for an engine.
 *
 * @throws {RunnerError} `invalid-workflow` for an invalid image.
 */
export async function exportedWorkflow(
  { definition, source, mask }: ExportInput,
  rules: EngineRules,
): Promise<ExportedWorkflow> {
  const losses = new LossList();
  const secrets = new EngineSecrets();
  const kept = keptJobs(definition.jobs);
  const ids = jobIds(kept.map(({ name }) => name), rules);
  const needed = new Set(kept.flatMap(({ body }) => body.dependsOn ?? []));
  const exported = new Map<string, ExportedJob>();
  for (const [index, job] of inOrder(kept).entries()) {
    const sources = source.jobs.get(job.name)!;
    const part = jobPart(job, { index, sources, rules, losses });
    const { dependsOn = [], artifactNeeds = [], artifacts = [] } = job.body;
    const needs = dependsOn.map((name) => exported.get(name)!);
    const givers = artifactNeeds.flatMap((need) =>
      exported.get(need.job) ?? []
    );
    const isNeeded = needed.has(job.name);
    const spec = jobSpec(job, sources, { secrets, losses, mask });
    const text = await specText(definition, {
      spec,
      // A job without items saves nothing, but its artifacts are defined.
      givers: definition.jobs.filter(({ name }) =>
        artifactNeeds.some((need) => need.job === name)
      ),
      mask,
    });
    exported.set(job.name, {
      ...part,
      definition: job,
      sources,
      id: ids.get(job.name)!,
      needs,
      isNeeded,
      artifactNeeds: givers,
      retentionMs: artifacts.length === 0
        ? undefined
        : Math.max(...artifacts.map(({ retentionMs }) => retentionMs)),
      secrets: spec.secrets,
      script: jobScript(text, {
        needs: needs.map((need) => [need.definition.name, need.results]),
        itemVariable: part.itemCount === undefined ? undefined : ITEM_VARIABLE,
        artifactStore: artifacts.length + givers.length > 0
          ? rules.artifactStore
          : undefined,
        result: isNeeded
          ? rules.result(
            ids.get(job.name)!,
            part.itemCount === undefined
              ? part.variable
              : `${part.variable}_"$${ITEM_VARIABLE}"`,
          )
          : undefined,
      }),
    });
  }
  reportEmptyLists(definition, source, losses);
  return {
    definition,
    source,
    jobs: kept.map(({ name }) => exported.get(name)!),
    isGated: hasConditions(definition, kept),
    needsHistory: hasPaths(definition) ||
      kept.some(({ body }) => usesPaths(body.when)),
    secrets: secrets.all,
    losses,
  };
}

/** Leaves out jobs without items, as a local run does. */
function keptJobs(jobs: readonly JobDefinition[]): JobDefinition[] {
  const flat = jobs.map((job) => ({
    name: job.name,
    dependsOn: job.body.dependsOn,
    forEach: job.body.forEach,
    job,
  }));
  return bypassEmptyLists(flat).jobs.map(({ job, dependsOn }) => ({
    ...job,
    body: { ...job.body, dependsOn: [...new Set(dependsOn)] },
  }));
}

/** Sorts jobs so that each one follows those that it needs. */
function inOrder(jobs: readonly JobDefinition[]): JobDefinition[] {
  const graph = linkNodes(
    jobs.map(({ name, body: { dependsOn = [] } }) => ({
      group: name,
      dependsOn,
    })),
  );
  return topologicalOrder(graph).map((at) => jobs[at]);
}

function jobPart(
  { name, body }: JobDefinition,
  { index, sources, rules, losses }: {
    index: number;
    sources: readonly SourcedNode[];
    rules: EngineRules;
    losses: LossList;
  },
) {
  const lose = (keys: readonly string[], text: string) =>
    losses.add(
      findKey(sources, keys) ?? sources[0],
      `job "${name}": ${text}`,
    );
  for (const { property, keys, why } of rules.lost) {
    if (body[property] !== undefined) lose(keys, `${keys[0]} ${why}`);
  }
  if (body.rawCommand) {
    lose(
      ["raw_command"],
      "the image must contain runnerlib, although raw_command is set",
    );
  }
  const count = body.forEach?.length;
  const isTooLong = count !== undefined && count > rules.maxItems;
  if (isTooLong) {
    lose(
      ["for_each"],
      `its ${count} items run in one job, because ${rules.engine} allows ${rules.maxItems}`,
    );
  }
  const itemCount = isTooLong ? undefined : count;
  const variable = `RUNNERLIB_RESULT_${index}`;
  return {
    variable,
    itemCount,
    results: itemCount === undefined
      ? [variable]
      : Array.from({ length: itemCount }, (_, item) => `${variable}_${item}`),
    image: imageOf(name, body),
    user: userOf(name, body),
    timeoutSeconds: body.timeoutSeconds === undefined
      ? undefined
      : body.timeoutSeconds + TIMEOUT_MARGIN,
  };
}

function imageOf(
  name: string,
  { image = DEFAULT_RUNNER_IMAGE }: JobBody,
): string {
  const problem = imageProblem(image);
  if (problem === undefined) return image;
  throw new RunnerError(
    `Cannot export job "${name}": its image ${
      JSON.stringify(image)
    } is ${problem}`,
    { code: "invalid-workflow" },
  );
}

function userOf(name: string, { runAs }: JobBody): string | undefined {
  const user = runAs?.user ?? "runner";
  if (user === "runner") return undefined;
  if (user === "root") return "0:0";
  if (/^\d{1,10}(:\d{1,10})?$/.test(user)) return user;
  throw new RunnerError(
    `Cannot export job "${name}": the user ${
      JSON.stringify(user)
    } does not exist; it must be runner, root or uid[:gid]`,
    { code: "invalid-workflow" },
  );
}

/** Writes a workflow file with one job, and those that define its artifacts. */
async function specText(
  { id, name, vars, triggers, paths }: WorkflowDefinition,
  { spec, givers, mask }: {
    spec: JobSpec;
    givers: readonly JobDefinition[];
    mask: (text: string) => string;
  },
): Promise<string> {
  const hasVars = Object.keys(vars).length > 0;
  return await writeYaml({
    id,
    name: mask(name),
    on: isFiltered({ triggers, paths }) ? triggers : undefined,
    paths: isFiltered({ triggers, paths }) ? paths : undefined,
    vars: hasVars ? maskedJson(vars, mask) : undefined,
    jobs: [
      spec.job,
      ...givers.map(({ name, body }) => ({
        name,
        command: "true",
        artifacts: writtenArtifacts(body.artifacts),
      })),
    ],
  });
}

function maskedJson(value: unknown, mask: (text: string) => string): unknown {
  return JSON.parse(JSON.stringify(
    value,
    (_key, one) => typeof one === "string" ? mask(one) : one,
  ));
}

type FilteredWorkflow = Pick<WorkflowDefinition, "triggers" | "paths">;

/** Checks whether the runner has to decide which events start the workflow. */
function isFiltered({ triggers, paths }: FilteredWorkflow): boolean {
  return triggers.events !== undefined &&
    ((triggers.branches?.length ?? 0) > 0 || hasPaths({ paths }));
}

function hasPaths({ paths }: Pick<WorkflowDefinition, "paths">): boolean {
  return (paths.include?.length ?? 0) + (paths.exclude?.length ?? 0) > 0;
}

function hasConditions(
  workflow: FilteredWorkflow,
  jobs: readonly JobDefinition[],
): boolean {
  return isFiltered(workflow) ||
    jobs.some(({ body: { condition = "all_success", when } }) =>
      condition !== "all_success" || when !== undefined
    );
}

function reportEmptyLists(
  { jobs }: WorkflowDefinition,
  source: DefinitionSource,
  losses: LossList,
): void {
  for (const { name, body } of jobs) {
    if (body.forEach?.length !== 0) continue;
    const sources = source.jobs.get(name)!;
    losses.add(
      findKey(sources, ["for_each"]) ?? sources[0],
      `job "${name}": it is left out, because its for_each list is empty`,
    );
  }
}
