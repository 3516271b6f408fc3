/**
 * Runs CI jobs: prepares source code, runs commands with their secrets masked,
 * calls plugins in eight phases, and submits follow-up jobs.
 *
 * The exported functions belong to {@linkcode defaultRunner};
 * {@linkcode createRunner} creates independent runners. Types for plugin files
 * are in `@reactorcide/runnerlib/plugins`.
 *
 * @example Run a job and queue the next one
 * ```ts
 * import { runJob, triggerJob } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * triggerJob("deploy-staging", { env: { DEPLOY_TARGET: "staging" } });
 * const result = await runJob({ command: "exit 3" });
 *
 * // The job failed, so the follow-up job was discarded.
 * assertEquals(result.exitCode, 3);
 * assertEquals(result.triggers, []);
 * ```
 *
 * @module
 */
import { processHost } from "./src/host.ts";
import { type Runner, runnerOn } from "./src/runner/runner.ts";

export { RunnerError } from "./src/errors.ts";
export type { RunnerErrorCode, RunnerErrorOptions } from "./src/errors.ts";
export { processHost } from "./src/host.ts";
export type {
  ConsoleSize,
  Host,
  HostStream,
  ProcessHostOptions,
  TerminationSignal,
} from "./src/host.ts";
export { createRunner } from "./src/runner/runner.ts";
export type {
  CreateRunnerOptions,
  RunJob,
  Runner,
} from "./src/runner/runner.ts";
export type {
  FlushTriggers,
  RunJobOptions,
} from "./src/runner/run_job_options.ts";
export type {
  JobArchiveOptions,
  JobCacheOptions,
  JobCheckoutOptions,
  JobCiSourceOptions,
  JobCopyOptions,
  JobDebugOptions,
  JobLimitsOptions,
  JobOptions,
  JobOutputOptions,
  JobPluginsOptions,
  JobSecretsOptions,
  JobSelectionOptions,
  JobSourceOptions,
  JobTriggersOptions,
} from "./src/config/job_options.ts";
export type { SourceType } from "./src/options/source_options.ts";
export type { LogNextJobOptions } from "./src/runner/job_queries.ts";
export type { TriggerBatch } from "./src/runner/follow_up_jobs.ts";
export type { FindJobOptions } from "./src/runner/job_queries.ts";
export type { WorkflowFunctions } from "./src/runner/workflow_functions.ts";
export type {
  JobInstance,
  JobOutcome,
  JobState,
} from "./src/state/job_outcome.ts";
export type { JobScope } from "./src/state/find_job.ts";
export type { WorkflowVariables } from "./src/state/workflow_variables.ts";
export { Job } from "./src/steps/job.ts";
export type { NeededOutputs, OutputOf } from "./src/steps/job.ts";
export type { JobResult } from "./src/runner/job_result.ts";
export type {
  AttemptResult,
  CommandOutputs,
  ConditionContext,
  JobStatus,
  NeedState,
  PlannedStepInfo,
  ServiceOptions,
  Step,
  StepCommand,
  StepContext,
  StepEvent,
  StepFunction,
  StepOptions,
  StepResult,
  StepStatus,
} from "./src/steps/step.ts";
export type {
  CommandArgument,
  CommandResult,
  RunningCommand,
} from "./src/steps/running_command.ts";
export type {
  ConcurrencyGroup,
  MatrixConfig,
  ReadyConfig,
  RetryConfig,
  StepConfig,
  StepSettings,
} from "./src/config/step_config.ts";
export type {
  CacheMode,
  CacheUse,
  StepCacheConfig,
} from "./src/config/step_cache_config.ts";
export type { StepPermissions } from "./src/config/step_config.ts";
export type { Condition } from "./src/schema/scalars.ts";
export type { EventFacts, Match, When, WhenParts } from "./src/schema/when.ts";
export type {
  Phase,
  PhaseAlias,
  PhaseContext,
  Plugin,
  PluginConfig,
  PluginContext,
} from "./src/plugins/plugin.ts";
export type { PluginMetric, PluginTiming } from "./src/plugins/run_phase.ts";
export type { PluginGrants } from "./src/config/text_values.ts";
export type {
  SecretProviderOption,
  SecretProviderOptions,
} from "./src/config/secret_providers.ts";
export type {
  SourceHandler,
  SourceHandlerContext,
} from "./src/source_handler.ts";
export { git } from "./src/source/git/queries/git_queries.ts";
export type {
  ChangedFilesOptions,
  CommitInfo,
  CommitsBetweenOptions,
  FileAtRefOptions,
  Git,
} from "./src/source/git/queries/git_queries.ts";
export type { GitInfo } from "./src/source/git/queries/git_info.ts";
export type { GitQueryOptions } from "./src/source/git/queries/open_query.ts";
export type { JsonValue } from "./src/json_value.ts";
export type {
  Trigger,
  TriggerOptions,
  TriggerResources,
  TriggerSourceType,
} from "./src/triggers/trigger_options.ts";

