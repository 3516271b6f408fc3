import { sha256Hex, writeAll } from "../fs/files.ts";
import { privateDirectory } from "../fs/temporary_directory.ts";
import { isInside, normalizePath } from "../job_path.ts";
import { forEachLimited } from "../work_queue.ts";
import { realPath } from "../workspace/guard.ts";
import {
  allBytes,
  type CacheEntry,
  encodeEntry,
  entryFolder,
  type EntryId,
  entryName,
  InvalidEntry,
  packName,
  readEntry,
  savedPathProblem,
} from "./cache_entry.ts";
import { type CacheStore, recordUse } from "./cache_store.ts";
import {
  type PackContext,
  restorePack,
  type RunExclusively,
  writePack,
} from "./pack.ts";

/** Maximum number of entries that are searched for a fallback. */
const MAX_SEARCHED = 10_000;

/** Maximum number of entries that are read at the same time. */
const PARALLEL_COUNT = 8;

/** Options for {@linkcode saveDirectories} and {@linkcode restoreDirectories}. */
export interface CacheContext extends PackContext {
  readonly store: CacheStore;
  /** Directories for temporary files, if there are none next to the store. */
  readonly temporaryParents: readonly string[];
  /** Absolute path of the directory of the job, without links. */
  readonly root: string;
  /** Maximum size of the packs in the store, in bytes. */
  readonly storeBytes: number;
  readonly runExclusively?: RunExclusively;
}

/** Result of {@linkcode saveDirectories}. */
export type SaveResult =
  | { readonly status: "saved"; readonly entry: CacheEntry }
  | { readonly status: "exists" | "too-large" };

/**
 * Saves paths under a key, unless the key exists.
 *
 * @param paths Paths relative to the root, none below another.
 * @throws {RunnerError} `workspace` if a path cannot be saved.
 * @throws {Error} If the store cannot be used.
 */
export async function saveDirectories(
  id: EntryId,
  paths: readonly string[],
  context: CacheContext,
): Promise<SaveResult> {
  const { store, root, storeBytes, cancellation } = context;
  const { graceful: signal } = cancellation;
  if (await findEntryState(id, store, signal) === "complete") {
    return { status: "exists" };
  }
  using temporary = privateDirectory([
    ...store.temporaryParents,
    ...context.temporaryParents,
  ]);
  const file = `${temporary.path}/pack`;
  let packInfo;
  try {
    packInfo = await writePack(root, paths, file, context);
  } catch (error) {
    if (error instanceof RangeError) return { status: "too-large" };
    throw error;
  }
  if (packInfo.packBytes > storeBytes) return { status: "too-large" };
  const sorted = [...paths].sort();
  const entry = { ...id, createdMs: Date.now(), ...packInfo, paths: sorted };
  // Without the lock, another process could prune the pack before the entry
  // refers to it.
  using _ = await store.lock();
  const state = await findEntryState(id, store, signal);
  if (state === "complete") return { status: "exists" };
  await store.put(packName(id.namespace, packInfo.sha256), { file }, signal);
  const bytes = encodeEntry(entry);
  const isSaved = await store.put(await entryName(id), bytes, signal, {
    isNew: state === "missing",
  });
  return isSaved ? { status: "saved", entry } : { status: "exists" };
}

/**
 * Checks whether an entry exists. One that is damaged, or whose pack is gone, is
 * saved again.
 */
async function findEntryState(
  id: EntryId,
  store: CacheStore,
  signal: AbortSignal,
): Promise<"missing" | "damaged" | "complete"> {
  try {
    const entry = await readEntry(await entryName(id), store, signal);
    if (entry === undefined) return "missing";
    const pack = packName(id.namespace, entry.sha256);
    const size = await store.getSize(pack, signal);
    return size === entry.packBytes ? "complete" : "damaged";
  } catch (error) {
    if (error instanceof InvalidEntry) return "damaged";
    throw error;
  }
}

