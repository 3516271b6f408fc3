import { typeName } from "../config/option_types.ts";
import { isObject } from "../json.ts";
import { optionsLayer } from "../config/options_layer.ts";
import type { Layer } from "../config/settings.ts";
import { RunnerError } from "../errors.ts";
import { type Host, processHost } from "../host.ts";
import type { Plugin } from "../plugins/plugin.ts";
import { PluginRegistry } from "../plugins/registry.ts";
import { SourceRegistry } from "../source/custom_source.ts";
import type { SourceHandler } from "../source_handler.ts";
import { TriggerQueue } from "../triggers/queue.ts";
import type { Trigger, TriggerOptions } from "../triggers/trigger.ts";
import type { Job } from "../steps/job.ts";
import type { RunJobOptions } from "./run_job_options.ts";
import type { JobResult } from "./job_result.ts";
import { type JobControls, runJob } from "./run_job.ts";
import { registerSecret } from "./register_with_outer_runners.ts";
import { createParts, type RunnerParts } from "./runner_parts.ts";
import {
  type WorkflowFunctions,
  workflowFunctions,
} from "./workflow_functions.ts";

/** Options for {@linkcode createRunner}. */
export interface CreateRunnerOptions {
  /**
   * Directory against which relative paths are resolved, and in which commands
   * without a source run.
   *
   * @default {the current directory}
   */
  cwd?: string;
  /**
   * The complete environment: configuration in `REACTORCIDE_*`, and what jobs
   * inherit.
   *
   * @default {that of this process}
   */
  env?: Readonly<Record<string, string>>;
  /**
   * Streams and signals, for a runner whose output goes elsewhere. `cwd` and
   * `env` override those of the host.
   *
   * @default {this process}
   */
  host?: Host;
  /**
   * Whether tokens may be sent to the coordinator over plain HTTP.
   *
   * @default {what REACTORCIDE_ALLOW_INSECURE_TRANSPORT says, else false}
   */
  allowInsecureTransport?: boolean;
}

/** Options of a job that are not part of its configuration. */
const CONTROLS: readonly (keyof JobControls)[] = [
  "jobFile",
  "signal",
  "handleSignals",
  "flushTriggers",
  "dryRun",
  "onStepEvent",
];

/** Runs a job: one that is made of steps, or one that is a command. */
export interface RunJob {
  /**
   * Runs a job that is made of steps.
   *
   * @param job The job.
   * @param options How to run it.
   * @returns How the job ended.
   */
  <Outputs extends object>(
    job: Job<Outputs>,
    options?: Omit<RunJobOptions, "command">,
  ): Promise<JobResult>;
  /**
   * Runs a job that is a command, or that a job file describes.
   *
   * @param options What to run, and how.
   * @returns How the job ended.
   */
  (options: RunJobOptions): Promise<JobResult>;
}

/**
 * Runs jobs with plugins, secrets and follow-up jobs of its own.
 *
 * The functions need no `this`: they can be taken out of the object.
 */
export interface Runner extends WorkflowFunctions {
  /**
   * Runs a job: prepares its sources, runs its command, masks its output,
   * calls plugins, hands follow-up jobs over and cleans up.
   *
   * Configuration that the options do not give comes from `REACTORCIDE_*`
   * variables, a job file and defaults, in this order.
   *
   * @param options What to run, and how.
   * @returns How the job ended; a failed command is a result, not an error.
   * @throws {RunnerError} If the job cannot be run at all: its configuration,
   * a job file, its source or a plugin that comes before the command is at fault.
   */
  readonly runJob: RunJob;
  /**
   * Registers a plugin for the jobs that start afterwards.
   *
   * @param plugin An object with methods named after the phases of a job.
   * @returns Handle that unregisters the plugin when disposed.
   * @throws {TypeError} If it is no plugin, or one of its name is registered.
   */
  readonly registerPlugin: (plugin: Plugin) => Disposable;
  /**
   * Registers code that gets sources of a type of its own, for the jobs that
   * start afterwards: their `source.type` may name it then.
   *
   * @param type Name of the type: small letters, digits, `-` and `_`.
   * @param handler Function that fills a directory.
   * @returns Handle that unregisters the handler when disposed.
   * @throws {TypeError} If the type is one of the runner, has a handler or a
   * name that cannot be.
   */
  readonly registerSource: (type: string, handler: SourceHandler) => Disposable;
  /**
   * Queues a follow-up job, which is submitted when the running job, or the
   * next one, has succeeded.
   *
   * @param name Name of the follow-up job.
   * @param options Everything about the follow-up job but its name.
   * @throws {RunnerError} `invalid-trigger`, with everything that is wrong.
   */
  readonly triggerJob: (name: string, options?: TriggerOptions) => void;
  /**
   * Queues several follow-up jobs, or none of them if one is invalid.
   *
   * @param triggers Follow-up jobs.
   * @throws {RunnerError} `invalid-trigger`, with everything that is wrong.
   */
  readonly triggerJobs: (triggers: readonly Trigger[]) => void;
  /**
   * Submits the queued follow-up jobs without waiting for a job to succeed.
   *
   * @returns The follow-up jobs that were submitted.
   * @throws {RunnerError} `invalid-trigger` with those that are refused, which
   * leave the queue, while the other ones are submitted. Other errors if they
   * cannot be submitted; they stay queued then.
   */
  readonly flushTriggers: () => Promise<readonly Trigger[]>;
  /**
   * Masks a value in everything that is printed from now on.
   *
   * In a program that is itself the job of a runner, that runner masks it, too:
   * the function returns once the runner has answered, up to 5 seconds later.
   *
   * @param value The secret.
   * @returns Whether it is masked; values of fewer than 3 bytes are not.
   * @throws {RunnerError} `registration-failed`, if the runner around this
   * program does not mask it.
   */
  readonly registerSecret: (value: string) => boolean;
}

