import { commandText } from "../../command_text.ts";
import { readOptions } from "../../config/load_config.ts";
import {
  visibleToJobs,
  withVariable,
} from "../../environment/child_environment.ts";
import { type Environment, Variable } from "../../environment/variables.ts";
import { shownPath } from "../../job_path.ts";
import { formatSummary } from "../../report/summary.ts";
import { eventFacts } from "../../runner/event_facts.ts";
import { maskedTail } from "../../runner/run_steps.ts";
import {
  createRunnerContext,
  type RunnerContext,
} from "../../runner/runner_context.ts";
import { parseEventType, usesPaths } from "../../schema/when.ts";
import { withoutIndex } from "../../state/job_outcome.ts";
import {
  printable,
  shouldUseColor,
  withoutCommands,
} from "../../terminal/text.ts";
import { nextJobsText } from "../../triggers/next_jobs.ts";
import {
  coordinatorExecutor,
  findSubmission,
} from "../../workflow/coordinator/coordinator_executor.ts";
import type { Submission } from "../../workflow/coordinator/submission.ts";
import type { WorkflowDefinition } from "../../workflow/definition/definition.ts";
import { levels } from "../../workflow/draw_graph.ts";
import {
  type FilterMatch,
  matchFilters,
} from "../../workflow/definition/filters.ts";
import { explainJobs, withConditions } from "../../workflow/job_conditions.ts";
import {
  type LocalJob,
  localJob,
  localNodes,
  selectJobs,
} from "../../workflow/local/local_job.ts";
import { CONCLUSIONS } from "../../workflow/local/record_workflow.ts";
import {
  type LocalResult,
  runLocalWorkflow,
  type RunLocalWorkflowOptions,
} from "../../workflow/local/run_local.ts";
import type { WorkflowExecutor } from "../../workflow/workflow_executor.ts";
import { cancelOnSignal } from "../actions.ts";
import type { CommandContext } from "../command.ts";
import { flagsLayer } from "../config_flags.ts";
import { usageError } from "../parse_arguments.ts";
import { rerunWords } from "../rerun_command.ts";
import { type Explanation, printExplanations } from "./explanation.ts";
import { findExecutor, readCoordinatorSettings } from "./find_executor.ts";
import {
  type LoadedWorkflow,
  loadWorkflow,
  withInputs,
} from "./load_workflow.ts";

/** Without an event, all workflows match. */
const ANY_EVENT: FilterMatch = {
  isStarted: true,
  reason: "no event was given with --event",
};

/**
 * Runs a workflow according to the options of a command.
 *
 * @param only Names of the jobs to run; `undefined` for all.
 * @returns Result; `undefined` if nothing ran.
 * @throws {RunnerError} As {@linkcode runLocalWorkflow}, and `usage`.
 */
export async function runAction(
  context: CommandContext,
  { workflow: definition, root, file }: LoadedWorkflow,
  only: readonly string[] | undefined,
): Promise<LocalResult | undefined> {
  const workflow = await withInputs(context, definition);
  const { flags, isOn, runner, print } = context;
  const eventName = flags.get("event");
  const type = typeof eventName === "string"
    ? parseEventType(eventName)
    : undefined;
  const branch = flags.get("branch");
  const event = {
    ...type === undefined ? {} : { [Variable.eventType]: type },
    ...typeof branch === "string" ? { [Variable.branch]: branch } : {},
  };
  const changedFiles = flags.get("changed-file");
  const match = type === undefined ? ANY_EVENT : matchFilters(workflow, {
    type,
    branch: typeof branch === "string" ? branch : "",
    changedFiles: Array.isArray(changedFiles) ? changedFiles : undefined,
  });
  const isConditional = workflow.jobs.some(({ body }) => body.when);
  const facts = !isConditional ? { reasons: {} } : await eventFacts({
    env: Object.entries(event).reduce<Environment>(
      (env, [name, value]) => withVariable(env, name, value),
      runner.host.env,
    ),
    directory: root,
    hasPaths: !Array.isArray(changedFiles) &&
      workflow.jobs.some(({ body }) => usesPaths(body.when)),
  });
  const conditions = (jobs: readonly LocalJob[]) =>
    withConditions(
      jobs,
      Array.isArray(changedFiles) ? { ...facts, changedFiles } : facts,
      { ...visibleToJobs(runner.host.env), ...event },
    );
  if (isOn("explain")) {
    await printExplanations(context, [
      explainWorkflow(workflow, match, { only, conditions }),
    ]);
    return undefined;
  }
  if (!match.isStarted) {
    await print(`Skipped "${workflow.name}": ${match.reason}`);
    return undefined;
  }
  if (isOn("dry-run")) {
    await print(formatPlan(workflow, only));
    return undefined;
  }
  const { executor, continued } = await findExecutor(context, {
    root,
    workflow: workflow.id,
  });
  return await runAndReport(context, continued?.definition ?? workflow, {
    root,
    executor,
    concurrency: readConcurrency(flags.get("concurrency"), executor),
    event,
    rerunCommand: (job) =>
      rerunWords(context, { command: ["workflow", "run", file], only: job }),
    ...continued === undefined
      ? { resume: isOn("resume"), only, conditions }
      : createContinuedOptions(continued),
  });
}

