/**
 * An entry of the cache: a small JSON document that describes what was saved under
 * a key, and in which pack.
 *
 * The layout is the same in all stores. All objects of a namespace have its name
 * as their prefix, so that a server can grant access by prefix:
 *
 * - `v1/NAMESPACE/entries/NAME/HASH.json` is an entry. The hash is that of
 *   namespace, name and key, so that no key is a path, and no two keys collide
 *   on a file system that ignores case.
 * - `v1/NAMESPACE/packs/HASH` is a pack, named by the SHA-256 of its bytes.
 *   Entries with the same content share it.
 *
 * There are other manifests besides entries, see `prune.ts`.
 *
 * Nothing in a store is trusted: an entry must be exactly the requested one, and
 * the bytes of a pack must have the hash in its entry.
 *
 * @module
 */

import { OWN_DIRECTORY } from "../job_path.ts";
import { isSha256, sha256Hex } from "../fs/files.ts";
import { joinBytes } from "../bytes.ts";
import { CACHE_USE_NAME } from "../config/step_cache_config.ts";
import { isCount, isObject } from "../json_value.ts";
import type { CacheStore } from "./cache_store.ts";

/** First folder of all objects; it changes with the layout. */
export const LAYOUT = "v1";

/** Object with the names of the entries in a folder, because HTTP has no listing. */
export const ENTRY_INDEX = "index.json";

/** Names of caches and namespaces. */
export const CACHE_NAME: RegExp = CACHE_USE_NAME;

/** Maximum length of a key, in characters. */
const MAX_KEY_LENGTH = 512;

/** Maximum size of an entry, in bytes. */
export const MAX_ENTRY_BYTES = 256 * 1024;

/** Maximum length of a path, in characters; Linux allows 4,096 bytes. */
const MAX_PATH_LENGTH = 4_096;

/** Maximum number of objects and lists in a JSON document. */
const MAX_VALUES = 2_000_000;

const [BRACE, BRACKET] = new TextEncoder().encode("{[");

/** Maximum number of paths in an entry. */
const MAX_PATHS = 1_000;

/** An object that is not the entry that its name identifies. */
export class InvalidEntry extends Error {}

/** Identity of an entry. */
export interface EntryId {
  readonly namespace: string;
  /** Name of the cache. */
  readonly name: string;
  readonly key: string;
}

/** An entry of the cache. */
export interface CacheEntry extends EntryId {
  /** When it was saved, in milliseconds since 1970. */
  readonly createdMs: number;
  /** Format of the pack. */
  readonly format: "zstd" | "gzip";
  /** SHA-256 of the pack, in hexadecimal digits. */
  readonly sha256: string;
  /** Size of the pack, in bytes. */
  readonly packBytes: number;
  /** Size of the unpacked archive, in bytes. */
  readonly bytes: number;
  /** Number of files, directories and links. */
  readonly count: number;
  /** Saved paths, relative to the directory of the job, sorted. */
  readonly paths: readonly string[];
}

/** Returns the folder of the entries of a cache. */
export function entryFolder(namespace: string, name: string): string {
  return `${LAYOUT}/${namespace}/entries/${name}`;
}

/** Returns the name of an entry in a store. */
export async function entryName(id: EntryId): Promise<string> {
  const text = [id.namespace, id.name, id.key].join("\0");
  const hash = await sha256Hex(text);
  return `${entryFolder(id.namespace, id.name)}/${hash}.json`;
}

/** Returns the name of a pack in a store. */
export function packName(namespace: string, sha256: string): string {
  return `${LAYOUT}/${namespace}/packs/${sha256}`;
}

/**
 * Checks a key.
 *
 * @returns The problem, phrased to follow the name of the value; `undefined` if
 * there is none.
 */
export function keyProblem(key: string): string | undefined {
  if (key === "") return "is empty";
  if (key.length > MAX_KEY_LENGTH) {
    return `has more than ${MAX_KEY_LENGTH} characters`;
  }
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f]/.test(key) || !key.isWellFormed()
    ? "contains control characters"
    : undefined;
}

