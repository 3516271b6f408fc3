import { readOptions } from "../config/load_config.ts";
import type { Layer } from "../config/settings.ts";
import {
  isCoordinatorConfigured,
  startedByEvent,
} from "../coordinator/access.ts";
import { messageOf, RunnerError } from "../errors.ts";
import { createDirectory, pathExists } from "../fs/files.ts";
import type { Host } from "../host.ts";
import type { OptionValue } from "../options/options.ts";
import type { Logger } from "../output/logger.ts";
import type { Sink } from "../output/sink.ts";
import type { RetryPolicy } from "../process/retry.ts";
import type { Masker } from "../secrets/masker.ts";
import { quote } from "../terminal/text.ts";
import { guardPath } from "../workspace/guard.ts";
import type { RunIdentity, Workspace } from "../workspace/layout.ts";
import { claimPath } from "../workspace/owned_paths.ts";
import { lockRunFile } from "../workspace/run_files.ts";
import { type CheckedTrigger, triggerError } from "./check_triggers.ts";
import { maskDefinitions } from "./mask_definitions.ts";
import type { TriggerQueue } from "./queue.ts";
import {
  isRefusal,
  submissionProblem,
  submitTriggers,
} from "./submit_triggers.ts";
import {
  orderedDocument,
  orderTriggers,
  type RefusedTrigger,
} from "./trigger_document.ts";
import type { TriggerSpoofFilter } from "./trigger_lines.ts";
import type { Trigger } from "./trigger_options.ts";
import {
  removeTriggers,
  type RemoveTriggersOptions,
  withoutNames,
  writeTriggers,
} from "./triggers_file.ts";

/** Maximum number of names that a message lists. */
const MAX_SHOWN = 20;

/** The part of a runner that submits follow-up jobs. */
export interface TriggerContext {
  readonly host: Host;
  readonly workspace: Workspace;
  readonly run: RunIdentity;
  readonly masker: Masker;
  readonly logger: Logger;
  readonly stdout: Sink;
  readonly spoofFilter?: TriggerSpoofFilter;
  readonly allowInsecureTransport: boolean;
}

/** Options for {@linkcode flushTriggers}. */
export interface FlushTriggersOptions {
  /**
   * Path of the triggers file as seen by the job, such as `/job/triggers.json`.
   */
  readonly file: string;
  /** How follow-up jobs are submitted. */
  readonly transport: OptionValue<"trigger_transport">;
  /** Time limit of one request to the coordinator, in milliseconds. */
  readonly coordinatorTimeoutMs: number;
  /** Whether a token may be sent to the coordinator over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /**
   * Whether to submit nothing if one follow-up job is refused.
   *
   * @default {false}
   */
  readonly isAtomic?: boolean;
  /**
   * Whether follow-up jobs are added to those that an earlier run left in the
   * file, and replace those with the same names. Meant for commands that a user
   * calls.
   *
   * @default {false}
   */
  readonly joinsEarlier?: boolean;
  /**
   * Retries of requests whose failure may be transient.
   * @default {the policy of the client}
   */
  readonly retry?: RetryPolicy;
  /**
   * Cancels requests to the coordinator.
   * @default {no signal}
   */
  readonly signal?: AbortSignal;
}

/** Result of {@linkcode flushTriggers}. */
export interface FlushedTriggers {
  /** Follow-up jobs that were submitted or written to the file. */
  readonly triggers: readonly Trigger[];
  /**
   * Absolute path of the file with the follow-up jobs; `undefined` if they were
   * submitted to the coordinator or a worker.
   */
  readonly path?: string;
  /** Error with all refused follow-up jobs, if some were refused. */
  readonly refusal?: RunnerError;
}

/**
 * Submits queued follow-up jobs and removes them from the queue.
 *
 * 1. Jobs that the coordinator would refuse or never start are refused here,
 *    together with their dependents. The others are submitted, unless the flush
 *    is atomic.
 * 2. Before jobs are sent to the coordinator, they are written to the file, so
 *    that none is lost if the coordinator cannot be reached. Jobs that steps
 *    left in the file are only sent on standard output.
 * 3. Submitted and refused jobs are removed from the queue and the file. If the
 *    coordinator cannot be reached, the jobs stay in both. A refused job is
 *    never sent again.
 *
 * @param queue The follow-up jobs.
 * @param options Transport, file and limits.
 * @throws {RunnerError} `invalid-config`, `output-failed`, `workspace`,
 * `coordinator-failed` or `coordinator-forbidden`; `invalid-trigger` if the
 * flush is atomic and a job is refused, or if the whole document is refused.
 */
