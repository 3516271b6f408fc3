import { absolutePath } from "../job_path.ts";
import { describeType, optionsLayer } from "../config/options_layer.ts";
import { isObject } from "../json_value.ts";
import type { Layer } from "../config/settings.ts";
import { RunnerError } from "../errors.ts";
import { type Host, processHost } from "../host.ts";
import type { Plugin } from "../plugins/plugin.ts";
import { PluginRegistry } from "../plugins/registry.ts";
import { SourceRegistry } from "../source/custom_source.ts";
import type { SourceHandler } from "../source_handler.ts";
import { TriggerQueue } from "../triggers/queue.ts";
import type { Trigger, TriggerOptions } from "../triggers/trigger_options.ts";
import type { Job } from "../steps/job.ts";
import type { JobControls, RunJobOptions } from "./run_job_options.ts";
import type { JobResult } from "./job_result.ts";
import { runJob } from "./run_job.ts";
import { registerWithOuterRunners } from "../secrets/registration/outer_runners.ts";
import { createRunnerContext, type RunnerContext } from "./runner_context.ts";
import {
  type WorkflowFunctions,
  workflowFunctions,
} from "./workflow_functions.ts";

/** Options for {@linkcode createRunner}. */
export interface CreateRunnerOptions {
  /**
   * Base directory for relative paths, and working directory of commands
   * without a source.
   *
   * @default {the current directory}
   */
  cwd?: string;
  /**
   * Complete environment: configuration in `REACTORCIDE_*` variables, and the
   * variables that jobs inherit.
   *
   * @default {the environment of this process}
   */
  env?: Readonly<Record<string, string>>;
  /**
   * Streams and signals, for a runner that does not use those of this process.
   * `cwd` and `env` override the values of the host.
   *
   * @default {this process}
   */
  host?: Host;
  /**
   * Whether tokens may be sent to the coordinator over plain HTTP.
   *
   * @default {the value of REACTORCIDE_ALLOW_INSECURE_TRANSPORT, else false}
   */
  allowInsecureTransport?: boolean;
}

/** Options of `runJob` that are not configuration. */
const CONTROLS: readonly (keyof JobControls)[] = [
  "jobFile",
  "signal",
  "handleSignals",
  "flushTriggers",
  "dryRun",
  "onStepEvent",
];

/** Runs a job that consists of steps or of one command. */
export interface RunJob {
  /**
   * Runs a job that consists of steps.
   *
   * @param job The job.
   * @param options Configuration and controls.
   * @returns The result.
   */
  <Outputs extends object>(
    job: Job<Outputs>,
    options?: Omit<RunJobOptions, "command">,
  ): Promise<JobResult>;
  /**
   * Runs a command, or the job that a job file defines.
   *
   * @param options The command or job file, configuration and controls.
   * @returns The result.
   */
  (options: RunJobOptions): Promise<JobResult>;
}

/**
 * Runs jobs, with its own plugins, secrets and follow-up jobs.
 *
 * The functions do not use `this`, so they can be destructured.
 */
