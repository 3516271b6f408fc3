/**
 * Manifests: the JSON documents of a store that refer to packs.
 *
 * A manifest is `v1/NAMESPACE/FOLDER/…/FILE.json`; `FORMATS` lists the
 * folders. Manifests of every kind have at least these properties, so that
 * {@linkcode pruneStore} can keep the packs to which they refer:
 *
 * - `version`: 1
 * - `namespace`: the namespace that contains it
 * - `name`: its subject, for display
 * - `key`: distinguishes it from others with this name, if there are several
 * - `sha256`, the hash of its pack, or `packs`, a list of hashes
 * - `expiresMs`: when it is removed, in milliseconds since 1970; without it, it
 *   is removed only when space is needed
 *
 * @module
 */
import { isSha256 } from "../fs/files.ts";
import { isObject } from "../json_value.ts";
import { forEachLimited } from "../work_queue.ts";
import {
  CACHE_NAME,
  ENTRY_INDEX,
  InvalidEntry,
  isCacheKey,
  LAYOUT,
  MAX_ENTRY_BYTES,
  packName,
  readEntry,
  readJson,
} from "./cache_entry.ts";
import type { CacheStore, ListableStore, StoredObject } from "./cache_store.ts";

/** Maximum number of manifests that are read at the same time. */
const PARALLEL_COUNT = 8;

/**
 * Minimum age before an unreferenced pack is removed from a store without locks,
 * in milliseconds: its manifest may not have been written yet.
 */
const GRACE_MS = 60 * 60_000;

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
    const kind = parseObjectKind(name);
    if (kind === undefined || bytes === undefined) otherNames.push(name);
    else if (kind === "packs") packs.set(name, { ...object, bytes });
    // A server may store the objects of an HTTP store in this directory.
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

/** A manifest of any kind. */
interface StoreManifest {
  readonly namespace: string;
  readonly name: string;
  readonly key?: string;
  /** Names of its packs in the store. */
  readonly packs: readonly string[];
  /** When it is removed, in milliseconds since 1970. */
  readonly expiresMs?: number;
}

/** How manifests of a kind are read. */
interface Format {
  /** Maximum size, in bytes. */
  readonly maxBytes: number;
  /**
   * Reads a manifest.
   *
   * @returns `undefined` if it does not exist.
   * @throws {InvalidEntry} If it is not valid.
   */
  readonly read: (
    path: string,
    store: Pick<CacheStore, "get">,
    signal: AbortSignal,
  ) => Promise<StoreManifest | undefined>;
}

/** Maximum size of a manifest that lists files, in bytes. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Formats by the folder of a namespace that contains the manifests. */
const FORMATS = {
  /** Saved directories. */
  entries: { maxBytes: MAX_ENTRY_BYTES, read: readDirectoryEntry },
  /** Results of steps. */
  steps: { maxBytes: MAX_BYTES, read: readManifest },
  /** Files that jobs pass on. */
  artifacts: { maxBytes: MAX_BYTES, read: readManifest },
} satisfies Record<string, Format>;

/** Folder of the manifests of a kind. */
type ManifestKind = keyof typeof FORMATS;

/** Maximum number of packs of a manifest. */
const MAX_PACKS = 10_000;

/** Kind of an object according to its name. */
export type ObjectKind = ManifestKind | "packs" | "index" | undefined;

/**
 * Returns the kind of an object by its name.
 *
 * @returns `undefined` if the name is not part of the layout.
 */
function parseObjectKind(path: string): ObjectKind {
  const [layout, namespace, folder, ...rest] = path.split("/");
  if (layout !== LAYOUT || !CACHE_NAME.test(namespace) || rest.length === 0) {
    return undefined;
  }
  if (folder === "packs") {
    return rest.length === 1 && isSha256(rest[0]) ? "packs" : undefined;
  }
  if (!Object.hasOwn(FORMATS, folder)) return undefined;
  return rest.at(-1) === ENTRY_INDEX ? "index" : folder as ManifestKind;
}

/**
 * Reads a manifest of a kind.
 *
 * @param bytes Size of the object.
 * @returns `undefined` if it does not exist any more.
 * @throws {InvalidEntry} If it is not valid.
 * @throws {Error} If the store cannot be used.
 */
async function readStoredManifest(
  kind: ManifestKind,
  { name, bytes }: StoredObject,
  store: Pick<CacheStore, "get">,
  signal: AbortSignal,
): Promise<StoreManifest | undefined> {
  const { maxBytes, read } = FORMATS[kind];
  if (bytes !== undefined && bytes <= maxBytes) {
    return await read(name, store, signal);
  }
  throw new InvalidEntry("a manifest is too large");
}

async function readDirectoryEntry(
  ...[path, store, signal]: Parameters<Format["read"]>
): Promise<StoreManifest | undefined> {
  const entry = await readEntry(path, store, signal);
  if (entry === undefined) return undefined;
  return { ...entry, packs: [packName(entry.namespace, entry.sha256)] };
}

async function readManifest(
  ...[path, store, signal]: Parameters<Format["read"]>
): Promise<StoreManifest | undefined> {
  const value = await readJson(path, MAX_BYTES, store, signal);
  if (value === undefined) return undefined;
  const manifest = decodeManifest(value);
  if (manifest?.namespace === path.split("/")[1]) return manifest;
  throw new InvalidEntry("a manifest is not valid");
}

function decodeManifest(value: unknown): StoreManifest | undefined {
  if (!isObject(value) || value.version !== 1) return undefined;
  const { namespace, name, key, sha256, expiresMs } = value;
  const packs = value.packs ?? (sha256 === undefined ? [] : [sha256]);
  const isValid = isCacheKey(namespace) && isCacheKey(name) &&
    (key === undefined || isCacheKey(key)) &&
    (expiresMs === undefined || Number.isSafeInteger(expiresMs)) &&
    Array.isArray(packs) && packs.length <= MAX_PACKS && packs.every(isSha256);
  if (!isValid) return undefined;
  return {
    namespace,
    name,
    key,
    packs: [...new Set(packs)].map((hash) => packName(namespace, hash)),
    expiresMs: expiresMs as number | undefined,
  };
}