export async function flushTriggers(
  runner: TriggerContext,
  queue: TriggerQueue,
  options: FlushTriggersOptions,
): Promise<FlushedTriggers> {
  const { pending } = queue;
  try {
    return await selectSubmitter(runner, options)(runner, queue, options);
  } catch (error) {
    // These triggers would be refused again with the next flush.
    const isRefused = error instanceof RunnerError &&
      error.code === "invalid-trigger";
    if (isRefused) queue.remove(pending);
    throw error;
  }
}

function selectSubmitter(
  { host }: TriggerContext,
  { transport }: FlushTriggersOptions,
): typeof flushTriggers {
  if (transport === "stdout") return print;
  const usesCoordinator = transport === "api" ||
    transport === "auto" && isCoordinatorConfigured(host.env);
  return usesCoordinator ? submit : write;
}

async function write(
  runner: TriggerContext,
  queue: TriggerQueue,
  options: FlushTriggersOptions,
): Promise<FlushedTriggers> {
  const { pending } = queue;
  if (pending.length === 0) return { triggers: [] };
  const path = await claimTriggersFile(runner, options.file);
  const { refused } = await writeTriggers(path, pending, {
    ...lockOptions(runner, path, options),
    // Within one run, a second job of the same name is an error.
    replaces: options.joinsEarlier && !runner.run.isInherited,
    isAtomic: options.isAtomic,
  });
  queue.remove(pending);
  const triggers = withoutNames(pending, listRefusedNames(refused));
  runner.logger.debug("triggers", `Wrote "${path}"`, { jobs: triggers.length });
  return { triggers, path, ...describeRefusal(refused) };
}

async function print(
  runner: TriggerContext,
  queue: TriggerQueue,
  options: FlushTriggersOptions,
): Promise<FlushedTriggers> {
  const { host, masker, stdout, spoofFilter } = runner;
  const { readTriggerNonce, triggerLine } = await import(
    "./trigger_lines.ts"
  );
  readTriggerNonce(host.env);
  const { pending } = queue;
  const path = await claimTriggersFile(runner, options.file);
  if (pending.length === 0 && !await pathExists(path)) return { triggers: [] };
  const lock = lockOptions(runner, path, options);
  // After an earlier failure, the jobs are already in the file.
  const { document, refused } = await writeTriggers(path, pending, {
    ...lock,
    replaces: true,
    isAtomic: options.isAtomic,
  });
  queue.remove(refused.map(({ trigger }) => trigger));
  const names = document.jobs.map(({ job_name }) => job_name);
  if (names.length > 0) {
    let line: string;
    try {
      line = triggerLine(document, { env: host.env, masker });
    } catch (error) {
      // The jobs would make every later flush fail as well.
      await removeTriggers(path, names, lock);
      throw error;
    }
    if (spoofFilter) await spoofFilter.writeTrigger(line);
    else await stdout.write(new TextEncoder().encode(line));
    await removeTriggers(path, names, lock);
  }
  queue.remove(pending);
  return {
    triggers: withoutNames(pending, listRefusedNames(refused)),
    ...describeRefusal(refused),
  };
}

async function submit(
  runner: TriggerContext,
  queue: TriggerQueue,
  options: FlushTriggersOptions,
): Promise<FlushedTriggers> {
  const { host: { env }, logger } = runner;
  if (queue.size === 0) return { triggers: [] };
  const isEventJob = startedByEvent(env);
  const { refused } = orderTriggers(
    queue.pending,
    (trigger) => submissionProblem(trigger, isEventJob),
  );
  const refusal = describeRefusal(refused);
  if (options.isAtomic && refusal.refusal) throw refusal.refusal;
  if (refused.length > 0) queue.remove(refused.map(({ trigger }) => trigger));
  const { pending } = queue;
  try {
    await send(runner, queue, options);
  } catch (error) {
    if (refusal.refusal) logger.error("triggers", refusal.refusal.message);
    throw error;
  }
  return { triggers: pending, ...refusal };
}

