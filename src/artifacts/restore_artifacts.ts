import { join } from "@std/path/posix/join";
import { type ArchiveEntry, entryPath } from "../archive/entry.ts";
import { InvalidEntry } from "../cache/cache_entry.ts";
import { recordUse } from "../cache/cache_store.ts";
import { renamePath, unpackPack } from "../cache/pack.ts";
import { fetchPack } from "../cache/saved_directories.ts";
import { osReason, RunnerError } from "../errors.ts";
import { DirectoryReader, runFileCommands } from "../fs/byte_names.ts";
import { lstatIfThere } from "../fs/files.ts";
import { HeldDirectory } from "../fs/held_directory.ts";
import { privateDirectory } from "../fs/temporary_directory.ts";
import { readableError } from "../fs/untrusted_file.ts";
import type { Cancellation } from "../process/cancellation.ts";
import { removeInParent } from "../workspace/held_parent.ts";
import { emptyDirectory } from "../workspace/remove.ts";
import type { ArtifactStore, SavedArtifact } from "./artifact.ts";
import {
  type ArtifactFile,
  type ArtifactManifest,
  checkLinks,
  manifestName,
  readArtifactFiles,
  readArtifactManifest,
} from "./artifact_manifest.ts";
import { pathMatcher } from "./select_files.ts";

/** An artifact to restore. */
export interface RestoreArtifact {
  readonly saved: SavedArtifact;
  /**
   * Patterns that select each of its files.
   *
   * @default {every path that does not belong to git or to the runner}
   */
  readonly patterns?: readonly string[];
}

/** Where {@linkcode restoreArtifacts} writes. */
export interface RestorePlace {
  /** Absolute path of the directory for the files, without links. */
  readonly directory: string;
  /**
   * Absolute path of the parent of temporary directories, on the same file
   * system.
   */
  readonly temporary: string;
}

/**
 * Restores artifacts into a directory.
 *
 * Everything is checked, and unpacked into a private directory, before the first
 * file is moved to its place. Existing files are replaced, and existing directories
 * are merged. Nothing is written through a link, and no link may lead out of the
 * directory.
 *
 * @throws {RunnerError} `workspace` with the name of an artifact that cannot be
 * restored: it is missing, was changed, contains an unexpected file, or something
 * is in the way.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function restoreArtifacts(
  artifacts: readonly RestoreArtifact[],
  { directory, temporary }: RestorePlace,
  context: ArtifactStore,
  cancellation: Cancellation,
): Promise<void> {
  const work = { context, cancellation };
  const opened: OpenedArtifact[] = [];
  for (const artifact of artifacts) {
    await withName(artifact, work, async () => {
      opened.push(await open(artifact, work));
    });
  }
  checkOverlaps(opened);
  for (const artifact of opened) {
    await withName(
      artifact,
      work,
      () => checkPlaces(artifact.files, directory),
    );
  }
  using unpacked = privateDirectory([temporary]);
  try {
    for (const [at, artifact] of opened.entries()) {
      await withName(artifact, work, async () => {
        await Deno.mkdir(`${unpacked.path}/${at}`);
        await unpackArtifact(artifact, `${unpacked.path}/${at}`, work);
      });
    }
    for (const [at, artifact] of opened.entries()) {
      cancellation.graceful.throwIfAborted();
      await withName(artifact, work, async () => {
        await mergeTree(`${unpacked.path}/${at}`, directory);
        await removeLinksOut(artifact.files, directory);
        await recordUse(
          context.store,
          await manifestName(artifact.saved),
          cancellation.graceful,
        );
      });
    }
  } finally {
    // It also removes names that are not UTF-8 in directories without write
    // permission.
    await emptyDirectory(unpacked.path);
  }
}

interface Work {
  readonly context: ArtifactStore;
  readonly cancellation: Cancellation;
}

/** An artifact whose manifest and list of files were read and checked. */
interface OpenedArtifact extends RestoreArtifact {
  readonly manifest: ArtifactManifest;
  readonly files: readonly ArtifactFile[];
}

/** Runs an action for an artifact, and adds the name of the artifact to errors. */
async function withName(
  { saved: { name, job } }: RestoreArtifact,
  { cancellation: { graceful } }: Work,
  action: () => Promise<void>,
): Promise<void> {
  try {
    await action();
  } catch (cause) {
    graceful.throwIfAborted();
    throw restoreError(name, job, osReason(cause), cause);
  }
}

