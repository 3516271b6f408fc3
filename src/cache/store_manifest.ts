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
 */

import { isSha256 } from "../fs/checksum.ts";
import { isObject } from "../json_value.ts";
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
import type { CacheStore, StoredObject } from "./cache_store.ts";

/** A manifest of any kind. */
export interface StoreManifest {
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
export type ManifestKind = keyof typeof FORMATS;

/** Maximum number of packs of a manifest. */
const MAX_PACKS = 10_000;

/** Kind of an object according to its name. */
export type ObjectKind = ManifestKind | "packs" | "index" | undefined;

/**
 * Returns the kind of an object by its name.
 *
 * @returns `undefined` if the name is not part of the layout.
 */
export function objectKind(path: string): ObjectKind {
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
export async function readStoredManifest(
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
