/**
 * Exports workflows to the file formats of other engines.
 *
 * The engine starts the jobs in the order of their dependencies, each with its
 * image, secrets and time limit. Everything else is in the specification of the
 * job, which the engine passes to our runner.
 *
 * @module
 */
import {
  imageProblem,
  parseUser,
} from "../../container/container_arguments.ts";
import { DEFAULT_RUNNER_IMAGE } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { linkNodes, topologicalOrder } from "../../graph_scheduler.ts";
import { itemText } from "../../json_value.ts";
import { usesPaths } from "../../schema/when.ts";
import { bypassEmptyLists } from "../../triggers/trigger_document.ts";
import {
  DefinitionPlaces,
  type DefinitionSource,
  findKey,
  formatPlace,
  type JobBody,
  type JobDefinition,
  type SourcedNode,
  type WorkflowDefinition,
} from "../definition/definition.ts";
import { writeYaml } from "./commented_yaml.ts";
import { type EngineRules, jobIds, type WorkflowEngine } from "./engines.ts";
import {
  EngineSecrets,
  type ExportedJob,
  type ExportedWorkflow,
  type ExportWarning,
  ExportWarnings,
  ITEM_VARIABLE,
} from "./exported_job.ts";
import {
  jobScript,
  type JobSpec,
  jobSpec,
  type SpecContext,
  writtenArtifacts,
} from "./job_spec.ts";

/**
 * Time for the runner to end a job that has reached its time limit, before the
 * engine ends the runner, in seconds.
 */
const TIMEOUT_MARGIN_SECONDS = 300;

/**
 * Maximum total length of the scripts of all jobs, in characters. Each script
 * contains the variables of the workflow.
 */
const MAX_SCRIPT_LENGTH = 8 * 1024 * 1024;

/** Maximum total number of results that are passed to jobs, counting each item. */
const MAX_RESULT_COUNT = 50_000;

/** First comment of every exported file, before the path of the workflow. */
export const EXPORT_MARK = "Written by runnerlib workflow export from";

/** Maximum number of items that a comment lists. */
const MAX_SHOWN_ITEMS = 20;

/** Creates the files of an engine. */
interface EngineWriter {
  readonly rules: EngineRules;
  /** Creates the file. */
  readonly file: (
    workflow: ExportedWorkflow,
    getComments: (job: ExportedJob) => readonly string[],
  ) => Record<string, unknown>;
}

const WRITERS: Readonly<Record<WorkflowEngine, () => Promise<EngineWriter>>> = {
  async gitlab() {
    const { GITLAB, gitlabFile } = await import("./gitlab.ts");
    return { rules: GITLAB, file: gitlabFile };
  },
  async github() {
    const { GITHUB, githubFile } = await import("./github.ts");
    return { rules: GITHUB, file: githubFile };
  },
  async argo() {
    const { ARGO, argoFile } = await import("./argo.ts");
    return { rules: ARGO, file: argoFile };
  },
};

/** Result of {@linkcode exportWorkflow}. */
export interface WorkflowExport {
  /** Text of the file. */
  readonly text: string;
  /** Parts of the workflow that cannot be exported. */
  readonly warnings: readonly ExportWarning[];
}

/**
 * Exports a workflow to another engine. Its jobs run with our runner.
 *
 * Comments in the file say where each job is defined and what cannot be exported.
 *
 * @throws {RunnerError} `invalid-workflow` if the workflow cannot be exported.
 */
export async function exportWorkflow(
  input: ExportInput,
  engine: WorkflowEngine,
): Promise<WorkflowExport> {
  const { rules, file } = await WRITERS[engine]();
  const workflow = await prepareExport(input, rules);
  const places = new DefinitionPlaces();
  const comments = new Map<string, readonly string[]>();
  for (const job of workflow.jobs) {
    const { sources: [source] } = job;
    const place = formatPlace(source, await places.placeOf(source));
    comments.set(job.id, createJobComments(job, place));
  }
  const document = file(workflow, ({ id }) => comments.get(id) ?? []);
  const warnings = await workflow.warnings.list();
  const { mask } = input;
  const text = await writeYaml(document, [
    `${EXPORT_MARK} ${input.definition.sourceFile}`,
    ...createSecretComments(workflow),
    ...warnings.length === 0 ? [] : ["", "Not exported:"],
    ...warnings.map(({ place, text }) => `  ${place}: ${mask(text)}`),
  ]);
  return { text, warnings };
}

