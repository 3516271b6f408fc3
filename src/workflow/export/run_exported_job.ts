/**
 * Runs a job of an exported workflow inside another engine.
 *
 * The engine starts the job when all needed jobs have ended. This module then
 * decides from their results and from the event whether the job runs, so that
 * conditions have the same meaning in every engine.
 *
 * @module
 */
import type { SavedArtifact } from "../../artifacts/artifact.ts";
import { isSavedArtifact } from "../../artifacts/artifact_manifest.ts";
import {
  visibleToJobs,
  withVariable,
} from "../../environment/child_environment.ts";
import { type Environment, Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { isDeeperThan, isObject, parseJson } from "../../json_value.ts";
import { eventFacts } from "../../runner/event_facts.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import { EVENT_TYPES, usesPaths, whenReason } from "../../schema/when.ts";
import type {
  JobDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import { matchFilters } from "../definition/filters.ts";
import { openArtifactRun } from "../local/workflow_artifacts.ts";
import type {
  JobRequest,
  LocalJob,
  LocalJobOutcome,
  NodeArtifacts,
} from "../local/local_job.ts";
import {
  type NodeEnd,
  NodeStates,
  type NodeStatus,
} from "../local/node_states.ts";
import { processExecutor } from "../local/process_executor.ts";
import { runLocalWorkflow } from "../local/run_local.ts";
import { type JsonObject, VariableStore } from "../local/workflow_state.ts";
import type { WorkflowExecutor, WorkflowRun } from "../workflow_executor.ts";

/** Options for {@linkcode runExportedJob}. */
export interface RunExportedJobOptions {
  /** Absolute path of the code. */
  root: string;
  /** Jobs that the job needs. */
  needs: readonly PassedNeed[];
  /**
   * Index of the only item of `for_each` to run.
   *
   * @default {all items}
   */
  item?: number;
  /**
   * Path of the record; `off` for none.
   *
   * @default {as `runLocalWorkflow()`}
   */
  record?: string;
  /** Whether to export the run to an OpenTelemetry collector. */
  otel: boolean;
  /**
   * Absolute path of a directory for artifacts that the engine passes on.
   *
   * @default {artifacts are in the configured store}
   */
  artifactStore?: string;
}

/** Result of {@linkcode runExportedJob}. */
export interface ExportedJobResult {
  /** Result to pass to other jobs. */
  readonly result: PassedResult;
  /** Exit code; 0 if the job was skipped. */
  readonly exitCode: number;
}

/**
 * Runs the first job of a workflow, if its conditions are met.
 *
 * @param definition Workflow with the job. Other jobs only define the artifacts
 * that it needs.
 * @throws {RunnerError} `invalid-workflow` if the item does not exist, the result
 * of a needed job is missing, or two needed jobs set a variable to different values;
 * otherwise as `runLocalWorkflow()`.
 */
export async function runExportedJob(
  runner: RunnerContext,
  definition: WorkflowDefinition,
  options: RunExportedJobOptions,
): Promise<ExportedJobResult> {
  const { host: { env }, logger } = runner;
  const job = selectJob(definition, options);
  const needs = options.needs.map((need) => readResults(need, env));
  const variables = mergeVariables(definition, job, needs);
  const reason = checkCondition(job, needs) ??
    await checkEvent(definition, job, { env, root: options.root });
  if (reason !== undefined) {
    logger.info("workflow", `${job.name}: skipped, ${reason}`);
    return { result: createResult("skipped", variables), exitCode: 0 };
  }
  const outcomes: LocalJobOutcome[] = [];
  const { jobs, exitCode } = await runLocalWorkflow(runner, {
    ...definition,
    vars: JSON.parse(variables.text),
    jobs: [removeConditions(job)],
  }, {
    ...options,
    concurrency: navigator.hardwareConcurrency,
    wait: true,
    resume: false,
    only: undefined,
    conditions: (jobs) => jobs.map((job) => placeJob(job, env, options)),
    event: {},
    executor: observeExecutor(
      provideArtifacts(processExecutor({ source: "in-place" }), {
        definition,
        needs,
        store: options.artifactStore,
      }),
      (request, end) => {
        const isJob = request.key === request.node.displayName;
        if (isJob && request.node.name === job.name) outcomes.push(end);
      },
    ),
  });
  for (const outcome of outcomes) variables.add(job.name, outcome);
  return {
    result: createResult(
      combineStatuses(jobs.map(({ status }) => status)),
      variables,
      outcomes.flatMap(({ artifacts = [] }) => artifacts),
    ),
    exitCode,
  };
}

function createResult(
  status: PassedResult["status"],
  { text }: VariableStore,
  artifacts: PassedResult["artifacts"] = [],
): PassedResult {
  return { status, vars: JSON.parse(text), artifacts };
}

function selectJob(
  { name, jobs: [job] }: WorkflowDefinition,
  { item }: RunExportedJobOptions,
): JobDefinition {
  const count = job.body.forEach?.length ?? 0;
  if (item === undefined || item < count) return job;
  throw new RunnerError(
    `Cannot run "${name}" as a job of another engine: item ${item} does not exist; the number of items is ${count}`,
    { code: "invalid-workflow" },
  );
}

/** Removes dependencies and conditions, which have already been checked. */
function removeConditions({ body, ...job }: JobDefinition): JobDefinition {
  const {
    condition: _condition,
    when: _when,
    dependsOn: _dependsOn,
    artifactNeeds: _artifactNeeds,
    ...rest
  } = body;
  return { ...job, body: rest };
}

/**
 * Selects the item of a job, and sets its source if the engine has not checked out
 * the code.
 */
function placeJob(
  job: LocalJob,
  env: Environment,
  { item }: RunExportedJobOptions,
): LocalJob {
  const url = env[Variable.sourceUrl];
  return {
    ...job,
    // The engine is not a developer's machine.
    disableRunLocal: false,
    onlyItem: item,
    ...url
      ? {
        source: {
          type: env[Variable.sourceType] || "git",
          url,
          ref: env[Variable.sourceRef] || undefined,
        },
      }
      : {},
  };
}

/** Calls a function with the outcome of each job that an executor runs. */
function observeExecutor(
  executor: WorkflowExecutor,
  onEnd: (request: JobRequest, outcome: LocalJobOutcome) => void,
): WorkflowExecutor {
  return {
    ...executor,
    async open(run) {
      const opened = await executor.open(run);
      return {
        [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
        async runJob(request) {
          const outcome = await opened.runJob(request);
          onEnd(request, outcome);
          return outcome;
        },
      };
    },
  };
}

/** Returns the combined status of the items of a job and its follow-up jobs. */
function combineStatuses(
  statuses: readonly NodeStatus[],
): PassedResult["status"] {
  const ends: readonly PassedResult["status"][] = [
    "failed",
    "timeout",
    "cancelled",
    "skipped",
  ];
  return ends.find((end) => statuses.includes(end)) ??
    (statuses.every((status) => status === "completed")
      ? "completed"
      : "cancelled");
}

/** Options for {@linkcode provideArtifacts}. */
interface ExportedArtifactsOptions {
  /** Workflow whose first job runs; its other jobs define artifacts. */
  readonly definition: WorkflowDefinition;
  /** Results of the jobs that it needs. */
  readonly needs: readonly NeedResults[];
  /** Absolute path of the directory for artifacts; ignored if a store is configured. */
  readonly store: string | undefined;
}

/**
 * Provides a job with the artifacts of jobs that ran elsewhere: their results list
 * the saved artifacts, and the engine passes on the directory with the files.
 */
function provideArtifacts(
  executor: WorkflowExecutor,
  options: ExportedArtifactsOptions,
): WorkflowExecutor {
  const { definition } = options;
  const { jobs: [{ name }] } = definition;
  const needs = findNeededArtifacts(options);
  return {
    ...executor,
    async open(run) {
      const opened = await executor.open({
        ...run,
        artifactsOf: openArtifacts(options.store, run),
      });
      return {
        [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
        runJob: (request) =>
          opened.runJob(
            request.node.name !== name || needs.length === 0 ? request : {
              ...request,
              artifacts: { definitions: [], ...request.artifacts, needs },
            },
          ),
      };
    },
  };
}

function findNeededArtifacts(
  { definition: { jobs }, needs }: ExportedArtifactsOptions,
): NodeArtifacts["needs"] {
  return (jobs[0].body.artifactNeeds ?? []).flatMap(({ job, artifacts }) => {
    const { body } = jobs.find(({ name }) => name === job)!;
    const saved = needs.find(({ name }) => name === job)?.results
      .flatMap((result) => result?.artifacts ?? []) ?? [];
    return (body.artifacts ?? [])
      .filter(({ name }) => artifacts.includes(name))
      .map((definition) => ({
        job,
        definition,
        saved: saved.filter(({ name }) => name === definition.name),
      }));
  });
}

/** A configured store takes precedence over the directory: jobs may share it. */
function openArtifacts(
  store: string | undefined,
  { runner, definition, directory, artifactsOf }: WorkflowRun,
): WorkflowRun["artifactsOf"] {
  const { host } = runner;
  if (store === undefined || host.env[Variable.cacheStore]) return artifactsOf;
  const env = withVariable(host.env, Variable.cacheStore, store);
  return openArtifactRun(
    { ...runner, host: { ...host, env } },
    { workflow: definition.id, directory },
  ).artifactsOf;
}

/** A needed job, and where its results are. */
export interface PassedNeed {
  /** Name of the job. */
  readonly name: string;
  /** Variables that contain its results: one, or one per item. */
  readonly variables: readonly string[];
}

/** A needed job and its results, one per item. */
interface NeedResults {
  /** Name of the job. */
  readonly name: string;
  /** The results; `undefined` for a missing one. */
  readonly results: readonly (PassedResult | undefined)[];
}

/** Reads the results of a needed job from variables. */
function readResults(
  { name, variables }: PassedNeed,
  env: Environment,
): NeedResults {
  return {
    name,
    results: variables.map((variable) => decodeResult(env[variable] ?? "")),
  };
}

/** Merges the variables of the workflow with those of the needed jobs. */
function mergeVariables(
  { vars }: WorkflowDefinition,
  job: JobDefinition,
  needs: readonly NeedResults[],
): VariableStore {
  const variables = new VariableStore(vars);
  for (const { name, results } of needs) {
    for (const result of results) {
      const conflict = variables.add(name, { vars: result?.vars });
      if (conflict === undefined) continue;
      throw new RunnerError(
        `Cannot run job "${job.name}": "${name}" sets ${
          JSON.stringify(conflict)
        }, which another job has set to another value`,
        { code: "invalid-workflow" },
      );
    }
  }
  return variables;
}

/** Returns why the condition on needed jobs is not met; `undefined` if it is met. */
function checkCondition(
  { name, body: { condition = "all_success" } }: JobDefinition,
  needs: readonly NeedResults[],
): string | undefined {
  const incomplete = condition === "all_success"
    ? needs.find(({ results }) => results.includes(undefined))
    : undefined;
  // A job that the engine ended passes on no result.
  const missing = condition === "all_success" ? "completed" : "failed";
  const nodes = needs.flatMap((need) =>
    need.results.map((result) => ({ ...need, end: result?.status ?? missing }))
  );
  const own = {
    name: `needs of ${name}`,
    dependsOn: needs.map(({ name }) => name),
    condition,
  };
  const states = new NodeStates([
    ...nodes.map(({ name }) => ({
      name,
      dependsOn: [],
      condition: "always" as const,
    })),
    own,
  ]);
  nodes.forEach(({ end }, at) => states.end(at, end));
  states.submit(nodes.length);
  const reason = states.skipReason(nodes.length);
  if (reason !== undefined || incomplete === undefined) return reason;
  throw new RunnerError(
    `Cannot run job "${name}": "${incomplete.name}" did not pass on a result`,
    { code: "invalid-workflow" },
  );
}

/** Returns why the event does not start the workflow or the job; `undefined` if it does. */
async function checkEvent(
  { triggers, paths }: WorkflowDefinition,
  { body: { when }, env: own }: JobDefinition,
  { env, root }: { env: Environment; root: string },
): Promise<string | undefined> {
  const type = EVENT_TYPES.find((known) => known === env[Variable.eventType]);
  const isFiltered = type !== undefined && triggers.events !== undefined;
  if (when === undefined && !isFiltered) return undefined;
  const hasPathFilter = paths.include !== undefined ||
    paths.exclude !== undefined;
  const facts = await eventFacts({
    env,
    directory: root,
    hasPaths: usesPaths(when) || isFiltered && hasPathFilter,
  });
  const match = isFiltered
    ? matchFilters({ triggers, paths }, {
      type,
      branch: env[Variable.branch] ?? "",
      changedFiles: facts.changedFiles,
    })
    : { isStarted: true, reason: "" };
  if (!match.isStarted) return match.reason;
  return when && whenReason(when, facts, { ...visibleToJobs(env), ...own });
}

/** Result that an exported job passes to the jobs that need it. */
export interface PassedResult {
  /** How the job ended. */
  readonly status: NodeEnd | "skipped";
  /** Variables of the workflow that the job received or set. */
  readonly vars: JsonObject;
  /** Artifacts that the job saved. */
  readonly artifacts: readonly SavedArtifact[];
}

/** Maximum depth of a result, including the values that a job passes on. */
const MAX_DEPTH = 1_010;

const BASE64_URL = { alphabet: "base64url", omitPadding: true } as const;

const STATUSES: readonly PassedResult["status"][] = [
  "completed",
  "failed",
  "cancelled",
  "timeout",
  "skipped",
];

/**
 * Encodes a result so that every engine passes it on unchanged: as one line of
 * characters that are special to neither engines nor shells.
 *
 * @returns Letters, digits, `-` and `_`.
 */
export function encodeResult(result: PassedResult): string {
  return new TextEncoder().encode(JSON.stringify(result))
    .toBase64(BASE64_URL);
}

/**
 * Decodes a result.
 *
 * @returns The result; `undefined` if the text is not one.
 */
function decodeResult(text: string): PassedResult | undefined {
  const result = parseJson(decodeText(text));
  if (!isObject(result) || isDeeperThan(result, MAX_DEPTH)) return undefined;
  const { status, vars, artifacts } = result;
  const known = STATUSES.find((name) => name === status);
  if (known === undefined || !isObject(vars)) return undefined;
  return {
    status: known,
    vars: vars as JsonObject,
    artifacts: Array.isArray(artifacts)
      ? artifacts.filter(isSavedArtifact)
      : [],
  };
}

function decodeText(text: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.fromBase64(text, BASE64_URL));
  } catch {
    // The text is not base64; an empty text is not valid JSON.
    return "";
  }
}