/** Keys that {@linkcode restoreDirectories} looks up, in this order. */
export interface RestoreRequest {
  /** Namespaces, starting with that of the job. */
  readonly namespaces: readonly string[];
  readonly name: string;
  readonly key: string;
  /** Prefixes of other keys that may be used. */
  readonly fallbacks: readonly string[];
  /**
   * Paths that the entry must have.
   *
   * @default {those of the entry}
   */
  readonly paths?: readonly string[];
}

/**
 * Restores the paths that were saved under a key, or else those of the newest
 * entry whose key starts with a fallback.
 *
 * An entry that cannot be used is a miss, and the next one is tried.
 *
 * @param onFailure Called with the reason for each entry that cannot be used.
 * @returns The restored entry; `undefined` for a miss.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function restoreDirectories(
  request: RestoreRequest,
  context: CacheContext,
  onFailure: (cause: unknown) => void,
): Promise<CacheEntry | undefined> {
  const { graceful: signal } = context.cancellation;
  const attempt = async <T>(action: () => Promise<T>) => {
    try {
      return await action();
    } catch (error) {
      signal.throwIfAborted();
      onFailure(error);
      return undefined;
    }
  };
  const { namespaces, name, key, fallbacks } = request;
  for (const namespace of namespaces) {
    const id = { namespace, name, key };
    const entry = await attempt(() => findExact(id, context));
    const isRestored = entry !== undefined && hasPaths(entry, request) &&
      await attempt(() => restoreEntry(entry, namespaces, context));
    if (isRestored) return entry;
  }
  for (const prefix of fallbacks) {
    for (const namespace of namespaces) {
      const found = await attempt(() =>
        findByPrefix({ namespace, name }, prefix, context)
      );
      for (const entry of found ?? []) {
        if (entry.key === key || !hasPaths(entry, request)) continue;
        if (await attempt(() => restoreEntry(entry, namespaces, context))) {
          return entry;
        }
      }
    }
  }
  return undefined;
}

async function findExact(
  id: EntryId,
  { store, cancellation }: CacheContext,
): Promise<CacheEntry | undefined> {
  return await readEntry(await entryName(id), store, cancellation.graceful);
}

/** Finds the entries whose keys have a prefix, the newest first. */
async function findByPrefix(
  { namespace, name }: Omit<EntryId, "key">,
  prefix: string,
  { store, cancellation: { graceful: signal } }: CacheContext,
): Promise<CacheEntry[]> {
  const folder = entryFolder(namespace, name);
  const files = (await store.list(folder, signal))
    .filter((file) => /^[0-9a-f]{64}\.json$/.test(file))
    .slice(0, MAX_SEARCHED);
  const found: CacheEntry[] = [];
  await forEachLimited(files, PARALLEL_COUNT, async (file) => {
    const path = `${folder}/${file}`;
    const entry = await readEntry(path, store, signal).catch(() => undefined);
    if (entry?.key.startsWith(prefix)) found.push(entry);
  });
  return found.sort((a, b) =>
    b.createdMs - a.createdMs || (a.key < b.key ? -1 : 1)
  );
}

function hasPaths(entry: CacheEntry, { paths }: RestoreRequest): boolean {
  return paths === undefined ||
    JSON.stringify([...paths].sort()) === JSON.stringify(entry.paths);
}

/** Returns whether the entry was restored; its pack may be missing. */
async function restoreEntry(
  entry: CacheEntry,
  [ownNamespace]: readonly string[],
  context: CacheContext,
): Promise<boolean> {
  const { store, root } = context;
  const { namespace, sha256 } = entry;
  using temporary = privateDirectory([
    ...store.temporaryParents,
    ...context.temporaryParents,
  ]);
  const file = `${temporary.path}/pack`;
  const state = await fetchPack(entry, file, context);
  if (state !== "intact") {
    if (namespace === ownNamespace) {
      // The key can be saved again.
      const { graceful: signal } = context.cancellation;
      await store.remove(packName(namespace, sha256), signal).catch(() => {});
      await store.remove(await entryName(entry), signal).catch(() => {});
    }
    if (state === "missing") return false;
    throw new Error("the content of an entry does not match its checksum");
  }
  await restorePack(file, entry, root, context);
  if (namespace === ownNamespace) {
    const { graceful: signal } = context.cancellation;
    await recordUse(store, await entryName(entry), signal);
  }
  return true;
}

