import { isCoordinatorConfigured } from "../coordinator/access.ts";
import { messageOf, RunnerError } from "../errors.ts";
import type { OptionValue } from "../options/value_types.ts";
import { triggerDocument } from "../triggers/document.ts";
import type { TriggerQueue } from "../triggers/queue.ts";
import type { Trigger } from "../triggers/trigger.ts";
import {
  removeTriggers,
  type RemoveTriggersOptions,
  writeTriggers,
} from "../triggers/triggers_file.ts";
import { guardPath } from "../workspace/guard.ts";
import { lockRunFile } from "../workspace/run_files.ts";
import { claimPath } from "../workspace/owned_paths.ts";
import { maskDefinitions } from "./mask_secrets.ts";
import type { RunnerParts } from "./runner_parts.ts";

/** Options for {@linkcode flushTriggers}. */
export interface FlushTriggersOptions {
  /** Where follow-up jobs are written, as the job knows it. */
  readonly file: string;
  /** How they are handed over. */
  readonly transport: OptionValue<"trigger_transport">;
  /** Longest time of one request to the coordinator, in milliseconds. */
  readonly coordinatorTimeoutMs: number;
  /** Whether a token may be sent to the coordinator over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /**
   * Ends requests to the coordinator.
   *
   * @default {nothing does}
   */
  readonly signal?: AbortSignal;
}

/**
 * Hands queued follow-up jobs over and takes them off the queue.
 *
 * On every way they are written to the file first. On the way of standard
 * output, what steps have left there goes along.
 *
 * @param parts What the runner owns.
 * @param queue The follow-up jobs.
 * @param options How, and where.
 * @returns The follow-up jobs of the queue.
 * @throws {RunnerError} `invalid-trigger`, `invalid-config`, `output-failed`,
 * `workspace`, `coordinator-failed` or `coordinator-forbidden`; the queue is
 * left as it is then.
 */
export async function flushTriggers(
  parts: RunnerParts,
  queue: TriggerQueue,
  options: FlushTriggersOptions,
): Promise<readonly Trigger[]> {
  const { env } = parts.host;
  const { transport } = options;
  const { pending } = queue;
  if (transport === "stdout") await print(parts, pending, options);
  else if (pending.length === 0) return [];
  else if (transport === "api") await submit(parts, queue, options);
  else if (transport === "auto" && isCoordinatorConfigured(env)) {
    await submit(parts, queue, options);
  } else {
    const path = await pathOf(parts, options.file);
    await writeTriggers(path, pending, lockOptions(parts, path));
    parts.logger.debug("triggers", `Wrote "${path}"`, {
      jobs: pending.length,
    });
  }
  queue.remove(pending);
  return pending;
}

async function print(
  parts: RunnerParts,
  pending: readonly Trigger[],
  { file }: FlushTriggersOptions,
): Promise<void> {
  const { host, masker, stdout, guard } = parts;
  const { nonceOf, triggerMessage } = await import(
    "../triggers/trigger_message.ts"
  );
  nonceOf(host.env);
  const path = await pathOf(parts, file);
  if (pending.length === 0 && !await exists(path)) return;
  // Tried again after a failure, the jobs are in the file already.
  const lock = lockOptions(parts, path);
  const document = await writeTriggers(path, pending, {
    ...lock,
    replaces: true,
  });
  if (document.jobs.length === 0) return;
  const line = triggerMessage(document, { env: host.env, masker });
  if (guard) await guard.pass(line);
  else await stdout.write(new TextEncoder().encode(line));
  const names = document.jobs.map(({ job_name }) => job_name);
  await removeTriggers(path, names, lock);
}

async function submit(
  parts: RunnerParts,
  queue: TriggerQueue,
  options: FlushTriggersOptions,
): Promise<void> {
  const { host, masker, logger } = parts;
  const { pending, operationId } = queue;
  const document = triggerDocument(pending, { operationId });
  if (document.jobs.length === 0) return;
  // What the coordinator answers may repeat what it got.
  maskDefinitions(
    parts,
    pending.map(({ env, jobCommand }) => ({ env, texts: [jobCommand] })),
  );
  const path = await writeCopy(parts, pending, options.file);
  const { submitTriggers } = await import("../triggers/submit_triggers.ts");
  const started = await submitTriggers(document, {
    ...options,
    env: host.env,
    timeoutMs: options.coordinatorTimeoutMs,
    maskText: (text) => masker.maskText(text),
    onRetry: (reason, ms) =>
      logger.warn("triggers", `The coordinator is asked again: ${reason}`, {
        ms,
      }),
  });
  logger.debug("triggers", "The coordinator took the follow-up jobs", {
    jobs: pending.length,
    started: started.length,
  });
  if (path === undefined) return;
  // The jobs are made: a copy that stays behind does no harm.
  const names = pending.map(({ name }) => name);
  await removeTriggers(path, names, lockOptions(parts, path))
    .catch((error) => logger.warn("triggers", messageOf(error)));
}

/**
 * Keeps the follow-up jobs where a failure of the coordinator cannot lose them.
 * What others have made of the file does not keep the job from succeeding.
 */
async function writeCopy(
  parts: RunnerParts,
  pending: readonly Trigger[],
  file: string,
): Promise<string | undefined> {
  try {
    const path = await pathOf(parts, file);
    await writeTriggers(path, pending, {
      ...lockOptions(parts, path),
      replaces: true,
    });
    return path;
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    parts.logger.warn("triggers", error.message);
    return undefined;
  }
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
): RemoveTriggersOptions {
  return { lock: () => lockRunFile(workspace, path, run) };
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
