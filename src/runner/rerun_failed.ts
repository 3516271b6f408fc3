import type { JobConfig } from "../config/job_config.ts";
import { messageOf, RunnerError } from "../errors.ts";
import {
  readRecordFile,
  type RunRecord,
  type StepRecord,
} from "../report/run_record.ts";
import { hasFailed } from "../report/step_outcome.ts";
import type { JobPlan } from "../steps/job_plan.ts";
import { readKeptOutputs } from "../steps/output_files.ts";
import { listedNames, needsOf } from "../steps/step_graph.ts";
import { isObject } from "../json_value.ts";
import { recordPath } from "./job_record.ts";
import type { RunState } from "./run_state.ts";

/**
 * Limits the steps of a plan to those that failed in the last run.
 *
 * Steps that depend on them run as well, and so do steps that did not run
 * because the failure ended the job. Their conditions are evaluated again.
 *
 * @returns The plan; at least one of its steps is selected.
 * @throws {RunnerError} `invalid-config` if the job has no steps, there is no
 * last run, its steps have changed or none of them failed; `invalid-record` if
 * its record cannot be read.
 */
export async function selectFailed(
  run: RunState,
  config: JobConfig,
  plan: JobPlan | undefined,
): Promise<JobPlan> {
  if (plan === undefined) throw refusal("the job has no steps");
  // The record of this run replaces that of the last one.
  run.lastRun ??= await readLastRecord(run, config);
  const { runner: { masker, logger } } = run;
  // Names in a record are masked.
  const names = plan.steps.map(({ name }) => masker.maskText(name));
  const last = new Map(run.lastRun.steps.map((step) => [step.name, step]));
  checkNames(names, last, run.plugins !== undefined);
  const before = names.map((name) => last.get(name)!);
  const isFailed = findFailedSteps(plan, before).map((isFailed, step) =>
    isFailed && plan.isSelected[step]
  );
  if (!isFailed.includes(true)) {
    throw refusal("none of the selected steps failed in the last run");
  }
  const kept = await readKeptOutputs(run.runner, () => {});
  const isSelected = addInputs(plan, isFailed, (step) => {
    const value = kept.get(plan.steps[step].name);
    return before[step].outputs.every((key) =>
      isObject(value) && Object.hasOwn(value, key)
    );
  });
  for (const [step, name] of names.entries()) {
    if (isFailed[step] || !isSelected[step] || plan.steps[step].isService) {
      continue;
    }
    logger.info(
      "steps",
      `${name} runs again: its outputs of the last run were not kept`,
    );
  }
  return { ...plan, isSelected };
}

async function readLastRecord(
  { runner }: RunState,
  config: JobConfig,
): Promise<RunRecord> {
  const path = await recordPath(runner, config);
  if (path === undefined) throw refusal("runs of this job have no record");
  const record = await readRecordFile(path).catch((cause) => {
    if (cause instanceof Deno.errors.NotFound) {
      throw refusal(`there is no last run: "${path}" does not exist`);
    }
    throw new RunnerError(
      `Cannot read the last run "${path}": ${messageOf(cause)}`,
      { code: "invalid-record", cause },
    );
  });
  if (record.steps.length === 0) {
    throw refusal("the last run ended before its steps were known");
  }
  return record;
}

/**
 * Checks that the steps are those of the last run. Their commands and
 * dependencies may differ: that is where failures are often fixed.
 */
function checkNames(
  names: readonly string[],
  last: ReadonlyMap<string, StepRecord>,
  mayAddSteps: boolean,
): void {
  const current = new Set(names);
  const added = names.filter((name) => !last.has(name));
  // A plugin may add them later.
  const gone = mayAddSteps
    ? []
    : [...last.keys()].filter((name) => !current.has(name));
  const changes = [
    ...added.length > 0 ? [`${listedNames(added)} did not exist`] : [],
    ...gone.length > 0 ? [`${listedNames(gone)} no longer exists`] : [],
  ];
  if (changes.length === 0) return;
  throw refusal(
    `the steps have changed since the last run: ${changes.join("; ")}`,
  );
}

/**
 * Finds the steps that failed, their dependents, and the steps that did not run
 * because of a failure.
 */
function findFailedSteps(
  { graph: { groupOf, dependents }, steps }: JobPlan,
  before: readonly StepRecord[],
): readonly boolean[] {
  const failed = steps.flatMap((_, step) =>
    hasFailed(before[step]) || before[step].conclusion === "cancelled"
      ? [step]
      : []
  );
  const found = new Set(failed);
  // Iteration over a set also visits items that are added during the loop.
  for (const step of found) {
    for (const dependent of dependents[groupOf[step]]) found.add(dependent);
  }
  const hasEndedEarly = before.some(({ outcome, startedAt }) =>
    outcome === "neutral" && startedAt !== null
  );
  return before.map(({ conclusion }, step) =>
    found.has(step) ||
    failed.length > 0 && conclusion === "skipped" && !hasEndedEarly
  );
}

/** Adds needed services, and steps whose outputs are needed and not available. */
function addInputs(
  plan: JobPlan,
  isFailed: readonly boolean[],
  hasOutputs: (step: number) => boolean,
): readonly boolean[] {
  const selected = new Set(
    isFailed.flatMap((isFailed, step) => isFailed ? [step] : []),
  );
  for (const step of selected) {
    for (const need of needsOf(plan, step)) {
      if (plan.steps[need].isService || !hasOutputs(need)) selected.add(need);
    }
  }
  return isFailed.map((_, step) => selected.has(step));
}

function refusal(reason: string): RunnerError {
  return new RunnerError(`Cannot rerun the failed steps: ${reason}`, {
    code: "invalid-config",
  });
}
