import {
  type CacheEntry,
  ENTRY_INDEX,
  LAYOUT,
  packName,
  readEntry,
} from "./cache_entry.ts";
import type { DirectoryStore } from "./directory_store.ts";

/** An entry in a directory store. */
export interface ListedEntry extends CacheEntry {
  /** Name of the object. */
  readonly path: string;
  /** Time of the last use, in milliseconds since 1970. */
  readonly usedMs: number;
}

/** What a store contains. */
export interface StoreContents {
  /** Valid entries, those that were used last first. */
  readonly entries: readonly ListedEntry[];
  /** Sizes of the packs by their names, in bytes. */
  readonly packs: ReadonlyMap<string, number>;
  /** Names of objects that are not part of any entry. */
  readonly others: readonly string[];
}

/** Result of {@linkcode pruneStore}. */
export interface PruneResult {
  /** Number of removed entries. */
  readonly count: number;
  /** Size of the removed packs, in bytes. */
  readonly bytes: number;
}

/** Lists the contents of a directory store. */
export async function listStore(
  store: DirectoryStore,
  signal: AbortSignal,
): Promise<StoreContents> {
  const entries: ListedEntry[] = [];
  const packs = new Map<string, number>();
  const others: string[] = [];
  for (const namespace of await store.list(LAYOUT)) {
    const folder = `${LAYOUT}/${namespace}`;
    for (const pack of await store.list(`${folder}/packs`)) {
      const name = `${folder}/packs/${pack}`;
      const size = await store.sizeOf(name);
      if (size === undefined) others.push(name);
      else packs.set(name, size);
    }
    for (const cache of await store.list(`${folder}/entries`)) {
      for (const file of await store.list(`${folder}/entries/${cache}`)) {
        // A server may offer the directory over HTTP.
        if (file === ENTRY_INDEX) continue;
        const path = `${folder}/entries/${cache}/${file}`;
        const entry = await readEntry(path, store, signal)
          .catch(() => undefined);
        if (entry === undefined) others.push(path);
        else entries.push({ ...entry, path, usedMs: await store.usedMs(path) });
      }
    }
  }
  entries.sort((a, b) => b.usedMs - a.usedMs || (a.path < b.path ? -1 : 1));
  return { entries, packs, others };
}

/**
 * Removes the entries that were used least recently until the packs of the
 * store are not larger than a limit, and everything that is not part of an
 * entry.
 *
 * @param maxBytes Maximum size of all packs; 0 removes everything.
 * @throws {Error} If the store cannot be changed.
 */
export async function pruneStore(
  store: DirectoryStore,
  maxBytes: number,
  signal: AbortSignal,
): Promise<PruneResult> {
  using _ = await store.lock();
  const { entries, packs, others } = await listStore(store, signal);
  const kept = new Set<string>();
  let keptBytes = 0;
  let count = 0;
  for (const entry of entries) {
    const pack = packName(entry.namespace, entry.sha256);
    const size = packs.get(pack);
    const addedBytes = kept.has(pack) ? 0 : size ?? 0;
    // An entry whose pack is gone cannot be restored.
    const isKept = size !== undefined && maxBytes > 0 &&
      keptBytes + addedBytes <= maxBytes;
    if (isKept) {
      kept.add(pack);
      keptBytes += addedBytes;
      continue;
    }
    await store.remove(entry.path);
    count++;
  }
  let bytes = 0;
  for (const [pack, size] of packs) {
    if (kept.has(pack)) continue;
    await store.remove(pack);
    bytes += size;
  }
  for (const name of others) await store.remove(name).catch(() => {});
  return { count, bytes };
}
