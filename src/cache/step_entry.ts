/**
 * The result of a step in the cache: a manifest that describes the result and its
 * inputs, and in which packs its files and its log are.
 *
 * - `v1/NAMESPACE/steps/STEP/KEY` is a result. STEP is a hash of the identity of
 *   the step, KEY a hash of the parts of its key. The manifest contains these
 *   parts, so it is invalid under any other name.
 * - `v1/NAMESPACE/steps/STEP/last` has the key of the result that was saved last.
 *   It is only used to explain what has changed since.
 *
 * @module
 */

import { isSha256, sha256Hex } from "../fs/files.ts";
import { isCount, isObject } from "../json_value.ts";
import {
  allBytes,
  type CacheEntry,
  InvalidEntry,
  LAYOUT,
  packName,
  readJson,
  savedPathProblem,
} from "./cache_entry.ts";
import type { CacheStore } from "./cache_store.ts";

/** Maximum size of a manifest, in bytes. */
export const MAX_STEP_ENTRY_BYTES = 64 * 1024 * 1024;

/** Version of the manifest. */
const VERSION = 1;

/** Maximum size of a log that is stored in the manifest, in bytes. */
export const MAX_INLINE_LOG_BYTES = 32 * 1024;

/** Maximum number of changes between the two streams of a log. */
export const MAX_LOG_PARTS = 100_000;

/** Maximum size of a log, in bytes. */
export const MAX_LOG_BYTES = 16 * 1024 * 1024;

/** The parts of a key: hashes and facts by their names. */
export type KeyParts = Readonly<Record<string, string>>;

/** A file, a link or an empty directory that a step created. */
export interface OutputFile {
  /** Path relative to the directory of the job. */
  readonly path: string;
  readonly type: "file" | "link" | "directory";
  /** Permissions; 0 for a link. */
  readonly mode: number;
  /** SHA-256 of the content, or the target of a link; empty for a directory. */
  readonly content: string;
}

/** A part of the log of a step. */
export interface StoredLogPart {
  readonly stream: "stdout" | "stderr";
  readonly length: number;
}

/** The log of a step, masked. */
export interface StoredLog {
  readonly parts: readonly StoredLogPart[];
  /** The bytes in base64; otherwise, they are in a pack. */
  readonly inline?: string;
  /** SHA-256 of the pack, which is not compressed. */
  readonly sha256?: string;
}

/** Identity of the result of a step. */
export interface StepEntryId {
  readonly namespace: string;
  /** Hash of the identity of the step. */
  readonly step: string;
  /** Hash of the parts of the key. */
  readonly key: string;
}

/** Properties of the pack with the files of a step. */
export type StepPack = Pick<
  CacheEntry,
  "format" | "sha256" | "packBytes" | "bytes" | "count"
>;

/** The result of a step. */
export interface StepEntry extends StepEntryId {
  /** Name of the step. */
  readonly name: string;
  /** When it was saved, in milliseconds since 1970. */
  readonly createdMs: number;
  /** How long the step took, in milliseconds. */
  readonly durationMs: number;
  readonly parts: KeyParts;
  /** Sorted by path; no path is below another one. */
  readonly outputs: readonly OutputFile[];
  /** Outputs that the step wrote to the file of its outputs. */
  readonly values: Readonly<Record<string, string>>;
  readonly log: StoredLog;
  /** Missing if the step created no files. */
  readonly pack?: StepPack;
}

/** A result that was not saved, and must not be. */
export class Unsavable extends Error {}

/** Returns the name of a result in a store. */
export function stepEntryName({ namespace, step, key }: StepEntryId): string {
  return `${LAYOUT}/${namespace}/steps/${step}/${key}`;
}

/** Returns the name of the object that names the last result of a step. */
export function lastEntryName(
  { namespace, step }: Omit<StepEntryId, "key">,
): string {
  return `${LAYOUT}/${namespace}/steps/${step}/last`;
}

/** Returns the hash of the parts of a key. */
export async function keyOfParts(parts: KeyParts): Promise<string> {
  const sorted = Object.keys(parts).sort().map((name) => [name, parts[name]]);
  return await sha256Hex(JSON.stringify(sorted));
}

/** Writes a result as a manifest. */
export async function encodeStepEntry(
  entry: StepEntry,
): Promise<Uint8Array<ArrayBuffer>> {
  const packs = [entry.pack?.sha256, entry.log.sha256]
    .filter((hash) => hash !== undefined);
  const content = { version: VERSION, ...entry, packs };
  return encode({ ...content, checksum: await computeChecksum(content) });
}

/** Detects damaged manifests; it does not protect against deliberate changes. */
async function computeChecksum(content: object): Promise<string> {
  return await sha256Hex(JSON.stringify(content));
}

/** Writes the object that names the last result of a step. */
export function encodeLastEntry(
  { namespace, step, key, name }: StepEntryId & { readonly name: string },
): Uint8Array<ArrayBuffer> {
  return encode({ version: 1, namespace, name, step, key, packs: [] });
}