function createJobComments(
  { definition: { name, description, body }, itemCount }: ExportedJob,
  place: string,
): string[] {
  const items = itemCount === undefined ? [] : (body.forEach ?? [])
    .slice(0, MAX_SHOWN_ITEMS)
    .map((item, at) => `  item ${at}: ${itemText(item)}`);
  const rest = (itemCount ?? 0) - items.length;
  return [
    "",
    `job ${JSON.stringify(name)} of ${place}`,
    ...description === undefined ? [] : [`  ${description}`],
    ...items,
    ...rest > 0 ? [`  and ${rest} more`] : [],
  ];
}

function createSecretComments({ secrets }: ExportedWorkflow): string[] {
  return secrets.length === 0 ? [] : [
    "",
    "Secrets to set in the engine:",
    ...secrets.map(({ variable, path, key }) =>
      `  ${variable}: ${path}, ${key}`
    ),
  ];
}

/** A workflow to export. */
interface ExportInput {
  /** The workflow. */
  readonly definition: WorkflowDefinition;
  /** Values in files that define it. */
  readonly source: DefinitionSource;
  /** Masks secrets in a text. */
  readonly mask: (text: string) => string;
}

/**
 * Prepares a workflow for an engine.
 *
 * @throws {RunnerError} `invalid-workflow` for an invalid image.
 */
async function prepareExport(
  { definition, source, mask }: ExportInput,
  rules: EngineRules,
): Promise<ExportedWorkflow> {
  const warnings = new ExportWarnings(definition.sourceFile);
  const secrets = new EngineSecrets();
  const jobs = removeEmptyJobs(definition.jobs);
  const exported = new Map<string, ExportedJob>();
  const context: ExportContext = {
    definition,
    source,
    mask,
    rules,
    warnings,
    secrets,
    exported,
    ids: jobIds(jobs.map(({ name }) => name), rules),
    needed: new Set(jobs.flatMap(({ body }) => body.dependsOn ?? [])),
  };
  const size = { scripts: 0, results: 0 };
  for (const [index, job] of sortByNeeds(jobs).entries()) {
    const prepared = await prepareExportedJob(job, index, context);
    exported.set(job.name, prepared);
    checkSize(definition, size, prepared);
  }
  reportEmptyLists(definition, source, warnings);
  return {
    definition,
    source,
    jobs: jobs.map(({ name }) => exported.get(name)!),
    isGated: hasConditions(definition, jobs),
    needsHistory: hasPaths(definition) || jobs.some(usesChangedFiles),
    secrets: secrets.all,
    warnings,
  };
}

/** State that is shared while the jobs of a workflow are prepared. */
interface ExportContext extends ExportInput, SpecContext {
  readonly rules: EngineRules;
  /** IDs by name. */
  readonly ids: ReadonlyMap<string, string>;
  /** Names of jobs that other jobs need. */
  readonly needed: ReadonlySet<string>;
  /** Jobs that have been prepared, by name; a job comes after the jobs that it needs. */
  readonly exported: ReadonlyMap<string, ExportedJob>;
}

async function prepareExportedJob(
  job: JobDefinition,
  index: number,
  context: ExportContext,
): Promise<ExportedJob> {
  const { definition, rules, ids, needed, exported, mask } = context;
  const sources = context.source.jobs.get(job.name)!;
  const { variable, ...settings } = readSettings(job, {
    ...context,
    index,
    sources,
  });
  const { dependsOn = [], artifactNeeds = [], artifacts = [] } = job.body;
  const needs = dependsOn.map((name) => exported.get(name)!);
  const artifactJobs = artifactNeeds.flatMap((need) =>
    exported.get(need.job) ?? []
  );
  const id = ids.get(job.name)!;
  const isNeeded = needed.has(job.name);
  const spec = jobSpec(job, sources, context);
  const text = await writeSpec(definition, spec, { ...job.body, mask });
  const hasItems = settings.itemCount !== undefined;
  const resultName = hasItems ? `${variable}_"$${ITEM_VARIABLE}"` : variable;
  return {
    ...settings,
    definition: job,
    sources,
    id,
    needs,
    isNeeded,
    artifactNeeds: artifactJobs,
    retentionMs: artifacts.length === 0
      ? undefined
      : Math.max(...artifacts.map(({ retentionMs }) => retentionMs)),
    secrets: spec.secrets,
    script: jobScript(text, {
      needs: needs.map((need) => [need.definition.name, need.results]),
      itemVariable: hasItems ? ITEM_VARIABLE : undefined,
      artifactStore: artifacts.length + artifactJobs.length > 0
        ? rules.artifactStore
        : undefined,
      result: isNeeded ? rules.result(id, resultName) : undefined,
    }),
  };
}

function usesChangedFiles(
  { body: { when, steps = [] } }: JobDefinition,
): boolean {
  return usesPaths(when) || steps.some((step) => usesPaths(step.when));
}

