import { InvalidEntry } from "../../cache/cache_entry.ts";
import {
  type CacheStore,
  isListable,
  recordUse,
} from "../../cache/cache_store.ts";
import { checkNamespaces, untrustedNamespace } from "../../cache/open_store.ts";
import type { RunExclusively } from "../../cache/pack.ts";
import type { CacheContext } from "../../cache/saved_directories.ts";
import {
  hasStepEntry,
  type KeyParts,
  readLastKey,
  readStepEntry,
  type StepEntry,
  stepEntryName,
  Unsavable,
} from "../../cache/step_entry.ts";
import type { NewStepEntry } from "../../cache/step_store.ts";
import type { CacheMode } from "../../config/step_cache_config.ts";
import type { ChildEnvironment } from "../../environment/child_environment.ts";
import { osReason, RunnerError } from "../../errors.ts";
import type { Cancellation } from "../../process/cancellation.ts";
import type { RememberedStep, SeenResult } from "./file_memory.ts";
import { Uncacheable } from "./file_tree.ts";

/** Options for {@linkcode StoreAccess}. */
export interface StoreAccessOptions {
  /** Opens the store. */
  readonly open: () => Promise<CacheStore>;
  /** Namespace that is read and written. */
  readonly namespace: string;
  /** Other namespaces that trusted steps read. */
  readonly readFrom: readonly string[];
  /** Maximum size of the store, and of a result, in bytes. */
  readonly maxBytes: number;
  /** Environment of compressors. */
  readonly env: ChildEnvironment;
  /** Absolute path of the directory of the job, without links. */
  readonly root: string;
  /** Directories for temporary files, if there are none next to the store. */
  readonly temporaryParents: readonly string[];
  readonly runExclusively?: RunExclusively;
  /** Called once if the store cannot be used. */
  readonly onFailure: (reason: string) => void;
}

/** Identity of a step in the store. */
export interface StepId {
  /** Hash of the identity of the step. */
  readonly step: string;
  readonly isUntrusted: boolean;
}

/** A result that was found. */
export interface FoundResult {
  readonly entry: StepEntry;
  readonly context: CacheContext;
  /** When it was found in a store on a server. */
  readonly seen?: SeenResult;
  /**
   * Whether the store was not checked, because it had the result a short time ago.
   *
   * @default {false}
   */
  readonly isAssumed?: boolean;
}

/**
 * Access to the store for the steps of a job. After its first failure, it is
 * not used again: every step would wait for it.
 */
export class StoreAccess {
  readonly #options: StoreAccessOptions;
  #opening: Promise<CacheStore> | undefined;
  #isUsable = true;
  /** Whether uses of results are recorded. */
  #recordsUses = true;
  #hasSaved = false;

  constructor(options: StoreAccessOptions) {
    checkNamespaces([options.namespace, ...options.readFrom]);
    this.#options = options;
  }

  /**
   * Returns the namespaces of a step, the one that it writes to first. Untrusted
   * steps have a separate one, which no trusted step reads.
   *
   * @throws {Uncacheable} If its name would be too long.
   */
  namespacesOf({ isUntrusted }: StepId): readonly string[] {
    const { namespace, readFrom } = this.#options;
    if (!isUntrusted) return [...new Set([namespace, ...readFrom])];
    const own = untrustedNamespace(namespace);
    if (own !== undefined) return [own];
    throw new Uncacheable("the name of the cache namespace is too long");
  }

