import { join } from "@std/path/posix/join";
import { joinBytes } from "../bytes.ts";
import {
  InvalidEntry,
  isCacheKey,
  isCacheName,
  LAYOUT,
  packName,
  parseStored,
} from "../cache/cache_entry.ts";
import { type CacheStore, isListable } from "../cache/cache_store.ts";
import type { PackInfo } from "../cache/pack.ts";
import type { PackedEntry } from "../cache/tree_bytes.ts";
import { RunnerError } from "../errors.ts";
import { isSha256, sha256Hex } from "../fs/files.ts";
import { isCount, isObject } from "../json_value.ts";
import { guardPath } from "../workspace/guard.ts";
import {
  type ArtifactId,
  artifactPathProblem,
  type ArtifactStore,
  type SavedArtifact,
} from "./artifact.ts";

/** Maximum number of files, directories and links of an artifact. */
export const MAX_FILES = 500_000;

/** Maximum size of a manifest, in bytes. */
const MAX_MANIFEST_BYTES = 64 * 1024;

/** Maximum size of a list of files, in bytes. */
const MAX_LIST_BYTES = 256 * 1024 * 1024;

/** A manifest: describes an artifact, and where its content is. */
export interface ArtifactManifest extends ArtifactId, PackInfo {
  /** ID of the workflow. */
  readonly workflow: string;
  /** When it was saved, in milliseconds since 1970. */
  readonly createdMs: number;
  /** When it may be removed, in milliseconds since 1970. */
  readonly expiresMs: number;
  /** Size of the files, in bytes. */
  readonly fileBytes: number;
  /** The list of its files. */
  readonly files: { readonly sha256: string; readonly bytes: number };
}

/** A file, directory or link of an artifact. */
export interface ArtifactFile {
  /** Path relative to the directory that contains it. */
  readonly path: string;
  readonly type: PackedEntry["type"];
  /** Permission bits. */
  readonly mode: number;
  /** Size of a file, in bytes; 0 for other types. */
  readonly size: number;
  /** SHA-256 of the content of a file, in hexadecimal digits. */
  readonly sha256?: string;
  /** Target of a link, or path of an earlier file for a hard link. */
  readonly target?: string;
}

/** Returns the folder of the manifests of a namespace. */
function artifactFolder(namespace: string): string {
  return `${LAYOUT}/${namespace}/artifacts`;
}

/** Returns the name of a manifest in a store. */
export async function manifestName(id: ArtifactId): Promise<string> {
  const text = [id.namespace, id.run, id.job, id.name].join("\0");
  const hash = await sha256Hex(text);
  return `${artifactFolder(id.namespace)}/${hash}.json`;
}

/** Writes a manifest as JSON, with the properties of all manifests in a store. */
export function encodeManifest(
  manifest: ArtifactManifest,
): Uint8Array<ArrayBuffer> {
  const { sha256, files, job } = manifest;
  return encodeJson({
    version: 1,
    ...manifest,
    key: job,
    packs: [sha256, files.sha256],
  });
}

/** Writes the list of the files of an artifact. */
export function encodeFiles(
  files: readonly ArtifactFile[],
): Uint8Array<ArrayBuffer> {
  return encodeJson(files);
}

function encodeJson(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value) + "\n");
}

/**
 * Reads a manifest.
 *
 * @param sha256 Hash that it must have; `undefined` if it is not known.
 * @returns `undefined` if it does not exist.
 * @throws {InvalidEntry} If it is not the manifest that is expected.
 * @throws {Error} If the store cannot be used.
 */
export async function readArtifactManifest(
  path: string,
  sha256: string | undefined,
  store: Pick<CacheStore, "get">,
  signal: AbortSignal,
): Promise<ArtifactManifest | undefined> {
  const bytes = await readObject(path, MAX_MANIFEST_BYTES, store, signal);
  if (bytes === undefined) return undefined;
  if (sha256 !== undefined && await sha256Hex(bytes) !== sha256) {
    throw new InvalidEntry("its manifest was changed");
  }
  const value = parseStored(bytes);
  if (!isManifest(value)) throw new InvalidEntry("its manifest is not valid");
  if (await manifestName(value) === path) return value;
  throw new InvalidEntry("its manifest belongs to another artifact");
}

/**
 * Reads the list of the files of an artifact.
 *
 * @throws {InvalidEntry} If it is missing or not valid.
 * @throws {Error} If the store cannot be used.
 */
export async function readArtifactFiles(
  { namespace, files, count }: ArtifactManifest,
  store: Pick<CacheStore, "get">,
  signal: AbortSignal,
): Promise<readonly ArtifactFile[]> {
  const path = packName(namespace, files.sha256);
  const bytes = await readObject(path, files.bytes, store, signal);
  if (bytes === undefined) {
    throw new InvalidEntry("its content is no longer in the store");
  }
  if (await sha256Hex(bytes) !== files.sha256) {
    throw new InvalidEntry("the list of its files was changed");
  }
  const list = parseStored(bytes);
  if (!Array.isArray(list) || list.length !== count) {
    throw new InvalidEntry("the list of its files is not valid");
  }
  const seen = new Set<string>();
  for (const file of list) {
    const problem = findFileProblem(file, seen);
    if (problem !== undefined) throw new InvalidEntry(problem);
    seen.add(file.path);
  }
  return list;
}