/** Limits the size of the export: a small file can describe a huge graph. */
function checkSize(
  { name }: WorkflowDefinition,
  size: { scripts: number; results: number },
  { script, needs, itemCount = 1 }: ExportedJob,
): void {
  size.scripts += script.length;
  for (const need of needs) size.results += itemCount * need.results.length;
  const problem = size.scripts > MAX_SCRIPT_LENGTH
    ? `the scripts of its jobs would have more than ${MAX_SCRIPT_LENGTH} characters`
    : size.results > MAX_RESULT_COUNT
    ? `its jobs would pass on more than ${MAX_RESULT_COUNT} results`
    : undefined;
  if (problem === undefined) return;
  throw new RunnerError(`Cannot export "${name}": ${problem}`, {
    code: "invalid-workflow",
  });
}

/** Removes jobs with an empty list of items, as a local run does. */
function removeEmptyJobs(jobs: readonly JobDefinition[]): JobDefinition[] {
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

/** Sorts jobs so that each job comes after the jobs that it needs. */
function sortByNeeds(jobs: readonly JobDefinition[]): JobDefinition[] {
  const graph = linkNodes(
    jobs.map(({ name, body: { dependsOn = [] } }) => ({
      group: name,
      dependsOn,
    })),
  );
  return topologicalOrder(graph).map((index) => jobs[index]);
}

function readSettings(
  { name, body }: JobDefinition,
  { index, sources, rules, warnings }: {
    index: number;
    sources: readonly SourcedNode[];
    rules: EngineRules;
    warnings: ExportWarnings;
  },
) {
  const warn = (keys: readonly string[], text: string) =>
    warnings.add(
      findKey(sources, keys) ?? sources[0],
      `job "${name}": ${text}`,
    );
  for (const { property, keys, note } of rules.unsupported) {
    if (body[property] !== undefined) warn(keys, `${keys[0]} ${note}`);
  }
  if (body.rawCommand) {
    warn(
      ["raw_command"],
      "the image must contain runnerlib even though raw_command is set",
    );
  }
  const count = body.forEach?.length;
  const isTooLong = count !== undefined && count > rules.maxItems;
  if (isTooLong) {
    warn(
      ["for_each"],
      `its ${count} items run in one job: ${rules.engine} allows at most ${rules.maxItems}`,
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
    image: checkImage(name, body),
    user: resolveUser(name, body),
    timeoutSeconds: body.timeoutSeconds === undefined
      ? undefined
      : body.timeoutSeconds + TIMEOUT_MARGIN_SECONDS,
  };
}

function checkImage(
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

function resolveUser(name: string, { runAs }: JobBody): string | undefined {
  const user = runAs?.user ?? "runner";
  if (user === "runner") return undefined;
  if (user === "root") return "0:0";
  if (parseUser(user) !== undefined) return user;
  throw new RunnerError(
    `Cannot export job "${name}": its user ${
      JSON.stringify(user)
    } is not runner, root or uid[:gid]`,
    { code: "invalid-workflow" },
  );
}

/** Writes a workflow file with one job, and the jobs that define the artifacts it needs. */
async function writeSpec(
  { id, name, vars, triggers, paths, jobs }: WorkflowDefinition,
  { job }: JobSpec,
  { artifactNeeds = [], mask }: JobBody & Pick<SpecContext, "mask">,
): Promise<string> {
  const hasVars = Object.keys(vars).length > 0;
  // Includes jobs without items: they save nothing, but define artifacts.
  const artifactJobs = jobs.filter(({ name }) =>
    artifactNeeds.some((need) => need.job === name)
  );
  return await writeYaml({
    id,
    name: mask(name),
    on: isFiltered({ triggers, paths }) ? triggers : undefined,
    paths: isFiltered({ triggers, paths }) ? paths : undefined,
    vars: hasVars ? maskJson(vars, mask) : undefined,
    jobs: [
      job,
      ...artifactJobs.map(({ name, body }) => ({
        name,
        command: "true",
        artifacts: writtenArtifacts(body.artifacts),
      })),
    ],
  });
}

function maskJson(value: unknown, mask: (text: string) => string): unknown {
  return JSON.parse(JSON.stringify(
    value,
    (_key, item) => typeof item === "string" ? mask(item) : item,
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
  warnings: ExportWarnings,
): void {
  for (const { name, body } of jobs) {
    if (body.forEach?.length !== 0) continue;
    const sources = source.jobs.get(name)!;
    warnings.add(
      findKey(sources, ["for_each"]) ?? sources[0],
      `job "${name}": it is not exported, because its for_each list is empty`,
    );
  }
}