function explainWorkflow(
  workflow: WorkflowDefinition,
  { isStarted, reason }: FilterMatch,
  { only, conditions }: Pick<RunLocalWorkflowOptions, "only" | "conditions">,
): Explanation {
  const all = {
    vars: workflow.vars,
    jobs: conditions(workflow.jobs.map(localJob)),
  };
  const { jobs: selected } = only === undefined
    ? all
    : selectJobs(all, only, new Map());
  const explained = new Map(
    explainJobs(selected).map((job) => [job.name, job]),
  );
  return {
    name: workflow.id,
    file: workflow.sourceFile,
    origin: "base",
    status: isStarted ? "starts" : "skipped",
    reason,
    jobs: workflow.jobs.map(({ name }) =>
      explained.get(name) ??
        { name, status: "skipped", reason: "not selected by --only" }
    ),
  };
}

function readConcurrency(
  given: unknown,
  { concurrency = navigator.hardwareConcurrency }: WorkflowExecutor,
): number {
  if (given === undefined) return concurrency;
  const count = /^\d+$/.test(`${given}`) ? Number(given) : NaN;
  if (Number.isInteger(count) && count >= 1 && count <= 1_024) return count;
  throw usageError(
    "Option --concurrency needs a whole number from 1 to 1024",
    "workflow",
  );
}

/**
 * Formats the plan of a run.
 *
 * @param only Names of the jobs to run; `undefined` for all.
 * @returns Lines; jobs follow their dependencies.
 * @throws {RunnerError} `invalid-config` for an unknown job.
 */
function formatPlan(
  { name, vars, jobs }: WorkflowDefinition,
  only: readonly string[] | undefined,
): string {
  const all = { vars, jobs: jobs.map(localJob) };
  const { jobs: chosen } = only === undefined
    ? all
    : selectJobs(all, only, new Map());
  const order = levels(chosen).flat();
  return withoutCommands([
    `Would run "${printable(name)}":`,
    ...localNodes(order).flatMap(({ displayName, job }) => {
      const { dependsOn, condition, command, steps } = job;
      const when = condition === "all_success" ? "" : `, ${condition}`;
      const waits = dependsOn.length === 0 && when === ""
        ? ""
        : ` (after ${dependsOn.join(", ") || "nothing"}${when})`;
      const what = command?.trim().split("\n") ??
        steps!.map((step) => `step ${step.name}`);
      return [
        `  ${printable(displayName + waits)}`,
        ...what.map((line) => `    ${command ? "$ " : ""}${printable(line)}`),
      ];
    }),
  ].join("\n"));
}

/** Options of `run` that also apply to a job of a workflow. */
const SHARED_FLAGS: readonly string[] = [
  "job",
  "workflow-file",
  "dry-run",
  "wait",
  "record",
];

/**
 * Runs one job of a workflow file, and prints which jobs come next.
 *
 * @throws {RunnerError} `usage`, `invalid-config` or `invalid-workflow`.
 */
export async function runOneJob(context: CommandContext): Promise<number> {
  const { flags, switches, rest, runner, print } = context;
  const [job, file] = [flags.get("job"), flags.get("workflow-file")];
  if (typeof job !== "string" || typeof file !== "string") {
    throw usageError("--job and --workflow-file must be used together", "run");
  }
  const other = [...flags.keys(), ...switches.keys()]
    .find((name) => !SHARED_FLAGS.includes(name));
  if (other !== undefined || rest !== undefined) {
    throw usageError(
      `Cannot use ${
        rest ? '"--"' : `--${other}`
      } with --job: the workflow file says what runs`,
      "run",
    );
  }
  const loaded = await loadWorkflow(context, file);
  const result = await runAction(context, loaded, [job]);
  if (result === undefined) return 0;
  const { completed, exitCode } = result;
  const names = new Set([...completed].map(withoutIndex));
  const next = loaded.workflow.jobs
    .map(({ name, body }) => ({ name, dependsOn: body.dependsOn ?? [] }))
    .filter(({ name, dependsOn }) =>
      dependsOn.includes(job) && !names.has(name)
    );
  if (exitCode === 0 && next.length > 0) {
    await print(`\n${nextJobsText(next, names, { workflowFile: file })}`);
  }
  await runner.logger.flush();
  return exitCode;
}