/**
 * The runner whose functions the package exports.
 *
 * @example Pass the runner to a function
 * ```ts
 * import { createRunner, defaultRunner, type Runner } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * const test = ({ runJob }: Runner) => runJob({ command: "true" });
 * const results = [await test(defaultRunner), await test(createRunner())];
 * assertEquals(results.map(({ status }) => status), ["success", "success"]);
 * ```
 */
export const defaultRunner: Runner = runnerOn(processHost);

/**
 * Runs a job with the default runner; see {@linkcode Runner.runJob}.
 *
 * @example Run a command
 * ```ts
 * import { runJob } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * const { status, exitCode } = await runJob({ command: "echo tested" });
 * assertEquals([status, exitCode], ["success", 0]);
 * ```
 */
export const runJob: Runner["runJob"] = defaultRunner.runJob;

/**
 * Registers a plugin with the default runner; see {@linkcode Runner.registerPlugin}.
 *
 * @example Set a variable for the command
 * ```ts
 * import { registerPlugin, runJob } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * using _plugin = registerPlugin({
 *   name: "stage",
 *   preExecution: ({ env }) => {
 *     env.STAGE = "test";
 *   },
 * });
 * const { exitCode } = await runJob({ command: 'test "$STAGE" = test' });
 * assertEquals(exitCode, 0);
 * ```
 */
export const registerPlugin: Runner["registerPlugin"] =
  defaultRunner.registerPlugin;

/**
 * Registers a source type with the default runner; see
 * {@linkcode Runner.registerSource}.
 *
 * @example Fetch a source with own code
 * ```ts
 * import { registerSource, runJob } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * using _source = registerSource("generated", async ({ target }) => {
 *   await Deno.writeTextFile(`${target}/main.sh`, "exit 4");
 *   return undefined;
 * });
 * const { exitCode } = await runJob({
 *   command: "sh main.sh",
 *   source: { type: "generated" },
 * });
 * assertEquals(exitCode, 4);
 * ```
 */
export const registerSource: Runner["registerSource"] =
  defaultRunner.registerSource;

/**
 * Queues a follow-up job with the default runner; see
 * {@linkcode Runner.triggerJob}.
 *
 * @example Deploy if the job succeeds
 * ```ts
 * import { runJob, triggerJob } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * triggerJob("deploy", { env: { STAGE: "test" } });
 * const { triggers } = await runJob({ command: "true" });
 * assertEquals(triggers.map(({ name }) => name), ["deploy"]);
 * ```
 */
export const triggerJob: Runner["triggerJob"] = defaultRunner.triggerJob;

/**
 * Alias of {@linkcode triggerJob}, under the name that Python pipelines use.
 *
 * @example Use the name of Python pipelines
 * ```ts
 * import { submitJob, triggerJob } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(submitJob, triggerJob);
 * ```
 */
export const submitJob: Runner["triggerJob"] = defaultRunner.triggerJob;

/**
 * Queues follow-up jobs with the default runner; see
 * {@linkcode Runner.triggerJobs}.
 *
 * @example Queue two jobs that depend on each other
 * ```ts
 * import { runJob, triggerJobs } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * triggerJobs([
 *   { name: "migrate" },
 *   { name: "smoke-test", dependsOn: ["migrate"] },
 * ]);
 * const { triggers } = await runJob({ command: "true" });
 * assertEquals(triggers.length, 2);
 * ```
 */
