/**
 * Runs a job of an exported workflow inside another engine.
 *
 * The engine starts the job when all needed jobs have ended. This module then
 * decides from their results whether the job runs, so that conditions have the same
 * meaning in every engine.
 *
 * @module
 */
import { type Environment, Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import type {
  JobDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import type {
  JobRequest,
  LocalJob,
  LocalJobOutcome,
} from "../local/local_job.ts";
import type { NodeStatus } from "../local/node_states.ts";
import { processExecutor } from "../local/process_executor.ts";
import { runLocalWorkflow } from "../local/run_local.ts";
import type { VariableStore } from "../local/workflow_state.ts";
import type { WorkflowExecutor } from "../workflow_executor.ts";
import { exportedArtifacts } from "./exported_artifacts.ts";
import {
  conditionReason,
  eventReason,
  type PassedNeed,
  passedVariables,
  resultsFor,
} from "./job_gate.ts";
import type { PassedResult } from "./passed_result.ts";

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
  const job = checkedJob(definition, options);
  const needs = options.needs.map((need) => resultsFor(need, env));
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
    jobs: [withoutNeeds(job)],
  }, {
    ...options,
    concurrency: navigator.hardwareConcurrency,
    wait: true,
    resume: false,
    only: undefined,
    conditions: (jobs) => jobs.map((job) => placedJob(job, env, options)),
    event: {},
    executor: observed(
      exportedArtifacts(processExecutor({ source: "in-place" }), {
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
    result: passed(
      jobStatus(jobs.map(({ status }) => status)),
      variables,
      outcomes.flatMap(({ artifacts = [] }) => artifacts),
    ),
    exitCode,
  };
}

function passed(
  status: PassedResult["status"],
  { text }: VariableStore,
  artifacts: PassedResult["artifacts"] = [],
): PassedResult {
  return { status, vars: JSON.parse(text), artifacts };
}

function checkedJob(
  { name, jobs: [job] }: WorkflowDefinition,
  { item }: RunExportedJobOptions,
): JobDefinition {
  const count = job.body.forEach?.length ?? 0;
  if (item === undefined || item < count) return job;
  throw new RunnerError(
    `Cannot run "${name}" as a job of another engine: item ${item} is not one of its ${count}`,
    { code: "invalid-workflow" },
  );
}

/** Removes dependencies and conditions, which have already been checked. */
function withoutNeeds({ body, ...job }: JobDefinition): JobDefinition {
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
function placedJob(
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

/** Returns the combined status of the items of a job and its follow-up jobs. */
function jobStatus(statuses: readonly NodeStatus[]): PassedResult["status"] {
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