async function open(
  artifact: RestoreArtifact,
  { context: { store, maxBytes }, cancellation: { graceful } }: Work,
): Promise<OpenedArtifact> {
  const { saved, patterns } = artifact;
  const path = await manifestName(saved);
  const manifest = await readArtifactManifest(
    path,
    saved.sha256,
    store,
    graceful,
  );
  if (manifest === undefined) throw new InvalidEntry(MISSING_REASON);
  if (manifest.bytes > maxBytes || manifest.packBytes > maxBytes) {
    throw new RangeError(`it is larger than ${maxBytes} bytes`);
  }
  const files = await readArtifactFiles(manifest, store, graceful);
  const isExpected = patterns === undefined
    ? () => true
    : pathMatcher(patterns);
  const unexpected = files.find(({ path }) => !isExpected(path));
  if (unexpected === undefined) return { ...artifact, manifest, files };
  throw new InvalidEntry(
    `it contains ${
      JSON.stringify(unexpected.path)
    }, which its definition does not select`,
  );
}

const MISSING_REASON = "it is not in the store; it may have expired";

/**
 * Checks that no two artifacts have different contents for a path, so that the
 * result does not depend on their order.
 */
function checkOverlaps(artifacts: readonly OpenedArtifact[]): void {
  if (artifacts.length < 2) return;
  const known = new Map<string, [OpenedArtifact, ArtifactFile]>();
  const directories = new Map<string, OpenedArtifact>();
  for (const artifact of artifacts) {
    for (const file of artifact.files) {
      const [other, same] = known.get(file.path) ?? [artifact, file];
      if (!isSame(file, same)) {
        throw overlapError(file.path, artifact, other);
      }
      known.set(file.path, [artifact, file]);
      const names = file.path.split("/");
      const depth = file.type === "directory" ? names.length : names.length - 1;
      for (let length = 1; length <= depth; length++) {
        directories.set(names.slice(0, length).join("/"), artifact);
      }
    }
  }
  for (const [path, [artifact, { type }]] of known) {
    const other = directories.get(path);
    if (other !== undefined && type !== "directory") {
      throw overlapError(path, artifact, other);
    }
  }
}

function isSame(a: ArtifactFile, b: ArtifactFile): boolean {
  if (a.type === "directory" || a.type !== b.type) return a.type === b.type;
  return a.mode === b.mode && a.sha256 === b.sha256 && a.target === b.target;
}

function overlapError(
  path: string,
  { saved: { name, job } }: OpenedArtifact,
  { saved: other }: OpenedArtifact,
): RunnerError {
  return restoreError(
    name,
    job,
    `it and artifact "${other.name}" of job "${other.job}" have different contents for ${
      JSON.stringify(path)
    }`,
  );
}

/**
 * Checks that every file of an artifact can be moved to its place, before the first
 * file is moved.
 */
async function checkPlaces(
  files: readonly ArtifactFile[],
  directory: string,
): Promise<void> {
  /** Whether a directory exists, by its path. */
  const known = new Map<string, boolean>([["", true]]);
  const hasDirectory = async (path: string): Promise<boolean> => {
    const found = known.get(path);
    if (found !== undefined) return found;
    const slash = path.lastIndexOf("/");
    const parent = path.slice(0, Math.max(0, slash));
    const info = await hasDirectory(parent)
      ? await lstatIfThere(join(directory, path))
      : undefined;
    if (info?.isDirectory === false) throw conflictError(path, info);
    known.set(path, info !== undefined);
    return info !== undefined;
  };
  for (const { path, type } of files) {
    if (type === "directory") {
      await hasDirectory(path);
      continue;
    }
    const slash = path.lastIndexOf("/");
    if (!await hasDirectory(path.slice(0, Math.max(0, slash)))) continue;
    const info = await lstatIfThere(join(directory, path));
    if (info?.isDirectory) throw conflictError(path, info);
  }
}

function conflictError(
  path: string,
  { isDirectory, isSymlink }: { isDirectory: boolean; isSymlink: boolean },
): Error {
  const kind = isDirectory ? "directory" : isSymlink ? "link" : "file";
  return new Error(`a ${kind} is in the way at ${JSON.stringify(path)}`);
}

async function unpackArtifact(
  { manifest, files }: OpenedArtifact,
  target: string,
  { context, cancellation }: Work,
): Promise<void> {
  const { store, env, maxBytes, temporaryParents } = context;
  using temporary = privateDirectory([
    ...store.temporaryParents,
    ...temporaryParents,
  ]);
  const file = `${temporary.path}/pack`;
  const state = await fetchPack(manifest, file, {
    store,
    cancellation,
    maxBytes,
    storeBytes: maxBytes,
  });
  if (state === "missing") throw new InvalidEntry(MISSING_REASON);
  if (state === "changed") throw new InvalidEntry("its content was changed");
  const expected = new Map(files.map((file) => [file.path, file]));
  await unpackPack(
    file,
    manifest,
    target,
    { env, maxBytes, cancellation },
    (entries) => checkEntries(entries, expected),
  );
  if (expected.size > 0) {
    const [missing] = expected.keys();
    throw new InvalidEntry(
      `its content does not include ${JSON.stringify(missing)}`,
    );
  }
}