export interface Runner extends WorkflowFunctions {
  /**
   * Runs a job: prepares its sources, runs its command or steps with masked
   * output, calls plugins, submits follow-up jobs and cleans up.
   *
   * Options override `REACTORCIDE_*` variables, which override the job file,
   * which overrides the defaults.
   *
   * @param options Job, configuration and controls.
   * @returns The result. A failed command is a result, not an error.
   * @throws {RunnerError} If the job cannot run at all, because of its
   * configuration, a job file, its source, or a plugin that runs before the
   * command.
   */
  readonly runJob: RunJob;
  /**
   * Registers a plugin for the jobs that start afterwards.
   *
   * @param plugin Object with methods that are named after the phases of a job.
   * @returns Handle that unregisters the plugin when disposed.
   * @throws {TypeError} If it is not a plugin, or a plugin of the same name is
   * registered.
   */
  readonly registerPlugin: (plugin: Plugin) => Disposable;
  /**
   * Registers a custom source type, which jobs that start afterwards can use as
   * their `source.type`.
   *
   * @param type Name of the type: lowercase letters, digits, `-` and `_`.
   * @param handler Function that fetches the source into a directory.
   * @returns Handle that unregisters the handler when disposed.
   * @throws {TypeError} If the type is built in, has a handler already, or has
   * an invalid name.
   */
  readonly registerSource: (type: string, handler: SourceHandler) => Disposable;
  /**
   * Queues a follow-up job. It is submitted when the running job succeeds, or
   * the next one if none is running.
   *
   * @param name Name of the follow-up job.
   * @param options Properties of the follow-up job.
   * @throws {RunnerError} `invalid-trigger`, with all problems.
   */
  readonly triggerJob: (name: string, options?: TriggerOptions) => void;
  /**
   * Queues several follow-up jobs; if one is invalid, none is queued.
   *
   * @param triggers Follow-up jobs.
   * @throws {RunnerError} `invalid-trigger`, with all problems.
   */
  readonly triggerJobs: (triggers: readonly Trigger[]) => void;
  /**
   * Submits the queued follow-up jobs without waiting for a job to succeed.
   *
   * @returns The follow-up jobs that were submitted.
   * @throws {RunnerError} `invalid-trigger` if some are refused: they are
   * removed from the queue, and the others are submitted. Other codes if
   * submitting fails; the jobs then stay queued.
   */
  readonly flushTriggers: () => Promise<readonly Trigger[]>;
  /**
   * Masks a value in all output from now on.
   *
   * If this program runs in a job of another runner, that runner masks the
   * value as well. The call blocks until that runner has answered, for up to 5
   * seconds.
   *
   * @param value The secret.
   * @returns Whether the value is masked; values shorter than 3 bytes are not.
   * @throws {RunnerError} `registration-failed` if the outer runner does not
   * mask it.
   */
  readonly registerSecret: (value: string) => boolean;
}

/**
 * Creates a runner that shares no state with other runners.
 *
 * @param options Additional options.
 * @returns The runner.
 *
 * @example Run a command with a masked secret
 * ```ts
 * import { createRunner } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * const runner = createRunner();
 * const result = await runner.runJob({
 *   command: 'echo "token is $TOKEN"',
 *   env: { TOKEN: "s3cr3t-value" },
 *   secrets: { envNames: ["TOKEN"] },
 * });
 * assertEquals(result.status, "success");
 * ```
 */
export function createRunner(options: CreateRunnerOptions = {}): Runner {
  checkRunnerOptions(options);
  const { host, cwd, env, ...rest } = options;
  return runnerOn(
    () => overrideHost(host ?? processHost(), { cwd, env }),
    rest,
  );
}

/** Names of the options of {@linkcode createRunner}. */
const RUNNER_OPTIONS: readonly (keyof CreateRunnerOptions)[] = [
  ...["cwd", "env", "host", "allowInsecureTransport"] as const,
];

function checkRunnerOptions(options: unknown): void {
  if (!isObject(options)) {
    throw new TypeError(
      `Cannot create a runner: its options must be an object, not ${
        describeType(options)
      }`,
    );
  }
  for (const name of Object.keys(options)) {
    if (RUNNER_OPTIONS.some((one) => one === name)) continue;
    throw new TypeError(
      `Cannot create a runner: unknown option "${name}"; the options are ${
        RUNNER_OPTIONS.join(", ")
      }`,
    );
  }
}

/** Overrides the directory and the environment of a host. */
function overrideHost(
  host: Host,
  { cwd, env = host.env }: Pick<CreateRunnerOptions, "cwd" | "env">,
): Host {
  if (cwd === undefined && env === host.env) return host;
  const { stdin, stdout, stderr, consoleSize, onSignal, onExit } = host;
  return {
    ...{ env, stdin, stdout, stderr, consoleSize, onSignal, onExit },
    // Lazy, since reading it may fail; the error is reported when a job runs.
    get cwd() {
      if (cwd === undefined) return host.cwd;
      return absolutePath(cwd, host.cwd);
    },
  };
}

/**
 * Creates a runner that reads its host on first use.
 *
 * The default runner needs this: importing the package must not require
 * permission to read the environment.
 *
 * @param getHost Returns the host.
 * @param options Options of the runner, except its host.
 * @returns The runner.
 */