  /**
   * Finds the results of a key.
   *
   * @param remembered Remembered facts about the step.
   */
  async *find(
    place: StepId,
    key: string,
    { entry: remembered, seen }: Pick<RememberedStep, "entry" | "seen">,
    cancellation: Cancellation,
  ): AsyncGenerator<FoundResult> {
    for (const namespace of this.namespacesOf(place)) {
      const id = { namespace, step: place.step, key };
      if (remembered?.key === key && remembered.namespace === namespace) {
        const found = await this.#use(cancellation, async (context) => {
          const { store } = context;
          if (isFresh(seen, store)) {
            return { entry: remembered, context, seen, isAssumed: true };
          }
          const { graceful: signal } = cancellation;
          if (!await hasStepEntry(id, store, signal)) return undefined;
          return { entry: remembered, context, ...markSeen(store) };
        });
        if (found !== undefined) yield found;
      }
      const found = await this.#use(cancellation, async (context) => {
        const { store, cancellation: { graceful: signal } } = context;
        const entry = await readStepEntry(id, store, signal);
        return entry && { entry, context, ...markSeen(store) };
      });
      if (found !== undefined) yield found;
    }
  }

  /** Returns the parts of the key of the result that was saved last. */
  async readLastParts(
    place: StepId,
    cancellation: Cancellation,
  ): Promise<KeyParts | undefined> {
    for (const namespace of this.namespacesOf(place)) {
      const id = { namespace, step: place.step };
      const parts = await this.#use(cancellation, async ({ store }) => {
        const { graceful: signal } = cancellation;
        const key = await readLastKey(id, store, signal);
        if (key === undefined) return undefined;
        return (await readStepEntry({ ...id, key }, store, signal))?.parts;
      });
      if (parts !== undefined) return parts;
    }
    return undefined;
  }

  /**
   * Saves a result.
   *
   * @returns The saved result, and when it was; `undefined` if the store cannot
   * be used.
   * @throws {Unsavable} If it must not be saved.
   */
  async save(
    entry: Omit<NewStepEntry, "namespace" | "step">,
    place: StepId,
    isSecret: (text: string) => boolean,
    cancellation: Cancellation,
  ): Promise<Pick<RememberedStep, "entry" | "seen"> | undefined> {
    const [namespace] = this.namespacesOf(place);
    const saved = await this.#use(cancellation, async (context) => {
      const { saveStepEntry } = await import("../../cache/step_store.ts");
      const saved = await saveStepEntry(
        { ...entry, namespace, step: place.step },
        context,
        isSecret,
      );
      return { entry: saved, ...markSeen(context.store) };
    });
    this.#hasSaved ||= saved !== undefined;
    return saved;
  }

  /** Records that a result was used, unless that has failed before. */
  async recordUse({ entry, context, isAssumed }: FoundResult): Promise<void> {
    if (isAssumed || !this.#recordsUses) return;
    const { store, cancellation: { graceful: signal } } = context;
    const name = stepEntryName(entry);
    this.#recordsUses = await recordUse(store, name, signal, store.assumedMs);
  }

  /** Prunes the store to its limit, if something was saved. */
  async prune(cancellation: Cancellation): Promise<void> {
    if (!this.#hasSaved) return;
    await this.#use(cancellation, async ({ store }) => {
      if (!isListable(store) || !store.hasLocks) return;
      const { pruneStore } = await import("../../cache/prune.ts");
      await pruneStore(store, this.#options.maxBytes, cancellation.graceful);
    });
  }

  /** Reports that the store, or something in it, cannot be used. */
  report(error: unknown): void {
    this.#options.onFailure(osReason(error));
  }

  /** @returns `undefined` if the store, or what it contains, cannot be used. */
  async #use<T>(
    cancellation: Cancellation,
    action: (context: CacheContext) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    if (!this.#isUsable) return undefined;
    try {
      const store = await (this.#opening ??= this.#options.open());
      const { env, root, temporaryParents, maxBytes, runExclusively } =
        this.#options;
      return await action({
        store,
        env,
        root,
        temporaryParents,
        cancellation,
        maxBytes,
        storeBytes: maxBytes,
        runExclusively,
      });
    } catch (error) {
      cancellation.graceful.throwIfAborted();
      const isUserError = error instanceof Unsavable ||
        error instanceof RunnerError &&
          ["workspace", "invalid-config"].includes(error.code);
      if (isUserError) throw error;
      this.report(error);
      if (!(error instanceof InvalidEntry)) this.#isUsable = false;
      return undefined;
    }
  }
}

function isFresh(
  seen: SeenResult | undefined,
  { displayName: shown, assumedMs }: CacheStore,
): boolean {
  const ageMs = Date.now() - (seen?.ms ?? -Infinity);
  return seen?.store === shown && ageMs >= 0 && ageMs < assumedMs;
}

function markSeen(
  { displayName: shown, assumedMs }: CacheStore,
): Pick<FoundResult, "seen"> {
  return assumedMs === 0 ? {} : { seen: { store: shown, ms: Date.now() } };
}

/** Returns the mode that allows only what both modes allow. */
export function narrowerMode(first: CacheMode, second: CacheMode): CacheMode {
  const reads = canRead(first) && canRead(second);
  const writes = canWrite(first) && canWrite(second);
  if (reads) return writes ? "read-write" : "read-only";
  return writes ? "write-only" : "off";
}

/** Checks whether results are restored in a mode. */
export function canRead(mode: CacheMode): boolean {
  return mode === "read-write" || mode === "read-only";
}

/** Checks whether results are saved in a mode. */
export function canWrite(mode: CacheMode): boolean {
  return mode === "read-write" || mode === "write-only";
}