/**
 * Checks that a pack contains exactly the files of the list.
 *
 * @param expected Files by path; files that are found are removed from the map.
 */
async function* checkEntries(
  entries: AsyncIterable<ArchiveEntry>,
  expected: Map<string, ArtifactFile>,
): AsyncGenerator<ArchiveEntry> {
  const { createHash } = await import("node:crypto");
  for await (const entry of entries) {
    const path = entryPath(entry.name);
    const file = expected.get(path);
    const problem = () =>
      new InvalidEntry(
        `${JSON.stringify(path)} differs from the list of its files`,
      );
    const isListed = file?.type === entry.type &&
      file.mode === (entry.mode & 0o777) &&
      (file.target ?? "") === (entry.target ?? "");
    if (!isListed) throw problem();
    expected.delete(path);
    if (entry.type !== "file") {
      yield entry;
      continue;
    }
    const { content = new Uint8Array() } = entry;
    const hash = createHash("sha256");
    if (content instanceof Uint8Array) {
      if (hash.update(content).digest("hex") !== file?.sha256) throw problem();
      yield entry;
      continue;
    }
    yield {
      ...entry,
      content: (async function* () {
        for await (const bytes of content) {
          hash.update(bytes);
          yield bytes;
        }
        if (hash.digest("hex") !== file?.sha256) throw problem();
      })(),
    };
  }
}

/** Removes restored links that lead out through existing links of the directory. */
async function removeLinksOut(
  files: readonly ArtifactFile[],
  directory: string,
): Promise<void> {
  await checkLinks(
    files,
    directory,
    (path) => removeInParent(directory, path),
  );
}

function restoreError(
  name: string,
  job: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(
    `Cannot restore artifact "${name}" of job "${job}": ${reason}`,
    { code: "workspace", cause },
  );
}

/**
 * Moves everything in a directory into another one on the same file system.
 *
 * A directory is merged into a directory with the same name, which keeps its
 * permissions. A file or link replaces a file or link. Nothing is written
 * through a link, not even through one that a step creates meanwhile.
 *
 * @param from Absolute path of the directory, without links.
 * @param to Absolute path of the other one, without links.
 * @throws {Error} If something is in the way.
 */
export async function mergeTree(from: string, to: string): Promise<void> {
  using reader = new DirectoryReader([]);
  using held = await HeldDirectory.open(to).catch((error) => {
    throw readableError(error);
  });
  await merge({ from, to: held, displayPath: "" }, reader);
}

/** Two directories. */
interface Directories {
  /** Path of a {@linkcode DirectoryReader}. */
  readonly from: string;
  readonly to: HeldDirectory;
  /** Path to show, relative to the first directories. */
  readonly displayPath: string;
}

async function merge(
  { from, to, displayPath }: Directories,
  reader: DirectoryReader,
): Promise<void> {
  await makeWritable(from);
  const entries = await reader.read(from);
  const existing = new Map(
    entries.length === 0
      ? []
      : (await reader.read(to.path)).map((entry) => [entry.name, entry]),
  );
  for (const entry of entries) {
    const { name, isDirectory } = entry;
    const path = displayPath === "" ? name : `${displayPath}/${name}`;
    const old = existing.get(name);
    if (old !== undefined && (isDirectory || old.isDirectory)) {
      if (!isDirectory || !old.isDirectory) throw conflictError(path, old);
      using inner = await to.openDirectory(name, old.path).catch((error) => {
        throw readableError(error);
      });
      await merge({ from: entry.path, to: inner, displayPath: path }, reader);
    } else if (name.isWellFormed()) {
      await moveTo(join(from, name), join(to.path, name), path);
    } else {
      const command = old === undefined ? "rename" : "replace";
      await runFileCommands([[
        command,
        join(from, name),
        join(to.path, name),
      ]]);
    }
  }
}

async function moveTo(from: string, to: string, path: string): Promise<void> {
  const existing = await lstatIfThere(to);
  // A name that is not listed may still exist, such as on a file system that
  // ignores case.
  if (existing?.isDirectory) throw conflictError(path, existing);
  await renamePath(from, to);
}

/** Adds permissions to list and move the entries of a directory. */
async function makeWritable(directory: string): Promise<void> {
  const { mode } = await Deno.stat(directory);
  if (mode === null || (mode & 0o700) === 0o700) return;
  await Deno.chmod(directory, (mode & 0o777) | 0o700);
}