export function runnerOn(
  getHost: () => Host,
  options: Omit<CreateRunnerOptions, "host"> = {},
): Runner {
  const plugins = new PluginRegistry();
  const triggers = new TriggerQueue();
  const sources = new SourceRegistry();
  const overrides = { plugins, triggers, sources, ...options };
  let created: RunnerContext | undefined;
  const runner = (layer?: Layer) =>
    created ??= createRunnerContext(getHost(), { ...overrides, layer });
  /** Masks secrets in errors, because callers print them. */
  const withMaskedErrors = <Arguments extends unknown[], Result>(
    action: (...args: Arguments) => Promise<Result>,
  ) =>
  async (...args: Arguments): Promise<Result> => {
    try {
      return await action(...args);
    } catch (error) {
      if (!(error instanceof RunnerError) || created === undefined) throw error;
      const { maskError } = await import("../secrets/masked_error.ts");
      throw maskError(error, created.masker);
    }
  };
  const functions = workflowFunctions(() => runner());
  let isExitWatched = false;
  const queue = (list: readonly Trigger[]) => {
    triggers.addAll(list);
    if (isExitWatched) return;
    isExitWatched = true;
    warnAtExit(getHost, triggers, () => runner());
  };
  return {
    runJob: async (first: object, second: RunJobOptions = {}) => {
      // Not `instanceof`: the script may have loaded another copy of the class.
      const isJob = isObject(first) && "steps" in first && "addStep" in first;
      const job = isJob ? first as unknown as Pick<Job, "steps"> : undefined;
      const options = isJob ? second : first as RunJobOptions;
      checkControls(options);
      const layer = optionsLayer(options, CONTROLS);
      return await runJob(runner(layer), layer, { ...options, job });
    },
    registerPlugin: (plugin) => plugins.add(plugin),
    registerSource: (type, handler) => sources.add(type, handler),
    triggerJob: (name, options = {}) => queue([{ ...options, name }]),
    triggerJobs: queue,
    flushTriggers: withMaskedErrors(async () => {
      const { flushTriggers, triggerOptionsFromEnv } = await import(
        "../triggers/flush_triggers.ts"
      );
      const flushed = await flushTriggers(
        runner(),
        triggers,
        triggerOptionsFromEnv(runner()),
      );
      if (flushed.refusal) throw flushed.refusal;
      return flushed.triggers;
    }),
    ...functions,
    isJobRunning: withMaskedErrors(functions.isJobRunning),
    getJobResult: withMaskedErrors(functions.getJobResult),
    getWorkflowVars: withMaskedErrors(functions.getWorkflowVars),
    setWorkflowVar: withMaskedErrors(functions.setWorkflowVar),
    setWorkflowOutput: withMaskedErrors(functions.setWorkflowOutput),
    registerSecret: (value) => {
      if (typeof value !== "string") {
        throw new TypeError(
          `Cannot register a secret: it must be a string, not ${
            describeType(value)
          }`,
        );
      }
      return registerWithOuterRunners(runner(), value);
    },
  };
}

/**
 * Checks the options that are not configuration; the layer checks the others.
 */
function checkControls(options: RunJobOptions): void {
  if (!isObject(options)) return;
  const { signal, jobFile } = options as RunJobOptions;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(
      `Cannot use option "signal": it must be an AbortSignal, not ${
        describeType(signal)
      }`,
    );
  }
  if (jobFile !== undefined && typeof jobFile !== "string") {
    throw new TypeError(
      `Cannot use option "jobFile": it must be a string, not ${
        describeType(jobFile)
      }`,
    );
  }
}

/** Warns at exit about follow-up jobs that were queued and never submitted. */
function warnAtExit(
  getHost: () => Host,
  triggers: TriggerQueue,
  getRunner: () => RunnerContext,
): void {
  let host: Host;
  try {
    host = getHost();
  } catch {
    // A program that cannot read its environment cannot run jobs.
    return;
  }
  host.onExit?.((write) => {
    if (triggers.size === 0) return;
    const names = triggers.pending.map(({ name }) => name).join(", ");
    const sink = {
      write: (bytes: Uint8Array) => Promise.resolve(write(bytes)),
    };
    getRunner().logTo(sink).warn(
      "triggers",
      `Follow-up jobs never submitted: ${names}. Call flushTriggers(), or queue them before the job that submits them ends`,
    );
  });
}