export const triggerJobs: Runner["triggerJobs"] = defaultRunner.triggerJobs;

/**
 * Submits the queued follow-up jobs of the default runner; see
 * {@linkcode Runner.flushTriggers}.
 *
 * @example Submit jobs without running one
 * ```ts
 * import { flushTriggers, triggerJob } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * const changed: string[] = [];
 * for (const name of changed) triggerJob(`deploy-${name}`);
 * const submitted = await flushTriggers();
 * assertEquals(submitted.length, changed.length);
 * ```
 */
export const flushTriggers: Runner["flushTriggers"] =
  defaultRunner.flushTriggers;

/**
 * Masks a value in the default runner's output; see {@linkcode Runner.registerSecret}.
 *
 * @example Mask a token
 * ```ts
 * import { registerSecret } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(registerSecret("token-of-the-day"), true);
 * ```
 */
export const registerSecret: Runner["registerSecret"] =
  defaultRunner.registerSecret;

/**
 * Submits the follow-up jobs that a function adds, with the default runner; see
 * {@linkcode Runner.withTriggers}.
 *
 * @example Submit jobs only if a function succeeds
 * ```ts
 * import { withTriggers } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * const changed: string[] = [];
 * const count = await withTriggers(({ triggerJob }) => {
 *   for (const name of changed) triggerJob(`deploy-${name}`);
 *   return changed.length;
 * });
 * assertEquals(count, 0);
 * ```
 */
export const withTriggers: Runner["withTriggers"] = defaultRunner.withTriggers;

/**
 * Checks whether a job of the workflow is running; see
 * {@linkcode Runner.isJobRunning}.
 *
 * @example Wait for no other deployment
 * ```ts
 * import { isJobRunning } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * // Outside a workflow, no other job runs.
 * assertEquals(await isJobRunning("deploy"), false);
 * ```
 */
export const isJobRunning: Runner["isJobRunning"] = defaultRunner.isJobRunning;

/**
 * Finds the result of a job of the workflow; see {@linkcode Runner.getJobResult}.
 *
 * @example Read how another job ended
 * ```ts
 * import { getJobResult } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * // Outside a workflow, no job was started.
 * assertEquals(await getJobResult("build"), null);
 * ```
 */
export const getJobResult: Runner["getJobResult"] = defaultRunner.getJobResult;

/**
 * Reads the variables of the workflow; see {@linkcode Runner.getWorkflowVars}.
 *
 * @example Read an output of an earlier job
 * ```ts
 * import { getWorkflowVars } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * const vars = await getWorkflowVars();
 * const version = vars["build.version"] ?? "none";
 * assertEquals(version, "none");
 * ```
 */
export const getWorkflowVars: Runner["getWorkflowVars"] =
  defaultRunner.getWorkflowVars;

/**
 * Sets a variable of the workflow; see {@linkcode Runner.setWorkflowVar}.
 *
 * @example Set a variable for later jobs
 * ```ts
 * import { setWorkflowVar } from "@reactorcide/runnerlib";
 *
 * await setWorkflowVar("version", "1.2.3");
 * await setWorkflowVar("services", ["api", "web"]);
 * ```
 */
export const setWorkflowVar: Runner["setWorkflowVar"] =
  defaultRunner.setWorkflowVar;

/**
 * Sets an output of this job; see {@linkcode Runner.setWorkflowOutput}.
 *
 * @example Set an output for later jobs
 * ```ts
 * import { setWorkflowOutput } from "@reactorcide/runnerlib";
 *
 * // Later jobs read it as "<name of this job>.image".
 * await setWorkflowOutput("image", "registry.example.com/app:1.2.3");
 * ```
 */
export const setWorkflowOutput: Runner["setWorkflowOutput"] =
  defaultRunner.setWorkflowOutput;

/**
 * Prints the next job and the command that runs it; see
 * {@linkcode Runner.logNextJob}.
 *
 * @example Print how to run the next job
 * ```ts
 * import { logNextJob } from "@reactorcide/runnerlib";
 *
 * await logNextJob("deploy");
 * ```
 */
export const logNextJob: Runner["logNextJob"] = defaultRunner.logNextJob;
