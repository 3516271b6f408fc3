import { readOptions } from "../config/load_config.ts";
import type { Layer } from "../config/settings.ts";
import {
  isCoordinatorConfigured,
  startedByEvent,
} from "../coordinator/access.ts";
import { messageOf, RunnerError } from "../errors.ts";
import type { OptionValue } from "../options/options.ts";
import type { RetryPolicy } from "../process/retry.ts";
import { quote } from "../terminal/text.ts";
import {
  type CheckedTrigger,
  triggerError,
} from "../triggers/check_triggers.ts";
import { orderedDocument } from "../triggers/trigger_document.ts";
import type { TriggerQueue } from "../triggers/queue.ts";
import {
  isRefusal,
  submissionProblem,
  submitTriggers,
} from "../triggers/submit_triggers.ts";
import type { Trigger } from "../triggers/trigger.ts";
import {
  orderTriggers,
  type RefusedTrigger,
} from "../triggers/trigger_graph.ts";
import {
  removeTriggers,
  type RemoveTriggersOptions,
  writeTriggers,
} from "../triggers/triggers_file.ts";
import { guardPath } from "../workspace/guard.ts";
import { claimPath } from "../workspace/owned_paths.ts";
import { lockRunFile } from "../workspace/run_files.ts";
import { maskDefinitions } from "./mask_secrets.ts";
import type { RunnerParts } from "./runner_parts.ts";
import { pathExists } from "../fs/files.ts";

/** Maximum number of names that a message lists. */
const MAX_SHOWN = 20;

/** Options for {@linkcode flushTriggers}. */
export interface FlushTriggersOptions {
  /** Path of the triggers file, as the job sees it. */
  readonly file: string;
  /** How follow-up jobs are submitted. */
  readonly transport: OptionValue<"trigger_transport">;
  /** Time limit of one request to the coordinator, in milliseconds. */
  readonly coordinatorTimeoutMs: number;
  /** Whether a token may be sent to the coordinator over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /**
   * Whether nothing is submitted if one of the follow-up jobs is refused.
   *
   * @default {false}
   */
  readonly isAtomic?: boolean;
  /**
   * Whether follow-up jobs join those that an earlier run left in the file, and
   * replace those of their names: for commands that are called by hand.
   *
   * @default {false}
   */
  readonly joinsEarlier?: boolean;
  /**
   * How often a request is sent while its failure may be transient.
   *
   * @default {what the client does}
   */
  readonly retry?: RetryPolicy;
  /**
   * Ends requests to the coordinator.
   *
   * @default {nothing does}
   */
  readonly signal?: AbortSignal;
}

/** What {@linkcode flushTriggers} has done. */
export interface FlushedTriggers {
  /** Follow-up jobs that were submitted, or written to the file. */
  readonly triggers: readonly Trigger[];
  /**
   * Absolute path of the file that they are in; `undefined` if the coordinator
   * or a worker has them.
   */
  readonly path?: string;
  /** The error of those that were refused, if there are some. */
  readonly refusal?: RunnerError;
}

/**
 * Submits queued follow-up jobs and takes them off the queue.
 *
 * 1. Those that the coordinator would refuse, or let wait forever, are refused
 *    here, and with them those that depend on them. The other ones go on, unless
 *    the flush is atomic.
 * 2. On the way to the coordinator, they are written to the file first, so that
 *    a coordinator that cannot be reached loses none of them. On the way of
 *    standard output, what steps have left in the file goes along.
 * 3. Whatever is submitted or refused leaves the queue and the file; what failed
 *    of a coordinator that cannot be reached stays in both. A job that is refused
 *    once is never sent again.
 *
 * @param parts The context of the runner.
 * @param queue The follow-up jobs.
 * @param options How, and where.
 * @throws {RunnerError} `invalid-config`, `output-failed`, `workspace`,
 * `coordinator-failed` or `coordinator-forbidden`; `invalid-trigger` if the flush
 * is atomic, or the document as a whole is refused.
 */
