/**
 * The cache of steps.
 *
 * 1. The key of a step is computed from everything that it declares to depend
 *    on (`key_parts.ts`), above all the contents of its inputs
 *    (`hashed_files.ts`).
 * 2. If the store has a result for the key, its files are restored unless they are
 *    up to date, and its log is printed. The step does not run.
 * 3. Otherwise, the files that earlier runs of the step created are removed, the
 *    step runs, and its result is saved if it is certain to belong to the key.
 *
 * A wrong result is worse than none: when in doubt, a lookup is a miss, and a
 * result is not saved. Problems with the store never fail a step.
 *
 * @module
 */

import {
  type OutputFile,
  readStepLog,
  Unsavable,
} from "../../cache/step_entry.ts";
import type { JobConfig } from "../../config/job_config.ts";
import { osReason, RunnerError } from "../../errors.ts";
import { isObject } from "../../json_value.ts";
import type { Cancellation } from "../../process/cancellation.ts";
import type { StepEnd } from "../attempt.ts";
import type { CommandOutputs } from "../step.ts";
import { isSandboxed } from "../step_sandbox.ts";
import type { CachedStep } from "./cached_step.ts";
import {
  FileMemory,
  type MemoryFacts,
  type RememberedStep,
} from "./file_memory.ts";
import { isRunnerFile, Uncacheable } from "./file_tree.ts";
import { inputName, keyChanges } from "./key_changes.ts";
import { type RecordedLog, recordLog, replayLog } from "./recorded_log.ts";
import {
  type KeyedStep,
  StepKeys,
  type StepKeysOptions,
} from "./keyed_steps.ts";
import { outputWithSecret } from "./secret_scan.ts";
import {
  canRead,
  canWrite,
  type FoundResult,
  narrowerMode,
  type StepId,
  StoreAccess,
  type StoreAccessOptions,
} from "./store_access.ts";

/** Options for {@linkcode StepCache}. */
export interface StepCacheOptions
  extends
    Omit<StoreAccessOptions, "namespace" | "readFrom" | "maxBytes">,
    StepKeysOptions,
    MemoryFacts {
  readonly settings: JobConfig["cache"];
  /** Directory of the memory of files; `undefined` if there is none. */
  readonly memoryDirectory: string | undefined;
  /** Cancellation of the job. */
  readonly cancellation: Cancellation;
  /** Called with the reason if a step is not cached. */
  readonly onUncached: (step: string, reason: string) => void;
  /** Called with a line that explains what happens to a step. */
  readonly onExplain: (step: string, text: string) => void;
  /** Called with the result of an audit: of running a step whose result is cached. */
  readonly onAudit: (step: string, audit: AuditResult) => void;
}

/** Result of running a step again whose result is cached. */
export interface AuditResult {
  /** Differences from the cached result. */
  readonly differences: readonly string[];
  /** Files that were read, but are not inputs. */
  readonly undeclared: readonly string[];
  /** Whether the files that were read are known. */
  readonly isTraced: boolean;
}

/** The cache of the steps of a job. */
export class StepCache implements AsyncDisposable {
  readonly #options: StepCacheOptions;
  readonly #store: StoreAccess;
  readonly #memory: FileMemory;
  readonly #keys: StepKeys;

