import type { EntryId } from "../cache/cache_entry.ts";
import { type CacheStore, isListable } from "../cache/cache_store.ts";
import {
  type CacheContext,
  cacheRoot,
  pathsBelow,
  restoreDirectories,
  saveDirectories,
} from "../cache/saved_directories.ts";
import { expandKey } from "../cache/key_template.ts";
import {
  checkNamespaces,
  openStore,
  untrustedNamespace,
} from "../cache/open_store.ts";
import { pruneStore } from "../cache/prune.ts";
import type { JobConfig } from "../config/job_config.ts";
import type { CacheUse, CacheUseRecord } from "../config/step_cache_config.ts";
import { childEnvironment } from "../environment/child_environment.ts";
import { findVariable } from "../environment/variables.ts";
import { osReason, RunnerError } from "../errors.ts";
import { temporaryParents } from "../fs/temporary_directory.ts";
import type { Cancellation } from "../process/cancellation.ts";
import type { StepEnd } from "../steps/attempt.ts";
import { canRead, canWrite } from "../steps/cache/store_access.ts";
import type { RunnerContext } from "./runner_context.ts";
import type { OpenedStep } from "./step_setting.ts";
import type { UntrustedGate } from "./untrusted_gate.ts";

/** A use of the cache by a step, with resolved paths and key. */
interface PreparedUse {
  readonly id: EntryId;
  readonly fallbacks: readonly string[];
  /** Paths relative to the root. */
  readonly paths: readonly string[];
  readonly root: string;
}

/** Restores directories before steps, and saves them afterwards. */
export class StepCacheUses {
  readonly #runner: RunnerContext;
  readonly #settings: JobConfig["cache"];
  readonly #gate: UntrustedGate;
  #store: Promise<CacheStore> | undefined;
  /** Whether a warning about an unusable store was printed. */
  #hasWarned = false;

  constructor(
    runner: RunnerContext,
    settings: JobConfig["cache"],
    gate: UntrustedGate,
  ) {
    this.#runner = runner;
    this.#settings = settings;
    this.#gate = gate;
  }

  /**
   * Restores directories, runs the step and saves them. A failing store counts
   * as a miss.
   *
   * @throws {RunnerError} `usage` if a key or path is not valid.
   */
  async around(
    { context }: Pick<OpenedStep, "context">,
    cancellation: Cancellation,
    run: () => Promise<StepEnd>,
  ): Promise<StepEnd> {
    const { usesCache = [] } = context.definition;
    const records: CacheUseRecord[] = [];
    const prepared: PreparedUse[] = [];
    for (const use of usesCache) {
      const one = await this.#prepare(use, context, cancellation);
      prepared.push(one);
      records.push(await this.#restore(one, context, cancellation));
    }
    const end = await run();
    if (end.outcome === "success") {
      for (const [at, one] of prepared.entries()) {
        if (records[at].restored === "exact") continue;
        const saved = await this.#save(one, context, cancellation);
        records[at] = { ...records[at], saved };
      }
    }
    return { ...end, caches: records };
  }

  async #prepare(
    { name, key, fallback = [], paths }: CacheUse,
    { cwd, env, definition }: OpenedStep["context"],
    { graceful: signal }: Cancellation,
  ): Promise<PreparedUse> {
    const { masker, workspace } = this.#runner;
    const root = await cacheRoot(cwd, workspace.base);
    const expand = (template: string) =>
      expandKey(template, {
        directory: cwd,
        env,
        isSecret: (name) => findVariable(name)?.isSecret === true,
        containsSecret: (text) => masker.containsSecret(text),
        signal,
      });
    const { namespace, readFrom = [] } = this.#settings;
    checkNamespaces([namespace, ...readFrom]);
    const own = definition.untrusted
      ? untrustedNamespace(namespace)
      : namespace;
    if (own === undefined) {
      throw usageError("the name of the cache namespace is too long");
    }
    return {
      id: {
        namespace: own,
        name,
        key: await expand(key),
      },
      fallbacks: await Promise.all(fallback.map(expand)),
      paths: await pathsBelow(
        root,
        cwd,
        paths,
        usageError,
      ),
      root,
    };
  }