export async function flushTriggers(
  parts: RunnerParts,
  queue: TriggerQueue,
  options: FlushTriggersOptions,
): Promise<FlushedTriggers> {
  const { pending } = queue;
  try {
    return await wayOf(parts, options)(parts, queue, options);
  } catch (error) {
    // Whatever is done about other triggers, these would be refused again.
    const isRefused = error instanceof RunnerError &&
      error.code === "invalid-trigger";
    if (isRefused) queue.remove(pending);
    throw error;
  }
}

function wayOf(
  { host }: RunnerParts,
  { transport }: FlushTriggersOptions,
): typeof flushTriggers {
  if (transport === "stdout") return print;
  const usesCoordinator = transport === "api" ||
    transport === "auto" && isCoordinatorConfigured(host.env);
  return usesCoordinator ? submit : write;
}

async function write(
  parts: RunnerParts,
  queue: TriggerQueue,
  options: FlushTriggersOptions,
): Promise<FlushedTriggers> {
  const { pending } = queue;
  if (pending.length === 0) return { triggers: [] };
  const path = await pathOf(parts, options.file);
  const { refused } = await writeTriggers(path, pending, {
    ...lockOptions(parts, path, options),
    // Within one run, a second job of a name is a mistake.
    replaces: options.joinsEarlier && !parts.run.isInherited,
    isAtomic: options.isAtomic,
  });
  queue.remove(pending);
  const triggers = without(pending, refused);
  parts.logger.debug("triggers", `Wrote "${path}"`, { jobs: triggers.length });
  return { triggers, path, ...refusalOf(refused) };
}

async function print(
  parts: RunnerParts,
  queue: TriggerQueue,
  options: FlushTriggersOptions,
): Promise<FlushedTriggers> {
  const { host, masker, stdout, spoofFilter } = parts;
  const { triggerNonce, triggerLine } = await import(
    "../triggers/trigger_lines.ts"
  );
  triggerNonce(host.env);
  const { pending } = queue;
  const path = await pathOf(parts, options.file);
  if (pending.length === 0 && !await pathExists(path)) return { triggers: [] };
  const lock = lockOptions(parts, path, options);
  // After a failure, the jobs are in the file already.
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
      // It never becomes a line, and would keep later jobs from being one.
      await removeTriggers(path, names, lock);
      throw error;
    }
    if (spoofFilter) await spoofFilter.writeTrigger(line);
    else await stdout.write(new TextEncoder().encode(line));
    await removeTriggers(path, names, lock);
  }
  queue.remove(pending);
  return { triggers: without(pending, refused), ...refusalOf(refused) };
}

async function submit(
  parts: RunnerParts,
  queue: TriggerQueue,
  options: FlushTriggersOptions,
): Promise<FlushedTriggers> {
  const { host: { env }, logger } = parts;
  if (queue.size === 0) return { triggers: [] };
  const isEventJob = startedByEvent(env);
  const { refused } = orderTriggers(
    queue.pending,
    (trigger) => submissionProblem(trigger, isEventJob),
  );
  const refusal = refusalOf(refused);
  if (options.isAtomic && refusal.refusal) throw refusal.refusal;
  if (refused.length > 0) queue.remove(refused.map(({ trigger }) => trigger));
  const { pending } = queue;
  try {
    await send(parts, queue, options);
  } catch (error) {
    if (refusal.refusal) logger.error("triggers", refusal.refusal.message);
    throw error;
  }
  return { triggers: pending, ...refusal };
}