  private constructor(options: StepCacheOptions, memory: FileMemory) {
    const { namespace, readFrom = [], maxBytes } = options.settings;
    this.#options = options;
    this.#store = new StoreAccess({
      ...options,
      namespace,
      readFrom,
      maxBytes,
    });
    this.#memory = memory;
    this.#keys = new StepKeys(options, memory);
  }

  /**
   * Opens the cache of a job.
   *
   * @throws {RunnerError} `invalid-config` if a namespace is not valid.
   */
  static async open(options: StepCacheOptions): Promise<StepCache> {
    const { root, memoryDirectory } = options;
    return new StepCache(
      options,
      await FileMemory.open(root, memoryDirectory, options),
    );
  }

  /** Runs a step, or restores its result. */
  async run(step: CachedStep): Promise<StepEnd> {
    const { definition } = step.context;
    const { settings } = this.#options;
    const config = definition.cache!;
    const mode = narrowerMode(config.mode ?? "read-write", settings.mode);
    if (mode === "off") return await this.#runPlain(step);
    let keyed: KeyedStep;
    try {
      keyed = await this.#keys.of(step, config);
    } catch (error) {
      return await this.#runUncached(step, error);
    }
    const { key } = keyed;
    if (canRead(mode)) {
      const remembered = this.#memory.step(keyed.id) ?? {};
      const { cancellation } = step.context;
      const candidates = this.#store.find(
        this.#stepId(keyed),
        key,
        remembered,
        cancellation,
      );
      for await (const result of candidates) {
        if (settings.audit) return await this.#audit(keyed, result);
        const end = await this.#restore(keyed, result);
        if (end === undefined) continue;
        return end;
      }
    }
    if (settings.explain) await this.#explainMiss(keyed);
    return await this.#runAndSave(keyed, canWrite(mode));
  }

  /** Saves the memory of files, and prunes the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#memory.save();
    await this.#store.prune(this.#options.cancellation);
  }

  #stepId({ id, step }: KeyedStep): StepId {
    const { untrusted = false } = step.context.definition;
    return { step: id, isUntrusted: untrusted };
  }

  /** @returns `undefined` if the result cannot be used. */
  async #restore(
    { step, outputs }: KeyedStep,
    found: FoundResult,
  ): Promise<StepEnd | undefined> {
    const { entry, context } = found;
    const { name, log, cancellation } = step.context;
    let bytes: Uint8Array<ArrayBuffer> | undefined;
    try {
      bytes = await readStepLog(entry, context.store, cancellation.graceful);
      if (bytes === undefined || !await outputs.restore(found)) {
        return undefined;
      }
    } catch (error) {
      cancellation.graceful.throwIfAborted();
      this.#store.report(error);
      return undefined;
    }
    this.#keys.recordFiles(step.index, entry.outputs);
    this.#explain(name, "restored, as its key has not changed");
    await replayLog(log, entry.log, bytes, this.#options.masker);
    await this.#store.recordUse(found);
    return {
      outcome: "success",
      exitCode: 0,
      signal: null,
      attemptResults: [],
      value: entry.values,
      cached: true,
    };
  }

  async #runPlain(step: CachedStep): Promise<StepEnd> {
    const end = await step.run(step.context.log);
    this.#keys.recordUnknownFiles(step.index);
    return end;
  }

  /** Runs a step that cannot be cached, and says why. */
  async #runUncached(step: CachedStep, error: unknown): Promise<StepEnd> {
    if (!(error instanceof Uncacheable)) throw error;
    this.#options.onUncached(step.context.name, osReason(error));
    return await this.#runPlain(step);
  }

  async #runAndSave(keyed: KeyedStep, writes: boolean): Promise<StepEnd> {
    const { step, outputs } = keyed;
    const { masker } = this.#options;
    const { formTotal } = masker;
    let foreign: ReadonlySet<string>;
    try {
      foreign = await outputs.clear();
    } catch (error) {
      return await this.#runUncached(step, error);
    }
    const recorded = recordLog(step.context.log);
    const end = await step.run(recorded.log);
    if (end.outcome !== "success") {
      this.#keys.recordUnknownFiles(step.index);
      await outputs.track(foreign);
      return end;
    }
    let isDescribed = false;
    try {
      const created = await outputs.describe();
      outputs.remember(created, foreign);
      this.#keys.recordFiles(step.index, created);
      isDescribed = true;
      if (!writes) return end;
      const hasNewSecrets = masker.formTotal !== formTotal;
      const result = { keyed, end, created, recorded, hasNewSecrets };
      const saved = await this.#save(result);
      if (saved !== undefined) outputs.remember(created, foreign, saved);
    } catch (error) {
      step.context.cancellation.graceful.throwIfAborted();
      const isExpected = error instanceof Uncacheable ||
        error instanceof Unsavable || error instanceof RunnerError &&
          error.code === "workspace";
      if (!isExpected) throw error;
      this.#options.onUncached(step.context.name, osReason(error));
      if (!isDescribed) this.#keys.recordUnknownFiles(step.index);
    }
    return end;
  }

  /**
   * Saves the result of a step.
   *
   * @throws {Uncacheable} If it may not belong to the key, or has a secret.
   */
  async #save(
    result: FreshResult,
  ): Promise<Pick<RememberedStep, "entry" | "seen"> | undefined> {
    const { keyed, end, created, recorded } = result;
    const { masker, root } = this.#options;
    const { step: { context }, key, parts } = keyed;
    const { name, cancellation } = context;
    const { graceful: signal } = cancellation;
    this.#checkSavable(result);
    await this.#checkInputs(keyed);
    const values = isObject(end.value) ? end.value as CommandOutputs : {};
    const secret = Object.keys(values).find((key) =>
      masker.containsSecret(values[key])
    );
    if (secret !== undefined) {
      throw new Uncacheable(`its output "${secret}" contains a secret`);
    }
    const file = await outputWithSecret(root, created, masker, signal);
    if (file !== undefined) {
      throw new Uncacheable(`"${file}" contains a secret`);
    }
    const log = recorded.content(masker);
    if (log === undefined) throw new Uncacheable("its log is too long");
    const durationMs = end.attemptResults.at(-1)?.durationMs ?? 0;
    return await this.#store.save(
      {
        name,
        key,
        parts,
        durationMs,
        outputs: created,
        values,
        log: { parts: log.parts },
        logBytes: log.bytes,
      },
      this.#stepId(keyed),
      (text) => masker.containsSecret(text),
      cancellation,
    );
  }

  #checkSavable({ keyed, end, hasNewSecrets }: FreshResult): void {
    const { config, step: { context: { definition } } } = keyed;
    const reason = end.attemptResults.length > 1
      ? "it succeeded only after a retry"
      : hasNewSecrets && !config.secrets
      ? "a secret was registered while it ran"
      : this.#options.activity.hasUntrusted && !definition.untrusted
      ? "an untrusted step of the job may have changed what it used"
      : undefined;
    if (reason !== undefined) throw new Uncacheable(reason);
  }

  /** The result of a step that read other files does not belong to its key. */
  async #checkInputs(
    { step, config, parts, directory }: KeyedStep,
  ): Promise<void> {
    const inputs = await this.#keys.inputs(step, config, directory);
    const before = Object.keys(parts).filter((name) =>
      inputName(name) !== undefined
    );
    const changed = before.find((name) =>
      inputs.get(inputName(name)!) !== parts[name]
    );
    if (changed === undefined && inputs.size === before.length) return;
    throw new Uncacheable("its inputs changed while it ran");
  }

  async #explainMiss(keyed: KeyedStep): Promise<void> {
    const { id, parts, step: { context: { name, cancellation } } } = keyed;
    const before = this.#memory.step(id)?.entry?.parts ??
      await this.#store.readLastParts(this.#stepId(keyed), cancellation);
    if (before === undefined) {
      return this.#explain(name, "runs, as no earlier result is known");
    }
    const changes = keyChanges(before, parts);
    if (changes.length === 0) {
      return this.#explain(name, "runs, as its result is not in the store");
    }
    this.#explain(name, "runs, as its key has changed");
    for (const change of changes) this.#explain(name, change);
  }

  /** Runs a step whose result is known, and compares the two. */
  async #audit(keyed: KeyedStep, found: FoundResult): Promise<StepEnd> {
    const { entry } = found;
    const { step, outputs } = keyed;
    const { context } = step;
    const { onAudit, root, temporaryParents } = this.#options;
    const audit = await import("./cache_audit.ts");
    // Programs in the sandbox are started in another way, and cannot be traced.
    using trace = isSandboxed(context.definition)
      ? undefined
      : await audit.traceFiles(context, temporaryParents);
    let foreign: ReadonlySet<string>;
    try {
      foreign = await outputs.clear();
    } catch (error) {
      return await this.#runUncached(step, error);
    }
    const end = await step.run(context.log, trace?.spawn);
    if (end.outcome !== "success") {
      this.#keys.recordUnknownFiles(step.index);
      await outputs.track(foreign);
      return end;
    }
    let created: readonly OutputFile[];
    try {
      created = await outputs.describe();
    } catch (error) {
      if (!(error instanceof Uncacheable)) throw error;
      this.#options.onUncached(context.name, osReason(error));
      this.#keys.recordUnknownFiles(step.index);
      return end;
    }
    outputs.remember(created, foreign, found);
    this.#keys.recordFiles(step.index, created);
    const values = isObject(end.value) ? end.value as CommandOutputs : {};
    const read = await trace?.readFiles(root) ?? [];
    onAudit(context.name, {
      differences: audit.findDifferences(entry, created, values),
      undeclared: audit.listFiles(
        read.filter((path) => this.#isUndeclared(path, keyed)),
      ),
      isTraced: trace !== undefined,
    });
    return end;
  }

  #isUndeclared(path: string, { parts, outputs }: KeyedStep): boolean {
    return !Object.hasOwn(parts, `input:${path}`) && !outputs.matches(path) &&
      !isRunnerFile(path) && !this.#options.ignored.inputs(path);
  }

  #explain(name: string, text: string): void {
    if (this.#options.settings.explain) this.#options.onExplain(name, text);
  }
}

/** Result of a step that has just run. */
interface FreshResult {
  readonly keyed: KeyedStep;
  readonly end: StepEnd;
  readonly created: readonly OutputFile[];
  readonly recorded: RecordedLog;
  /** Whether a secret became known while it ran. */
  readonly hasNewSecrets: boolean;
}