function encode(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

/**
 * Reads a result.
 *
 * @returns `undefined` if it does not exist.
 * @throws {InvalidEntry} If it is not valid, or not the one of this name.
 * @throws {Error} If the store cannot be used.
 */
export async function readStepEntry(
  id: StepEntryId,
  store: Pick<CacheStore, "get">,
  signal: AbortSignal,
): Promise<StepEntry | undefined> {
  const path = stepEntryName(id);
  const value = await readJson(path, MAX_STEP_ENTRY_BYTES, store, signal);
  if (value === undefined) return undefined;
  const { checksum, ...content } = isObject(value) ? value : {};
  const entry = content as unknown as StepEntry;
  const isValid = isStepEntry(content) &&
    checksum === await computeChecksum(content);
  if (!isValid) throw new InvalidEntry("a result is not valid");
  const hasExpectedId = entry.namespace === id.namespace &&
    entry.step === id.step &&
    entry.key === id.key && await keyOfParts(entry.parts) === id.key;
  if (hasExpectedId) return entry;
  throw new InvalidEntry("a result belongs to another key");
}

/**
 * Reads the key of the result of a step that was saved last.
 *
 * @returns Its key; `undefined` if it is not known.
 * @throws {Error} If the store cannot be used.
 */
export async function readLastKey(
  id: Omit<StepEntryId, "key">,
  store: Pick<CacheStore, "get">,
  signal: AbortSignal,
): Promise<string | undefined> {
  const path = lastEntryName(id);
  const value = await readJson(path, MAX_STEP_ENTRY_BYTES, store, signal);
  return isObject(value) && isSha256(value.key) ? value.key : undefined;
}

/**
 * Checks whether a result is in the store.
 *
 * @throws {Error} If the store cannot be used.
 */
export async function hasStepEntry(
  id: StepEntryId,
  store: Pick<CacheStore, "getSize">,
  signal: AbortSignal,
): Promise<boolean> {
  return await store.getSize(stepEntryName(id), signal) !== undefined;
}

/**
 * Reads the log of a result.
 *
 * @returns Its bytes; `undefined` if they are gone.
 * @throws {Error} If they do not match the manifest, or the store cannot be used.
 */
export async function readStepLog(
  { namespace, log }: Pick<StepEntry, "namespace" | "log">,
  store: Pick<CacheStore, "get">,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { inline, sha256, parts } = log;
  let bytes: Uint8Array<ArrayBuffer>;
  if (sha256 === undefined) bytes = Uint8Array.fromBase64(inline ?? "");
  else {
    const maxBytes = MAX_LOG_BYTES;
    const name = packName(namespace, sha256);
    const content = await store.get(name, { maxBytes, signal });
    if (content === undefined) return undefined;
    bytes = new Uint8Array(await allBytes(content));
    if (await sha256Hex(bytes) !== sha256) {
      throw new Error("the content of a log does not match its checksum");
    }
  }
  const total = parts.reduce((sum, { length }) => sum + length, 0);
  if (total === bytes.length) return bytes;
  throw new Error("the length of a log differs from its result");
}

function isStepEntry(value: unknown): boolean {
  if (!isObject(value) || value.version !== VERSION) return false;
  const entry = value as unknown as StepEntry;
  return typeof entry.name === "string" && isSha256(entry.step) &&
    isCount(entry.createdMs) && isTime(entry.durationMs) &&
    areTexts(entry.parts) && areValues(entry.values) &&
    areOutputs(entry.outputs) && isLog(entry.log) &&
    (entry.pack === undefined
      ? entry.outputs.length === 0
      : isPack(entry.pack));
}

function isPack(pack: unknown): boolean {
  return isObject(pack) && isSha256(pack.sha256) && isCount(pack.packBytes) &&
    isCount(pack.bytes) && isCount(pack.count) &&
    (pack.format === "zstd" || pack.format === "gzip");
}

function areOutputs(outputs: unknown): boolean {
  if (!Array.isArray(outputs)) return false;
  const paths = new Set<string>();
  for (const output of outputs) {
    if (!isObject(output) || typeof output.path !== "string") return false;
    const { path, type, mode, content } = output;
    const isValid = savedPathProblem(path) === undefined && isCount(mode) &&
      mode <= 0o777 && typeof content === "string" &&
      (type === "file"
        ? isSha256(content)
        : type === "link"
        ? content !== "" && !content.includes("\0")
        : type === "directory" && content === "");
    if (!isValid || paths.has(path)) return false;
    paths.add(path);
  }
  // A path inside another one would be restored twice. In this order, it comes
  // directly after the other one.
  const sorted = [...paths].map((path) => `${path}/`).sort();
  return sorted.every((path, at) =>
    at === 0 || !path.startsWith(sorted[at - 1])
  );
}

/** Returns the paths of all directories that contain a path. */
export function parentPaths(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join("/"));
}

function isLog(log: unknown): boolean {
  if (!isObject(log) || !Array.isArray(log.parts)) return false;
  if (log.parts.length > MAX_LOG_PARTS) return false;
  const hasBytes = log.sha256 === undefined
    ? typeof log.inline === "string"
    : isSha256(log.sha256);
  let total = 0;
  for (const part of log.parts) {
    const { stream, length } = isObject(part) ? part : {};
    if (stream !== "stdout" && stream !== "stderr") return false;
    if (!isCount(length)) return false;
    total += length;
  }
  return hasBytes && total <= MAX_LOG_BYTES;
}

/** Checks outputs of a step, which become variables of other steps. */
function areValues(value: unknown): boolean {
  return areTexts(value) &&
    Object.keys(value as object).every((key) => /^[\w-]+$/.test(key));
}

function areTexts(value: unknown): boolean {
  return isObject(value) &&
    Object.values(value).every((text) => typeof text === "string");
}

function isTime(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
