/**
 * Runs a job of an exported workflow inside another engine.
 *
 * The engine starts the job when the jobs that it needs have ended. Whether it
 * runs is decided here, by the results that they passed on, so that conditions
 * mean the same in every engine.
 *
 * @module
 */
import { type Environment, Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { eventFacts } from "../../runner/event_facts.ts";
import { visibleToJobs } from "../../environment/child_environment.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import { EVENT_TYPES } from "../../schema/events.ts";
import { usesPaths, whenReason } from "../../schema/when.ts";
import type {
  JobDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import { matchFilters } from "../eval/match_filters.ts";
import type {
  JobRequest,
  LocalJob,
  LocalJobOutcome,
} from "../local/local_job.ts";
import { NodeStates, type NodeStatus } from "../local/node_states.ts";
import { processExecutor } from "../local/process_executor.ts";
import { runLocalWorkflow } from "../local/run_local.ts";
import { VariableStore } from "../local/workflow_state.ts";
import type { WorkflowExecutor } from "../workflow_executor.ts";
import { decodeResult, type PassedResult } from "./passed_result.ts";

/** A job that the job needs. */
export interface PassedNeed {
  /** Name of the job. */
  readonly name: string;
  /** Variables that contain its results: one, or one per item. */
  readonly variables: readonly string[];
}

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
  /** Whether to export the run to a collector of OpenTelemetry. */
  otel: boolean;
}

/** Result of {@linkcode runExportedJob}. */
export interface ExportedJobResult {
  /** What the job passes on. */
  readonly result: PassedResult;
  /** Exit code; 0 if the job was skipped. */
  readonly exitCode: number;
}

/** A needed job and its results, one per item. */
interface NeedResults {
  readonly name: string;
  /** `undefined` for a result that is missing. */
  readonly results: readonly (PassedResult | undefined)[];
}

/**
 * Runs the only job of a workflow, unless its condition does not hold.
 *
 * @param definition Workflow with one job, without the jobs that it needs.
 * @throws {RunnerError} `invalid-workflow` if there are more jobs, the item does
 * not exist, the result of a needed job is missing, or two of them set a variable to different values;
 * otherwise as `runLocalWorkflow()`.
 */
export async function runExportedJob(
  runner: RunnerContext,
  definition: WorkflowDefinition,
  options: RunExportedJobOptions,
): Promise<ExportedJobResult> {
  const { host: { env }, logger } = runner;
  const job = onlyJob(definition, options);
  const needs = options.needs.map((need) => resultsOf(need, env));
  const variables = passedVariables(definition, job, needs);
  const reason = conditionReason(job, needs) ??
    await eventReason(definition, job, { env, root: options.root });
  if (reason !== undefined) {
    logger.info("workflow", `${job.name}: skipped, ${reason}`);
    return { result: passed("skipped", variables), exitCode: 0 };
  }
  const outcomes: LocalJobOutcome[] = [];
  const { jobs, exitCode } = await runLocalWorkflow(runner, {
    ...definition,
    vars: JSON.parse(variables.text),
    jobs: [withoutConditions(job)],
  }, {
    ...options,
    concurrency: navigator.hardwareConcurrency,
    wait: true,
    resume: false,
    only: undefined,
    conditions: (jobs) => jobs.map((job) => placedJob(job, env, options)),
    event: {},
    executor: observed(
      processExecutor({ source: "in-place" }),
      (request, end) => {
        if (request.node.name === job.name) outcomes.push(end);
      },
    ),
  });
  for (const outcome of outcomes) variables.add(job.name, outcome);
  return {
    result: passed(statusOf(jobs.map(({ status }) => status)), variables),
    exitCode,
  };
}

function passed(
  status: PassedResult["status"],
  { text }: VariableStore,
): PassedResult {
  return { status, vars: JSON.parse(text) };
}

function onlyJob(
  { name, jobs }: WorkflowDefinition,
  { item }: RunExportedJobOptions,
): JobDefinition {
  const [job] = jobs;
  const count = job.body.forEach?.length ?? 0;
  const problem = jobs.length !== 1
    ? `it has ${jobs.length} jobs, not one`
    : item !== undefined && item >= count
    ? `item ${item} is not one of its ${count}`
    : undefined;
  if (problem === undefined) return job;
  throw new RunnerError(
    `Cannot run "${name}" as a job of another engine: ${problem}`,
    { code: "invalid-workflow" },
  );
}

function resultsOf(
  { name, variables }: PassedNeed,
  env: Environment,
): NeedResults {
  return {
    name,
    results: variables.map((variable) => decodeResult(env[variable] ?? "")),
  };
}

/** Joins the variables of the workflow and those of the needed jobs. */
function passedVariables(
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

/** Returns why the condition on needed jobs does not hold. */
function conditionReason(
  { name, body: { condition = "all_success" } }: JobDefinition,
  needs: readonly NeedResults[],
): string | undefined {
  const isMissing = condition === "all_success" &&
    needs.find(({ results }) => results.includes(undefined));
  // A job that the engine has ended itself passes no result on.
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
  if (reason !== undefined || !isMissing) return reason;
  throw new RunnerError(
    `Cannot run job "${name}": "${isMissing.name}" passed no result on`,
    { code: "invalid-workflow" },
  );
}

/** Returns why the event starts neither the workflow nor the job. */
async function eventReason(
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

/** What they depend on has been decided. */
function withoutConditions({ body, ...job }: JobDefinition): JobDefinition {
  const { condition: _condition, when: _when, ...rest } = body;
  return { ...job, body: rest };
}

/**
 * Selects the item of a job, and its source, if the engine has not checked out
 * the code.
 */
function placedJob(
  job: LocalJob,
  env: Environment,
  { item }: RunExportedJobOptions,
): LocalJob {
  const url = env[Variable.sourceUrl];
  return {
    ...job,
    // No developer's machine runs it.
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
function observed(
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

/** Status of a job with several items, and of its follow-up jobs. */
function statusOf(statuses: readonly NodeStatus[]): PassedResult["status"] {
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