async function send(
  runner: TriggerContext,
  queue: TriggerQueue,
  options: FlushTriggersOptions,
): Promise<void> {
  const { host, masker, logger } = runner;
  const { pending, operationId, wasSent } = queue;
  const { ordered } = orderTriggers(pending);
  const document = orderedDocument(ordered, { operationId });
  if (document.jobs.length === 0) return queue.remove(pending);
  // Responses of the coordinator may quote the document.
  maskDefinitions(
    runner,
    pending.map(({ env, jobCommand }) => ({ env, texts: [jobCommand] })),
  );
  const path = await writeCopy(runner, pending, options);
  queue.markSent();
  let started: readonly string[];
  try {
    started = await submitTriggers(document, {
      ...options,
      wasSent,
      env: host.env,
      timeoutMs: options.coordinatorTimeoutMs,
      maskText: (text) => masker.maskText(text),
      onRetry: (reason, ms) =>
        logger.warn("triggers", `Retrying the request: ${reason}`, { ms }),
    });
  } catch (error) {
    if (!isRefusal(error, document)) throw error;
    queue.remove(pending);
    await removeCopy(runner, path, pending, options);
    if (error.code === "invalid-trigger") throw error;
    throw new RunnerError(
      `${error.message}; refused: ${
        listNames(pending)
      }; the coordinator logs the reason, such as a limit of the execution profile`,
      { code: error.code, cause: error },
    );
  }
  queue.remove(pending);
  logger.debug("triggers", "Submitted to the coordinator", {
    jobs: pending.length,
    started: started.length,
  });
  await removeCopy(runner, path, pending, options);
}

function listNames(triggers: readonly Trigger[]): string {
  const names = triggers.slice(0, MAX_SHOWN).map(({ name }) => quote(name));
  const hidden = triggers.length - names.length;
  return [...names, ...hidden > 0 ? [`${hidden} more`] : []].join(", ");
}

/**
 * Writes the follow-up jobs to the file, so that a failure of the coordinator
 * does not lose them. A file that another program has damaged does not fail the
 * job.
 */
async function writeCopy(
  runner: TriggerContext,
  pending: readonly CheckedTrigger[],
  options: FlushTriggersOptions,
): Promise<string | undefined> {
  try {
    const path = await claimTriggersFile(runner, options.file);
    await writeTriggers(path, pending, {
      ...lockOptions(runner, path, options),
      replaces: true,
    });
    return path;
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    runner.logger.warn("triggers", error.message);
    return undefined;
  }
}

/**
 * Removes the copy; a failure is only a warning, since the copy does no harm.
 */
async function removeCopy(
  runner: TriggerContext,
  path: string | undefined,
  triggers: readonly Trigger[],
  options: FlushTriggersOptions,
): Promise<void> {
  if (path === undefined) return;
  const names = triggers.map(({ name }) => name);
  await removeTriggers(path, names, lockOptions(runner, path, options))
    .catch((error) => runner.logger.warn("triggers", messageOf(error)));
}

async function claimTriggersFile(
  runner: TriggerContext,
  file: string,
): Promise<string> {
  const { workspace } = runner;
  await createDirectory(workspace.base);
  const path = await guardPath(workspace.base, workspace.pathOf(file));
  if (!workspace.inContainer) await claimPath(workspace, path);
  return path;
}

function lockOptions(
  { workspace, run }: TriggerContext,
  path: string,
  { joinsEarlier }: FlushTriggersOptions,
): RemoveTriggersOptions {
  // An inherited run adds only to its own jobs.
  const keepsEarlier = joinsEarlier && !run.isInherited;
  return { lock: () => lockRunFile(workspace, path, run, { keepsEarlier }) };
}

function listRefusedNames(refused: readonly RefusedTrigger[]): string[] {
  return refused.map(({ trigger }) => trigger.name);
}

function describeRefusal(
  refused: readonly RefusedTrigger[],
): Pick<FlushedTriggers, "refusal"> {
  return refused.length === 0 ? {} : { refusal: triggerError(refused) };
}

/**
 * Returns the options from the environment for follow-up jobs that are
 * submitted outside a job.
 *
 * @param layer Values that override the environment.
 * @throws {RunnerError} `invalid-config`, if a setting is invalid.
 */
export function triggerOptionsFromEnv(
  { host, allowInsecureTransport }: TriggerContext,
  layer: Layer = {},
): FlushTriggersOptions {
  const options = readOptions(
    host,
    ["triggers_file", "trigger_transport", "coordinator_timeout"],
    layer,
  );
  return {
    file: options.triggers_file,
    transport: options.trigger_transport,
    coordinatorTimeoutMs: options.coordinator_timeout,
    allowInsecureTransport,
  };
}
