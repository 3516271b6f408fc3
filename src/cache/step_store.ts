import { privateDirectory } from "../fs/temporary_directory.ts";
import { packName } from "./cache_entry.ts";
import { restorePack, SMALL_PACK_BYTES, writePack } from "./pack.ts";
import { type CacheContext, fetchPack, readPack } from "./saved_directories.ts";
import {
  encodeLastEntry,
  encodeStepEntry,
  lastEntryName,
  MAX_INLINE_LOG_BYTES,
  MAX_STEP_ENTRY_BYTES,
  type OutputFile,
  parentPaths,
  type StepEntry,
  stepEntryName,
  type StepPack,
  type StoredLog,
  Unsavable,
} from "./step_entry.ts";
import type { PackedEntry } from "./tree_bytes.ts";
import { sha256Hex } from "../fs/files.ts";

/** A result of a step to save. */
export interface NewStepEntry
  extends Omit<StepEntry, "createdMs" | "log" | "pack"> {
  readonly log: Pick<StepEntry["log"], "parts">;
  /** Masked bytes of the log. */
  readonly logBytes: Uint8Array<ArrayBuffer>;
}

/**
 * Saves the result of a step, unless a valid one exists. Its packs are written
 * before the manifest that refers to them.
 *
 * @param isSecret Checks whether the manifest contains a secret.
 * @throws {Unsavable} If its files changed since they were hashed, it is larger
 * than the limit, or contains a secret.
 * @throws {RunnerError} `workspace` if a file cannot be saved.
 * @throws {Error} If the store cannot be used.
 */
export async function saveStepEntry(
  { logBytes, ...result }: NewStepEntry,
  context: CacheContext,
  isSecret: (text: string) => boolean,
): Promise<StepEntry> {
  const { store, cancellation: { graceful: signal } } = context;
  using temporary = privateDirectory([
    ...store.temporaryParents,
    ...context.temporaryParents,
  ]);
  const file = `${temporary.path}/pack`;
  const pack = result.outputs.length === 0
    ? undefined
    : await packOutputs(result.outputs, file, context);
  const isInline = logBytes.length <= MAX_INLINE_LOG_BYTES;
  const log: StoredLog = {
    ...result.log,
    ...isInline
      ? { inline: logBytes.toBase64() }
      : { sha256: await sha256Hex(logBytes) },
  };
  const entry: StepEntry = {
    ...result,
    createdMs: Date.now(),
    log,
    ...pack === undefined ? {} : { pack },
  };
  const manifest = await encodeStepEntry(entry);
  if (manifest.length > MAX_STEP_ENTRY_BYTES) {
    throw new Unsavable("it has too many files");
  }
  if (isSecret(new TextDecoder().decode(manifest))) {
    throw new Unsavable("it contains a secret");
  }
  const { namespace } = entry;
  // Without the lock, another process could prune a pack before the manifest
  // refers to it.
  using _ = await store.lock();
  const name = stepEntryName(entry);
  if (pack !== undefined) {
    await store.put(packName(namespace, pack.sha256), { file }, signal);
  }
  if (log.sha256 !== undefined) {
    await store.put(packName(namespace, log.sha256), logBytes, signal);
  }
  await store.put(name, manifest, signal);
  await store.put(lastEntryName(entry), encodeLastEntry(entry), signal);
  return entry;
}

async function packOutputs(
  outputs: readonly OutputFile[],
  file: string,
  context: CacheContext,
): Promise<StepPack> {
  const expected = new Map(outputs.map((output) => [output.path, output]));
  const parents = new Set(outputs.flatMap(({ path }) => parentPaths(path)));
  const hashes = new Map<string, string | undefined>();
  const onEntry = (entry: PackedEntry) => {
    const { name, type, target } = entry;
    const sha256 = type === "hard link"
      ? hashes.get(target ?? "")
      : entry.sha256;
    hashes.set(name, sha256);
    const output = expected.get(name);
    const content = { file: sha256, "hard link": sha256, link: target }[
      type as string
    ] ?? "";
    const isSame = output?.content === content &&
      (type === "link" || output.mode === (entry.mode & 0o777));
    if (!isSame) {
      throw new Unsavable(`"${name}" changed after the step had ended`);
    }
    expected.delete(name);
  };
  let packInfo: StepPack;
  try {
    packInfo = await writePack(
      context.root,
      (path) =>
        expected.has(path) ? "all" : parents.has(path) ? "inside" : "none",
      file,
      { ...context, onEntry },
    );
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Unsavable("it is larger than the limit", { cause: error });
  }
  if (packInfo.packBytes > context.storeBytes) {
    throw new Unsavable("it is larger than the limit");
  }
  const [missing] = expected.keys();
  if (missing === undefined) return packInfo;
  throw new Unsavable(`"${missing}" was removed after the step had ended`);
}

/**
 * Restores files of a result from its pack. All files are verified before the first
 * one is moved to its place.
 *
 * @param paths Paths of the outputs that are restored.
 * @returns `false` if the pack is gone.
 * @throws {Error} If the pack does not match the manifest, or cannot be restored.
 */
export async function restoreOutputs(
  { namespace, pack }: Pick<StepEntry, "namespace" | "pack">,
  paths: readonly string[],
  context: CacheContext,
): Promise<boolean> {
  if (pack === undefined) return false;
  const restored = { ...pack, paths };
  if (Math.max(pack.bytes, pack.packBytes) <= SMALL_PACK_BYTES) {
    const content = await readPack({ namespace, ...pack }, context);
    if (content === "missing") return false;
    if (content === "changed") throw createChecksumError();
    await restorePack(content, restored, context.root, context);
    return true;
  }
  using temporary = privateDirectory([
    ...context.store.temporaryParents,
    ...context.temporaryParents,
  ]);
  const file = `${temporary.path}/pack`;
  const state = await fetchPack({ namespace, ...pack }, file, context);
  if (state === "missing") return false;
  if (state === "changed") throw createChecksumError();
  await restorePack(file, restored, context.root, context);
  return true;
}

function createChecksumError(): Error {
  return new Error("the content of a pack does not match its checksum");
}
