import { listed } from "../suggest.ts";
import { packName } from "../cache/cache_entry.ts";
import { type PackInfo, writePack } from "../cache/pack.ts";
import type { PackedEntry } from "../cache/tree_bytes.ts";
import { osReason, RunnerError } from "../errors.ts";
import { privateDirectory } from "../fs/temporary_directory.ts";
import type { Cancellation } from "../process/cancellation.ts";
import type {
  ArtifactDefinition,
  ArtifactId,
  ArtifactStore,
  SavedArtifact,
} from "./artifact.ts";
import {
  type ArtifactFile,
  type ArtifactManifest,
  checkLinks,
  encodeFiles,
  encodeManifest,
  manifestName,
  MAX_FILES,
} from "./artifact_manifest.ts";
import { sha256Hex } from "../fs/files.ts";
import { selectFiles } from "./select_files.ts";

/** The artifact that {@linkcode saveArtifact} saves, and its job. */
export interface SaveArtifactOptions extends Omit<ArtifactId, "name"> {
  readonly definition: ArtifactDefinition;
  /** Id of the workflow. */
  readonly workflow: string;
  /** Absolute path of the directory with the files, without links. */
  readonly directory: string;
}

/**
 * Saves the files of a directory that the patterns of an artifact select.
 *
 * Replaces an existing artifact of the same run, job and name. A killed process
 * leaves no partial artifact.
 *
 * @returns `undefined` if there are no files, and the artifact is optional.
 * @throws {RunnerError} `workspace` if a pattern matches nothing, or a file
 * cannot be saved; `output-failed` if the store cannot be used.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function saveArtifact(
  options: SaveArtifactOptions,
  context: ArtifactStore,
  cancellation: Cancellation,
): Promise<SavedArtifact | undefined> {
  const { definition: { name }, directory } = options;
  const { graceful: signal } = cancellation;
  try {
    using temporary = privateDirectory([
      ...context.store.temporaryParents,
      ...context.temporaryParents,
    ]);
    const file = `${temporary.path}/pack`;
    const packed = await pack(directory, file, options, {
      context,
      cancellation,
    });
    if (packed === undefined) return undefined;
    await checkLinks(packed.files, directory);
    return await store(file, packed, options, { context, signal });
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof RunnerError && cause.code === "workspace") {
      throw saveError(name, cause.message, "workspace", cause);
    }
    throw saveError(name, osReason(cause), "output-failed", cause);
  }
}

/** A written pack, and the list of its files. */
interface Packed {
  readonly facts: PackInfo;
  readonly files: readonly ArtifactFile[];
}

async function pack(
  directory: string,
  file: string,
  { definition: { paths, isOptional } }: SaveArtifactOptions,
  { context, cancellation }: {
    context: ArtifactStore;
    cancellation: Cancellation;
  },
): Promise<Packed | undefined> {
  const { env, maxBytes } = context;
  const selection = selectFiles(paths);
  const files: ArtifactFile[] = [];
  const facts = await writePack(directory, selection.select, file, {
    env,
    maxBytes,
    cancellation,
    onEntry(entry) {
      if (files.length === MAX_FILES) {
        throw new RangeError(`it has more than ${MAX_FILES} files`);
      }
      files.push(artifactFile(entry));
    },
  });
  const unmatched = selection.unmatched();
  if (unmatched.length > 0 && !isOptional) {
    throw new RunnerError(
      `no file matches ${
        listed(unmatched.map((pattern) => JSON.stringify(pattern)))
      }`,
      { code: "workspace" },
    );
  }
  if (facts.packBytes > maxBytes) {
    throw new RangeError(`it is larger than ${maxBytes} bytes`);
  }
  return files.length === 0 ? undefined : { facts, files };
}

function artifactFile(
  { name, type, mode, size, sha256, target }: PackedEntry,
): ArtifactFile {
  return { path: name, type, mode: mode & 0o777, size, sha256, target };
}

async function store(
  file: string,
  { facts, files }: Packed,
  { definition, directory: _, ...options }: SaveArtifactOptions,
  { context: { store }, signal }: {
    context: ArtifactStore;
    signal: AbortSignal;
  },
): Promise<SavedArtifact> {
  const { name, retentionMs } = definition;
  const { namespace, run, job } = options;
  const list = encodeFiles(files);
  const listHash = await sha256Hex(list);
  const createdMs = Date.now();
  const manifest: ArtifactManifest = {
    ...options,
    name,
    createdMs,
    expiresMs: createdMs + retentionMs,
    ...facts,
    fileBytes: files.reduce((sum, { size }) => sum + size, 0),
    files: { sha256: listHash, bytes: list.length },
  };
  const bytes = encodeManifest(manifest);
  // Without the lock, another process could prune the packs before the manifest
  // refers to them.
  using _lock = await store.lock();
  await store.put(packName(namespace, facts.sha256), { file }, signal);
  await store.put(packName(namespace, listHash), list, signal);
  await store.put(await manifestName(manifest), bytes, signal);
  return {
    ...{ namespace, run, job, name },
    sha256: await sha256Hex(bytes),
    bytes: manifest.fileBytes,
    count: files.length,
  };
}

function saveError(
  name: string,
  reason: string,
  code: "workspace" | "output-failed",
  cause: unknown,
): RunnerError {
  return new RunnerError(`Cannot save artifact "${name}": ${reason}`, {
    code,
    cause,
  });
}
