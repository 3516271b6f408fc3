import { forEachLimited } from "../work_queue.ts";
import { InvalidEntry, LAYOUT } from "./cache_entry.ts";
import type { CacheStore, StoredObject } from "./cache_store.ts";
import {
  type ManifestKind,
  objectKind,
  readStoredManifest,
  type StoreManifest,
} from "./store_manifest.ts";

/** Maximum number of manifests that are read at the same time. */
const PARALLEL_COUNT = 8;

/**
 * Minimum age before an unreferenced pack is removed from a store without locks,
 * in milliseconds: its manifest may not have been written yet.
 */
const GRACE_MS = 60 * 60_000;

/** A store that can list its objects. */
export type ListableStore = CacheStore & Required<Pick<CacheStore, "objects">>;

/** A manifest in a store. */
export interface ListedManifest extends StoreManifest {
  readonly kind: ManifestKind;
  /** Name of the object. */
  readonly path: string;
  /** Size of the manifest itself, in bytes. */
  readonly bytes: number;
  /** Time of the last use, in milliseconds since 1970. */
  readonly usedMs: number;
}

/** Contents of a store. */
export interface StoreContents {
  /** Valid manifests, those that were used last first. */
  readonly manifests: readonly ListedManifest[];
  /** Packs by their names. */
  readonly packs: ReadonlyMap<string, PackObject>;
  /** Names of objects that are not part of the layout, or not valid. */
  readonly otherNames: readonly string[];
  /** Size of all manifests and packs, in bytes. */
  readonly bytes: number;
}

/** A pack in a store. */
export interface PackObject extends StoredObject {
  readonly bytes: number;
}

/** Result of {@linkcode pruneStore}. */
export interface PruneResult {
  /** Number of removed manifests. */
  readonly count: number;
  /** Size of the removed manifests and packs, in bytes. */
  readonly bytes: number;
}

/** Checks whether a store can list its objects. */
export function isListable(store: CacheStore): store is ListableStore {
  return store.objects !== undefined;
}

/**
 * Lists the contents of a store.
 *
 * @throws {Error} If the store cannot be used.
 */
export async function listStore(
  store: ListableStore,
  signal: AbortSignal,
): Promise<StoreContents> {
  const found: [ManifestKind, StoredObject][] = [];
  const packs = new Map<string, PackObject>();
  const otherNames: string[] = [];
  for await (const object of store.objects(LAYOUT, signal)) {
    signal.throwIfAborted();
    const { name, bytes } = object;
    const kind = objectKind(name);
    if (kind === undefined || bytes === undefined) otherNames.push(name);
    else if (kind === "packs") packs.set(name, { ...object, bytes });
    // A server may serve the directory over HTTP.
    else if (kind !== "index") found.push([kind, object]);
  }
  const manifests: ListedManifest[] = [];
  await forEachLimited(found, PARALLEL_COUNT, async ([kind, object]) => {
    try {
      const manifest = await readStoredManifest(kind, object, store, signal);
      const { name: path, bytes = 0, usedMs } = object;
      if (manifest === undefined) return;
      manifests.push({ ...manifest, kind, path, bytes, usedMs });
    } catch (error) {
      // A manifest that cannot be read may refer to any pack.
      if (!(error instanceof InvalidEntry)) throw error;
      otherNames.push(object.name);
    }
  });
  manifests.sort((a, b) => b.usedMs - a.usedMs || (a.path < b.path ? -1 : 1));
  const bytes = [...manifests, ...packs.values()]
    .reduce((sum, object) => sum + object.bytes, 0);
  return { manifests, packs, otherNames, bytes };
}

/**
 * Removes expired manifests, the least recently used manifests until the store is
 * within a limit, and everything that no manifest refers to. Artifacts that have
 * not expired are removed last.
 *
 * @param maxBytes Maximum size of all manifests and packs; 0 removes everything.
 * @throws {Error} If the store cannot be used.
 */
export async function pruneStore(
  store: ListableStore,
  maxBytes: number,
  signal: AbortSignal,
): Promise<PruneResult> {
  using _ = await store.lock();
  const contents = await listStore(store, signal);
  const { removed, usedPacks } = chooseManifests(contents, maxBytes);
  const isYoung = ({ usedMs }: StoredObject) =>
    !store.hasLocks && maxBytes > 0 && Date.now() - usedMs < GRACE_MS;
  const packs = [...contents.packs.values()].filter((pack) =>
    !usedPacks.has(pack.name) && !isYoung(pack)
  );
  const remove = (name: string) => store.remove(name, signal);
  // No manifest may refer to a pack that is gone.
  await forEachLimited(removed, PARALLEL_COUNT, ({ path }) => remove(path));
  await forEachLimited(packs, PARALLEL_COUNT, ({ name }) => remove(name));
  await forEachLimited(
    contents.otherNames,
    PARALLEL_COUNT,
    (name) => remove(name).catch(() => {}),
  );
  const bytes = [...removed, ...packs]
    .reduce((sum, object) => sum + object.bytes, 0);
  return { count: removed.length, bytes };
}

/** Chooses the manifests to remove, and the packs to keep. */
function chooseManifests(
  { manifests, packs }: StoreContents,
  maxBytes: number,
): { removed: ListedManifest[]; usedPacks: ReadonlySet<string> } {
  const removed: ListedManifest[] = [];
  const usedPacks = new Set<string>();
  let keptBytes = 0;
  // Jobs may still need artifacts that have not expired; everything else can be
  // created again.
  const [artifacts, others] = [
    manifests.filter(({ kind }) => kind === "artifacts"),
    manifests.filter(({ kind }) => kind !== "artifacts"),
  ];
  for (const manifest of [...artifacts, ...others]) {
    const { bytes, expiresMs = Infinity } = manifest;
    const sizes = manifest.packs.map((name) =>
      usedPacks.has(name) ? 0 : packs.get(name)?.bytes
    );
    const addedBytes = sizes.reduce<number>(
      // A manifest whose pack is missing is useless.
      (sum, size) => sum + (size ?? Infinity),
      bytes,
    );
    const fits = maxBytes > 0 && keptBytes + addedBytes <= maxBytes &&
      expiresMs > Date.now();
    if (!fits) {
      removed.push(manifest);
      continue;
    }
    keptBytes += addedBytes;
    for (const name of manifest.packs) usedPacks.add(name);
  }
  return { removed, usedPacks };
}