/**
 * Creates a runner that shares nothing with others.
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
  return runnerOn(() => hostWith(host ?? processHost(), { cwd, env }), rest);
}

/** Options of {@linkcode createRunner}. */
const RUNNER_OPTIONS: readonly (keyof CreateRunnerOptions)[] = [
  ...["cwd", "env", "host", "allowInsecureTransport"] as const,
];

function checkRunnerOptions(options: unknown): void {
  if (!isObject(options)) {
    throw new TypeError(
      `Cannot create a runner: its options must be an object, not ${
        typeName(options)
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
function hostWith(
  host: Host,
  { cwd, env = host.env }: Pick<CreateRunnerOptions, "cwd" | "env">,
): Host {
  if (cwd === undefined && env === host.env) return host;
  const { stdin, stdout, stderr, consoleSize, onSignal, onExit } = host;
  return {
    ...{ env, stdin, stdout, stderr, consoleSize, onSignal, onExit },
    // Reading it may fail, which is reported when a job runs.
    get cwd() {
      if (cwd === undefined) return host.cwd;
      return cwd.startsWith("/") ? cwd : `${host.cwd}/${cwd}`;
    },
  };
}

/**
 * Creates a runner that looks at the process around it when it is used first.
 *
 * The default runner is one: to import the package must not ask for
 * permission to read the environment.
 *
 * @param hostOf Returns the process.
 * @param options What else is said of the runner.
 * @returns The runner.
 */
export function runnerOn(
  hostOf: () => Host,
  options: Omit<CreateRunnerOptions, "host"> = {},
): Runner {
  const plugins = new PluginRegistry();
  const triggers = new TriggerQueue();
  const sources = new SourceRegistry();
  const rooms = { plugins, triggers, sources, ...options };
  let made: RunnerParts | undefined;
  const parts = (layer?: Layer) =>
    made ??= createParts(hostOf(), { ...rooms, layer });
  /** What a caller prints of an error is to hold no secret. */
  const masked = <Arguments extends unknown[], Result>(
    action: (...args: Arguments) => Promise<Result>,
  ) =>
  async (...args: Arguments): Promise<Result> => {
    try {
      return await action(...args);
    } catch (error) {
      if (!(error instanceof RunnerError) || made === undefined) throw error;
      const { maskedError } = await import("./masked_error.ts");
      throw maskedError(error, made.masker);
    }
  };
  const functions = workflowFunctions(() => parts());
  let isExitWatched = false;
  const queue = (list: readonly Trigger[]) => {
    triggers.addAll(list);
    if (isExitWatched) return;
    isExitWatched = true;
    warnAtExit(hostOf, triggers, () => parts());
  };
  return {
    runJob: async (first: object, second: RunJobOptions = {}) => {
      // Not by its class: the script may have loaded another copy of it.
      const isJob = isObject(first) && "steps" in first && "addStep" in first;
      const job = isJob ? first as unknown as Pick<Job, "steps"> : undefined;
      const options = isJob ? second : first as RunJobOptions;
      checkControls(options);
      const layer = optionsLayer(options, CONTROLS);
      return await runJob(parts(layer), layer, { ...options, job });
    },
    registerPlugin: (plugin) => plugins.add(plugin),
    registerSource: (type, handler) => sources.add(type, handler),
    triggerJob: (name, options = {}) => queue([{ ...options, name }]),
    triggerJobs: queue,
    flushTriggers: masked(async () => {
      const { flushTriggers } = await import("./flush_triggers.ts");
      const { triggerOptionsFromEnv: environmentFlush } = await import(
        "./flush_triggers.ts"
      );
      const flushed = await flushTriggers(
        parts(),
        triggers,
        environmentFlush(parts()),
      );
      if (flushed.refusal) throw flushed.refusal;
      return flushed.triggers;
    }),
    ...functions,
    isJobRunning: masked(functions.isJobRunning),
    getJobResult: masked(functions.getJobResult),
    getWorkflowVars: masked(functions.getWorkflowVars),
    setWorkflowVar: masked(functions.setWorkflowVar),
    setWorkflowOutput: masked(functions.setWorkflowOutput),
    registerSecret: (value) => {
      if (typeof value !== "string") {
        throw new TypeError(
          `Cannot register a secret: it must be a string, not ${
            typeName(value)
          }`,
        );
      }
      return registerSecret(parts(), value);
    },
  };
}

/** Checks what options mean to the run itself; the layer checks the others. */
function checkControls(options: RunJobOptions): void {
  if (!isObject(options)) return;
  const { signal, jobFile } = options as RunJobOptions;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(
      `Cannot use option "signal": it must be an AbortSignal, not ${
        typeName(signal)
      }`,
    );
  }
  if (jobFile !== undefined && typeof jobFile !== "string") {
    throw new TypeError(
      `Cannot use option "jobFile": it must be a string, not ${
        typeName(jobFile)
      }`,
    );
  }
}

/** Warns of follow-up jobs that a program queues and never submits. */
function warnAtExit(
  hostOf: () => Host,
  triggers: TriggerQueue,
  partsOf: () => RunnerParts,
): void {
  let host: Host;
  try {
    host = hostOf();
  } catch {
    // A program that cannot read its environment runs no job either.
    return;
  }
  host.onExit?.((write) => {
    if (triggers.size === 0) return;
    const names = triggers.pending.map(({ name }) => name).join(", ");
    const sink = {
      write: (bytes: Uint8Array) => Promise.resolve(write(bytes)),
    };
    partsOf().logTo(sink).warn(
      "triggers",
      `Follow-up jobs never submitted: ${names}. Call flushTriggers(), or queue them before the job that submits them ends`,
    );
  });
}