/** Writes an entry as JSON. */
export function encodeEntry(entry: CacheEntry): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    JSON.stringify({ version: 1, ...entry }, null, 2) + "\n",
  );
}

/**
 * Reads an entry from a store.
 *
 * @param path Name of the object, which contains a hash of the identity of the
 * entry. An entry that was moved to another name is therefore invalid.
 * @returns `undefined` if it does not exist.
 * @throws {InvalidEntry} If it is not an entry, or not the one of this name.
 * @throws {Error} If the store cannot be used.
 */
export async function readEntry(
  path: string,
  store: Pick<CacheStore, "get">,
  signal: AbortSignal,
): Promise<CacheEntry | undefined> {
  const value = await readJson(path, MAX_ENTRY_BYTES, store, signal);
  if (value === undefined) return undefined;
  const entry = decodeEntry(value);
  if (entry === undefined) throw new InvalidEntry("an entry is not valid");
  if (await entryName(entry) === path) return entry;
  throw new InvalidEntry("an entry belongs to another key");
}

/**
 * Reads an object that is JSON.
 *
 * @returns The value, `null` if it is not JSON; `undefined` if there is no
 * object.
 * @throws {Error} If the store cannot be used, or the object is too large.
 */
export async function readJson(
  path: string,
  maxBytes: number,
  store: Pick<CacheStore, "get">,
  signal: AbortSignal,
): Promise<unknown> {
  const content = await store.get(path, { maxBytes, signal });
  if (content === undefined) return undefined;
  return parseStored(await allBytes(content)) ?? null;
}

/**
 * Parses a JSON document of a store.
 *
 * @returns `undefined` if it is not JSON, or has so many objects and lists that it
 * may be an attack on the memory: they take up to forty times their size.
 */
export function parseStored(bytes: Uint8Array): unknown {
  let count = 0;
  // An index is several times faster than an iterator.
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === BRACE || bytes[at] === BRACKET) count++;
  }
  if (count > MAX_VALUES) return undefined;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** Joins the chunks of a small object. */
export async function allBytes(
  content: AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  return joinBytes(
    await Array.fromAsync(content, (part) => new Uint8Array(part)),
  );
}

function decodeEntry(value: unknown): CacheEntry | undefined {
  if (!isObject(value) || value.version !== 1) return undefined;
  const entry = value as unknown as CacheEntry;
  return isCacheName(entry.namespace) && isCacheName(entry.name) &&
      isCacheKey(entry.key) &&
      isCount(entry.createdMs) && isCount(entry.packBytes) &&
      isCount(entry.bytes) && isCount(entry.count) &&
      (entry.format === "zstd" || entry.format === "gzip") &&
      isSha256(entry.sha256) &&
      areSavedPaths(entry.paths)
    ? entry
    : undefined;
}

/**
 * Checks a path that is saved or restored, relative to the directory of the
 * job.
 *
 * @returns The problem, phrased to follow the path.
 */
export function savedPathProblem(path: string): string | undefined {
  const isPath = path.length <= MAX_PATH_LENGTH && path.isWellFormed() &&
    !path.includes("\0");
  if (!isPath) return "is not a path";
  const parts = path.split("/");
  if (path === "" || path === ".") return "is the directory of the job itself";
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    return "leads out of the directory of the job";
  }
  return parts[0] === OWN_DIRECTORY || parts.includes(".git")
    ? "belongs to the runner or to git"
    : undefined;
}

function areSavedPaths(paths: unknown): boolean {
  return Array.isArray(paths) && paths.length > 0 &&
    paths.length <= MAX_PATHS &&
    paths.every((path, at) =>
      typeof path === "string" && savedPathProblem(path) === undefined &&
      // A path inside another one would be restored twice.
      paths.every((other, index) =>
        index === at || !`${path}/`.startsWith(`${other}/`)
      )
    );
}

/** Checks whether a value is the name of a namespace or an entry. */
export function isCacheName(value: unknown): value is string {
  return typeof value === "string" && CACHE_NAME.test(value);
}

/** Checks whether a value is a valid key. */
export function isCacheKey(value: unknown): value is string {
  return typeof value === "string" && keyProblem(value) === undefined;
}