async function send(
  parts: RunnerParts,
  queue: TriggerQueue,
  options: FlushTriggersOptions,
): Promise<void> {
  const { host, masker, logger } = parts;
  const { pending, operationId, wasSent } = queue;
  const { ordered } = orderTriggers(pending);
  const document = orderedDocument(ordered, { operationId });
  if (document.jobs.length === 0) return queue.remove(pending);
  // What the coordinator answers may repeat what it got.
  maskDefinitions(
    parts,
    pending.map(({ env, jobCommand }) => ({ env, texts: [jobCommand] })),
  );
  const path = await writeCopy(parts, pending, options);
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
        logger.warn("triggers", `Request sent again: ${reason}`, { ms }),
    });
  } catch (error) {
    if (!isRefusal(error, document)) throw error;
    queue.remove(pending);
    await removeCopy(parts, path, pending, options);
    if (error.code === "invalid-trigger") throw error;
    throw new RunnerError(
      `${error.message}; refused: ${
        namesOf(pending)
      }. The coordinator logs the reason, such as a limit of the execution profile`,
      { code: error.code, cause: error },
    );
  }
  queue.remove(pending);
  logger.debug("triggers", "Submitted to the coordinator", {
    jobs: pending.length,
    started: started.length,
  });
  await removeCopy(parts, path, pending, options);
}

function namesOf(triggers: readonly Trigger[]): string {
  const names = triggers.slice(0, MAX_SHOWN).map(({ name }) => quote(name));
  const hidden = triggers.length - names.length;
  return [...names, ...hidden > 0 ? [`${hidden} more`] : []].join(", ");
}

/**
 * Keeps the follow-up jobs where a failure of the coordinator cannot lose them.
 * A file that others have damaged does not fail the job.
 */
async function writeCopy(
  parts: RunnerParts,
  pending: readonly CheckedTrigger[],
  options: FlushTriggersOptions,
): Promise<string | undefined> {
  try {
    const path = await pathOf(parts, options.file);
    await writeTriggers(path, pending, {
      ...lockOptions(parts, path, options),
      replaces: true,
    });
    return path;
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    parts.logger.warn("triggers", error.message);
    return undefined;
  }
}

/** A copy that stays behind does no harm. */
async function removeCopy(
  parts: RunnerParts,
  path: string | undefined,
  triggers: readonly Trigger[],
  options: FlushTriggersOptions,
): Promise<void> {
  if (path === undefined) return;
  const names = triggers.map(({ name }) => name);
  await removeTriggers(path, names, lockOptions(parts, path, options))
    .catch((error) => parts.logger.warn("triggers", messageOf(error)));
}

async function pathOf(parts: RunnerParts, file: string): Promise<string> {
  const { workspace } = parts;
  await Deno.mkdir(workspace.base, { recursive: true });
  const path = await guardPath(workspace.base, workspace.pathOf(file));
  if (!workspace.inContainer) await claimPath(workspace, path);
  return path;
}

function lockOptions(
  { workspace, run }: RunnerParts,
  path: string,
  { joinsEarlier }: FlushTriggersOptions,
): RemoveTriggersOptions {
  // A run that goes on adds to its own jobs, and to no others.
  const keepsEarlier = joinsEarlier && !run.isInherited;
  return { lock: () => lockRunFile(workspace, path, run, { keepsEarlier }) };
}

function refusalOf(
  refused: readonly RefusedTrigger[],
): Pick<FlushedTriggers, "refusal"> {
  return refused.length === 0 ? {} : { refusal: triggerError(refused) };
}

function without(
  triggers: readonly Trigger[],
  refused: readonly RefusedTrigger[],
): Trigger[] {
  const names = new Set(refused.map(({ trigger }) => trigger.name));
  return triggers.filter(({ name }) => !names.has(name));
}

/**
 * Returns how follow-up jobs that belong to no job are submitted, by the
 * variables of the environment.
 *
 * @param parts The context of the runner.
 * @param layer What overrides the environment.
 * @returns Options.
 * @throws {RunnerError} `invalid-config`, if a setting is invalid.
 */
export function triggerOptionsFromEnv(
  { host, allowInsecureTransport }: RunnerParts,
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