async function readObject(
  path: string,
  maxBytes: number,
  store: Pick<CacheStore, "get">,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const content = await store.get(path, { maxBytes, signal });
  if (content === undefined) return undefined;
  return joinBytes(
    await Array.fromAsync(content, (part) => new Uint8Array(part)),
  );
}

function isManifest(value: unknown): value is ArtifactManifest {
  if (!isObject(value) || value.version !== 1) return false;
  const { files, format } = value;
  return isArtifactId(value) && isCacheKey(value.workflow) &&
    isCount(value.createdMs) && isCount(value.expiresMs) &&
    (format === "zstd" || format === "gzip") && isSha256(value.sha256) &&
    isCount(value.packBytes) && isCount(value.bytes) &&
    isCount(value.fileBytes) && isCount(value.count, MAX_FILES) &&
    isObject(files) && isSha256(files.sha256) &&
    isCount(files.bytes, MAX_LIST_BYTES);
}

/** Checks whether a value identifies an artifact that was saved. */
export function isSavedArtifact(value: unknown): value is SavedArtifact {
  return isObject(value) && isArtifactId(value) && isSha256(value.sha256) &&
    isCount(value.bytes) && isCount(value.count);
}

function isArtifactId(value: Record<string, unknown>): boolean {
  return isCacheName(value.namespace) && isCacheName(value.name) &&
    isCacheKey(value.run) &&
    isCacheKey(value.job);
}

function findFileProblem(
  file: unknown,
  seen: ReadonlySet<string>,
): string | undefined {
  const isValid = isObject(file) && typeof file.path === "string" &&
    isCount(file.mode, 0o777) && isCount(file.size) &&
    (file.type === "directory" ||
      file.type === "file" && isSha256(file.sha256) ||
      (file.type === "link" || file.type === "hard link") &&
        typeof file.target === "string");
  if (!isValid) return "the list of its files is not valid";
  const path = file.path as string;
  const problem = artifactPathProblem(path);
  if (problem !== undefined) return `${JSON.stringify(path)} ${problem}`;
  if (seen.has(path)) return `it contains ${JSON.stringify(path)} twice`;
  return undefined;
}

/** An artifact in a store. */
export interface ListedArtifact extends SavedArtifact {
  /** Its manifest in the store; `undefined` if it is missing or was changed. */
  readonly manifest: ArtifactManifest | undefined;
}

/**
 * Looks up artifacts from the results of jobs.
 *
 * @throws {Error} If the store cannot be used.
 */
export async function lookUpArtifacts(
  saved: readonly SavedArtifact[],
  { store }: ArtifactStore,
  signal: AbortSignal,
): Promise<ListedArtifact[]> {
  return await Promise.all(saved.map(async (artifact) => ({
    ...artifact,
    manifest: await readArtifactManifest(
      await manifestName(artifact),
      artifact.sha256,
      store,
      signal,
    ).catch(ignoreInvalid),
  })));
}

/**
 * Lists all artifacts of the namespace, the newest first.
 *
 * @throws {RunnerError} `invalid-config` if the store cannot be listed.
 * @throws {Error} If the store cannot be used.
 */
export async function listArtifacts(
  { store, namespace }: ArtifactStore,
  signal: AbortSignal,
): Promise<ArtifactManifest[]> {
  if (!isListable(store)) {
    throw new RunnerError(
      `Cannot list the artifacts in "${store.displayName}": the store cannot be listed`,
      { code: "invalid-config" },
    );
  }
  const manifests: ArtifactManifest[] = [];
  for await (
    const { name } of store.objects(artifactFolder(namespace), signal)
  ) {
    const manifest = await readArtifactManifest(name, undefined, store, signal)
      .catch(ignoreInvalid);
    if (manifest !== undefined) manifests.push(manifest);
  }
  return manifests.sort((a, b) =>
    b.createdMs - a.createdMs || (a.name < b.name ? -1 : 1)
  );
}

/** Treats an invalid manifest like a missing one. */
function ignoreInvalid(error: unknown): undefined {
  if (!(error instanceof InvalidEntry)) throw error;
}

/**
 * Checks that no link of an artifact leads out of its directory, directly or
 * through other links, and that no link leads to itself.
 *
 * @param directory Absolute path of the directory, without links.
 * @param onProblem Called with the path of the first invalid link.
 * @throws {RunnerError} `workspace` for the first invalid link.
 */
export async function checkLinks(
  files: readonly ArtifactFile[],
  directory: string,
  onProblem: (path: string) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  for (const { path, type, target } of files) {
    // Deno cannot open a path that is not UTF-8. If the path contains no links,
    // the target was checked when it was packed or unpacked.
    if (type !== "link" || !path.isWellFormed() || !target?.isWellFormed()) {
      continue;
    }
    try {
      await guardPath(directory, join(directory, path));
    } catch (error) {
      await onProblem(path);
      throw error;
    }
  }
}