/**
 * Follows a workflow at a coordinator to its end.
 *
 * @param id ID of the workflow, as `workflow run` printed it.
 * @returns Exit code of the workflow.
 * @throws {RunnerError} `usage` without an ID; `invalid-config`,
 * `coordinator-failed` or `coordinator-forbidden`.
 */
export async function attachWorkflow(
  context: CommandContext,
  id: string | undefined,
): Promise<number> {
  if (id === undefined) {
    throw usageError(
      "The id of a workflow is required, as workflow run printed it",
      "workflow",
    );
  }
  const { runner } = context;
  const root = runner.host.cwd;
  const settings = readCoordinatorSettings(context);
  const submission = await cancelOnSignal(
    runner.host,
    ({ graceful: signal }) =>
      findSubmission(id, { root, runner, settings, signal }),
  );
  const { definition } = submission;
  const { exitCode } = await runAndReport(context, definition, {
    root,
    executor: coordinatorExecutor({ ...settings, code: "none", submission }),
    concurrency: Infinity,
    event: {},
    rerunCommand: (job) => [
      ...["runnerlib", "workflow", "run", definition.sourceFile],
      ...["--executor", "coordinator", "--only", job],
    ],
    ...createContinuedOptions(submission),
  });
  return exitCode;
}

/** Options for {@linkcode runAndReport}. */
export interface RunAndReportOptions
  extends
    Omit<RunLocalWorkflowOptions, "record" | "otel" | "wait" | "onEvent"> {
  /** Returns the arguments of the command that reruns a job. */
  rerunCommand: (job: string) => readonly string[];
}

/**
 * Runs a workflow with a live view, and prints the results of its jobs.
 *
 * @throws {RunnerError} As {@linkcode runLocalWorkflow}.
 */
async function runAndReport(
  context: CommandContext,
  workflow: WorkflowDefinition,
  options: RunAndReportOptions,
): Promise<LocalResult> {
  const { runner } = context;
  const { watchJob } = await import("../terminal/live_view.ts");
  await using watched = watchJob(runner.host);
  const runContext = watched === undefined
    ? runner
    : createRunnerContext(watched.host, {
      masker: runner.masker,
      allowInsecureTransport: runner.allowInsecureTransport,
    });
  const settings = readOptions(
    runner.host,
    ["wait", "record", "otel"],
    flagsLayer(context),
  );
  const result = await runLocalWorkflow(runContext, workflow, {
    ...options,
    ...settings,
    onEvent: watched?.onStepEvent,
  });
  await watched?.[Symbol.asyncDispose]();
  await printJobs(runner, result, options.rerunCommand);
  const isDone = result.jobs.length > 0 &&
    result.jobs.every(({ status, startedAt }) =>
      status === "completed" && startedAt === null
    );
  if (isDone) {
    runner.logger.info("workflow", "No job is left to run");
    await runner.logger.flush();
  }
  if (result.jobs.some(({ status }) => status === "failed")) {
    runner.logger.info(
      "workflow",
      "To run only the jobs that have not succeeded, add --resume",
    );
    await runner.logger.flush();
  }
  return result;
}

/** Returns the options for following a submission to its end. */
function createContinuedOptions(
  { workflow }: Submission,
): Pick<RunLocalWorkflowOptions, "resume" | "only" | "conditions"> {
  return {
    resume: false,
    only: undefined,
    // The conditions were evaluated when the workflow was submitted.
    conditions: () => workflow.jobs,
  };
}

async function printJobs(
  { host, masker, stderr, logger }: RunnerContext,
  { jobs }: LocalResult,
  rerunCommand: (job: string) => readonly string[],
): Promise<void> {
  if (jobs.length < 2 || host.env.LOG_FORMAT === "json") return;
  const steps = jobs.map(({ key, status, reason, logPath, ...job }) => ({
    ...job,
    name: masker.maskText(key),
    outcome: CONCLUSIONS[status],
    conclusion: CONCLUSIONS[status],
    attempts: job.startedAt === null ? 0 : 1,
    tail: maskedTail(masker, job.tail),
    rerun: commandText(
      // All jobs of a matrix have the same name.
      rerunCommand(withoutIndex(key))
        .map((word) => masker.maskText(word)),
    ),
    ...reason === undefined ? {} : { reason: masker.maskText(reason) },
    ...logPath === undefined
      ? {}
      : { log: masker.maskText(shownPath(logPath, host.cwd)) },
  }));
  const isTerminal = host.stderr.isTerminal();
  const text = formatSummary(steps, {
    columns: isTerminal ? host.consoleSize?.()?.columns : undefined,
    color: shouldUseColor(host.env, isTerminal),
  });
  await logger.flush();
  await stderr.write(new TextEncoder().encode(`\n${text}\n`));
}