  async #restore(
    { id, fallbacks, paths, root }: PreparedUse,
    { name: step }: OpenedStep["context"],
    cancellation: Cancellation,
  ): Promise<CacheUseRecord> {
    const { namespace, readFrom = [], mode } = this.#settings;
    const { name, key } = id;
    if (!canRead(mode)) return { name, key, restored: "miss", saved: false };
    const failures: unknown[] = [];
    const found = await this.#use(
      { step, name, root },
      cancellation,
      (context) =>
        restoreDirectories(
          {
            namespaces: [...new Set([id.namespace, namespace, ...readFrom])],
            name,
            key,
            fallbacks,
            paths,
          },
          context,
          (cause) => failures.push(cause),
        ),
    );
    if (failures.length > 0) this.#warn(step, failures[0]);
    const restored = found === undefined
      ? "miss"
      : found.key === key
      ? "exact"
      : "fallback";
    const text = found === undefined
      ? `no entry for ${key}`
      : `restored ${found.key}${restored === "fallback" ? " (fallback)" : ""}`;
    this.#log(step, name, text);
    return { name, key, restored, from: found?.key, saved: false };
  }

  /** Returns whether an entry was saved. */
  async #save(
    { id, paths, root }: PreparedUse,
    { name: step, definition }: OpenedStep["context"],
    cancellation: Cancellation,
  ): Promise<boolean> {
    if (!canWrite(this.#settings.mode)) return false;
    if (!definition.untrusted && this.#gate.hasStarted) {
      this.#log(step, id.name, "not saved: an untrusted step has run before");
      return false;
    }
    const place = { step, name: id.name, root };
    const result = await this.#use(place, cancellation, async (context) => {
      const result = await saveDirectories(id, paths, context);
      const { store, storeBytes } = context;
      if (result.status === "saved" && isListable(store) && store.hasLocks) {
        await pruneStore(store, storeBytes, cancellation.graceful);
      }
      return result;
    });
    if (result === undefined) return false;
    const text = {
      saved: `saved ${id.key}`,
      exists: `not saved: ${id.key} exists`,
      "too-large": `not saved: ${id.key} is larger than the limit`,
    }[result.status];
    this.#log(step, id.name, text);
    return result.status === "saved";
  }

  /** Runs an action on the store; returns `undefined` if the store cannot be used now. */
  async #use<T>(
    { step, name, root }: { step: string; name: string; root: string },
    cancellation: Cancellation,
    action: (context: CacheContext) => Promise<T>,
  ): Promise<T | undefined> {
    const { host, workspace, allowInsecureTransport } = this.#runner;
    const { env } = host;
    const { store: setting = "", maxBytes } = this.#settings;
    const result = this.#gate.transfer(async () => {
      this.#store ??= openStore(setting, { env, allowInsecureTransport });
      return await action({
        store: await this.#store,
        root,
        env: childEnvironment(env, { kind: "tool" }),
        maxBytes,
        storeBytes: maxBytes,
        cancellation,
        temporaryParents: temporaryParents({ env, workspace }),
      });
    });
    if (result === undefined) {
      this.#log(step, name, "skipped while an untrusted step is running");
      return undefined;
    }
    try {
      return await result;
    } catch (error) {
      cancellation.graceful.throwIfAborted();
      const isMistake = error instanceof RunnerError &&
        ["workspace", "invalid-config"].includes(error.code);
      if (isMistake) throw error;
      this.#warn(step, error);
      return undefined;
    }
  }

  #warn(step: string, error: unknown): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#runner.logger.warn("cache", `${step}: cannot use the store`, {
      reason: osReason(error),
    });
  }

  #log(step: string, name: string, text: string): void {
    this.#runner.logger.info("cache", `${step}: ${name}: ${text}`);
  }
}

function usageError(message: string): RunnerError {
  return new RunnerError(message, { code: "usage", exitCode: 2 });
}
