/**
 * Decides whether a job of an exported workflow runs, based on the results of needed
 * jobs and on the event.
 *
 * @module
 */
import { visibleToJobs } from "../../environment/child_environment.ts";
import { type Environment, Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import { eventFacts } from "../../runner/event_facts.ts";
import { EVENT_TYPES, usesPaths, whenReason } from "../../schema/when.ts";
import type {
  JobDefinition,
  WorkflowDefinition,
} from "../definition/definition.ts";
import { matchFilters } from "../eval/match_filters.ts";
import { NodeStates } from "../local/node_states.ts";
import { VariableStore } from "../local/workflow_state.ts";
import { decodeResult, type PassedResult } from "./passed_result.ts";

/** A needed job, and where its results are. */
export interface PassedNeed {
  /** Name of the job. */
  readonly name: string;
  /** Variables that contain its results: one, or one per item. */
  readonly variables: readonly string[];
}

/** A needed job and its results, one per item. */
export interface NeedResults {
  /** Name of the job. */
  readonly name: string;
  /** The results; `undefined` for a missing one. */
  readonly results: readonly (PassedResult | undefined)[];
}

/** Reads the results of a needed job from variables. */
export function resultsFor(
  { name, variables }: PassedNeed,
  env: Environment,
): NeedResults {
  return {
    name,
    results: variables.map((variable) => decodeResult(env[variable] ?? "")),
  };
}

/** Merges the variables of the workflow with those of the needed jobs. */
export function passedVariables(
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
export function conditionReason(
  { name, body: { condition = "all_success" } }: JobDefinition,
  needs: readonly NeedResults[],
): string | undefined {
  const isMissing = condition === "all_success" &&
    needs.find(({ results }) => results.includes(undefined));
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
  if (reason !== undefined || !isMissing) return reason;
  throw new RunnerError(
    `Cannot run job "${name}": "${isMissing.name}" passed no result on`,
    { code: "invalid-workflow" },
  );
}

/** Returns why the event does not start the workflow or the job; `undefined` if it does. */
export async function eventReason(
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