/** Identity of a pack in a store, and its sizes. */
export type PackId = Pick<
  CacheEntry,
  "namespace" | "sha256" | "packBytes" | "bytes"
>;

/** Options for {@linkcode fetchPack} and {@linkcode readPack}. */
type PackFetchContext = Pick<
  CacheContext,
  "store" | "storeBytes" | "maxBytes" | "cancellation"
>;

/**
 * Copies a pack from the store to a new file, and verifies its checksum.
 *
 * @param path Absolute path of the file.
 * @throws {Error} If the pack is larger than the limit, or the store cannot be
 * used.
 */
export async function fetchPack(
  id: PackId,
  path: string,
  context: PackFetchContext,
): Promise<"intact" | "missing" | "changed"> {
  const pack = await openPack(id, context);
  if (pack === undefined) return "missing";
  const { graceful: signal } = context.cancellation;
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  using file = await Deno.open(path, {
    write: true,
    createNew: true,
    mode: 0o600,
  });
  for await (const chunk of pack) {
    signal.throwIfAborted();
    hash.update(chunk);
    await writeAll(file, chunk);
  }
  return hash.digest("hex") === id.sha256 ? "intact" : "changed";
}

/**
 * Reads a small pack, and verifies its checksum.
 *
 * @throws {Error} If the pack is larger than the limit, or the store cannot be
 * used.
 */
export async function readPack(
  id: PackId,
  context: PackFetchContext,
): Promise<Uint8Array<ArrayBuffer> | "missing" | "changed"> {
  const pack = await openPack(id, context);
  if (pack === undefined) return "missing";
  const bytes = new Uint8Array(await allBytes(pack));
  return await sha256Hex(bytes) === id.sha256 ? bytes : "changed";
}

async function openPack(
  { namespace, sha256, packBytes, bytes }: PackId,
  { store, storeBytes, maxBytes, cancellation }: PackFetchContext,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  if (packBytes > storeBytes || bytes > maxBytes) {
    throw new Error("an entry is larger than the limit");
  }
  const { graceful: signal } = cancellation;
  const name = packName(namespace, sha256);
  return await store.get(name, { maxBytes: packBytes, signal });
}

/**
 * Returns the directory to which saved paths are relative: the workspace in a
 * job, and the current directory elsewhere.
 *
 * @param cwd Absolute path of the current directory.
 * @param base Absolute path of the workspace.
 */
export async function cacheRoot(cwd: string, base: string): Promise<string> {
  const [current, root] = await Promise.all([realPath(cwd), realPath(base)]);
  return isInside(root, current) ? root : current;
}

/**
 * Returns paths relative to the directory of the job.
 *
 * @param root That directory, without links.
 * @param cwd Absolute path of the directory to which the paths are relative.
 * @param createError Creates the error of a path that cannot be saved.
 */
export async function pathsBelow(
  root: string,
  cwd: string,
  paths: readonly string[],
  createError: (message: string) => Error,
): Promise<string[]> {
  const current = await realPath(cwd);
  const relative = paths.map((path) => {
    const absolute = normalizePath(
      path.startsWith("/") ? path : `${current}/${path}`,
    );
    const problem = !isInside(root, absolute)
      ? "is outside the directory of the job"
      : savedPathProblem(absolute.slice(root.length + 1));
    if (problem === undefined) return absolute.slice(root.length + 1);
    throw createError(
      `Path ${JSON.stringify(path)} cannot be saved: it ${problem}`,
    );
  });
  for (const path of relative) {
    const parents = relative.filter((other) =>
      `${path}/`.startsWith(`${other}/`)
    );
    if (parents.length > 1) {
      throw createError(`Path "${path}" is inside another saved path`);
    }
  }
  return relative;
}
