import { CACHE_NAME, packName } from "../cache/cache_entry.ts";
import { openStore } from "../cache/open_store.ts";
import { type PackInfo, writePack } from "../cache/pack.ts";
import type { PackedEntry } from "../cache/tree_bytes.ts";
import { readOptions } from "../config/load_config.ts";
import { childEnvironment } from "../environment/child_environment.ts";
import { osReason, RunnerError } from "../errors.ts";
import { sha256Hex } from "../fs/files.ts";
import { privateDirectory } from "../fs/temporary_directory.ts";
import type { Host } from "../host.ts";
import type { Cancellation } from "../process/cancellation.ts";
import { listed } from "../suggest.ts";
import { guardPath, realPath } from "../workspace/guard.ts";
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
import { restoreArtifacts } from "./restore_artifacts.ts";
import { selectFiles } from "./select_files.ts";

/** An artifact that a job needs, and its saved versions. */
export interface NeededArtifact {
  /** Name of the job that defines it. */
  readonly job: string;
  readonly definition: ArtifactDefinition;
  /** Saved artifacts, one for each instance of the job that defines it. */
  readonly saved: readonly SavedArtifact[];
}

/** Restores artifacts that a job needs, and saves those that it defines. */
export interface JobArtifacts {
  /**
   * Restores the artifacts that the job needs. Called after its source has been
   * prepared and before its command starts.
   *
   * @throws {RunnerError} `workspace` if an artifact is missing or cannot be
   * restored.
   */
  restore(cancellation: Cancellation): Promise<readonly SavedArtifact[]>;
  /**
   * Saves the artifacts of the job. Called after its last program has ended.
   *
   * @param outcome How the job ended.
   * @param onProblem Called with the reason for each artifact of a failed job
   * that cannot be saved.
   * @throws {RunnerError} `workspace` or `output-failed` if an artifact of a
   * job that succeeded cannot be saved.
   */
  save(
    outcome: "success" | "failed",
    cancellation: Cancellation,
    onProblem: (error: RunnerError) => void,
  ): Promise<readonly SavedArtifact[]>;
}

/** Options for {@linkcode jobArtifacts}. */
export interface JobArtifactsOptions {
  /** Artifacts that the job saves. */
  readonly definitions: readonly ArtifactDefinition[];
  /** Artifacts that the job needs. */
  readonly needs: readonly NeededArtifact[];
  /** ID of the run. */
  readonly run: string;
  /** ID of the workflow. */
  readonly workflow: string;
  /** Key of the job, unique in the run. */
  readonly job: string;
  /** Absolute path of the workspace of the job. */
  readonly workspace: string;
  /** Absolute path of the directory with the files, in the workspace. */
  readonly directory: string;
  /** Absolute path for temporary directories, on the same file system. */
  readonly temporary: string;
  /** Opens the store, if the job needs it. */
  readonly openStore: () => Promise<ArtifactStore>;
}

/** Creates the object that restores and saves the artifacts of a job. */
export function jobArtifacts(options: JobArtifactsOptions): JobArtifacts {
  const { definitions, needs } = options;
  return {
    async restore(cancellation) {
      const artifacts = needs.flatMap(({ job, definition, saved }) => {
        if (saved.length === 0 && !definition.isOptional) {
          throw missingError(definition.name, job);
        }
        const patterns = definition.paths;
        return saved.map((artifact) => ({ saved: artifact, patterns }));
      });
      if (artifacts.length === 0 && definitions.length === 0) return [];
      // Opens the store first, so that the job does not run if that fails.
      const store = await options.openStore();
      if (artifacts.length === 0) return [];
      const { workspace, temporary } = options;
      const directory = await guardPath(workspace, options.directory);
      await Deno.mkdir(directory, { recursive: true });
      await restoreArtifacts(
        artifacts,
        { directory, temporary },
        store,
        cancellation,
      );
      return artifacts.map(({ saved }) => saved);
    },
    async save(outcome, cancellation, onProblem) {
      const selected = definitions.filter(({ when }) => isSaved(when, outcome));
      const saved: SavedArtifact[] = [];
      for (const definition of selected) {
        try {
          const artifact = await saveDefinition(
            definition,
            options,
            cancellation,
          );
          if (artifact !== undefined) saved.push(artifact);
        } catch (error) {
          if (outcome === "success" || !(error instanceof RunnerError)) {
            throw error;
          }
          onProblem(error);
        }
      }
      return saved;
    },
  };
}

function isSaved(
  when: ArtifactDefinition["when"],
  outcome: "success" | "failed",
): boolean {
  return when === "always" ||
    (when === "on_success") === (outcome === "success");
}

async function saveDefinition(
  definition: ArtifactDefinition,
  options: JobArtifactsOptions,
  cancellation: Cancellation,
): Promise<SavedArtifact | undefined> {
  const { run, workflow, job } = options;
  const store = await options.openStore();
  const directory = await checkDirectory(options);
  return await saveArtifact(
    {
      definition,
      run,
      workflow,
      job,
      directory,
      namespace: store.namespace,
    },
    store,
    cancellation,
  );
}

/** Rejects a directory that the job has replaced with a link. */
async function checkDirectory(
  { workspace, directory }: JobArtifactsOptions,
): Promise<string> {
  const base = await realPath(workspace);
  const expected = base + directory.slice(workspace.length);
  if (await realPath(directory) === expected) return expected;
  throw new RunnerError(
    `Cannot save files from "${directory}": the job has replaced it with a link`,
    { code: "workspace" },
  );
}

function missingError(name: string, job: string): RunnerError {
  return new RunnerError(
    `Cannot restore artifact "${name}" of job "${job}": the job has not saved it`,
    { code: "workspace" },
  );
}

/** Options for {@linkcode openArtifactStore}. */
export interface OpenArtifactStoreOptions {
  /** Whether the token may be sent over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /** Absolute paths of directories for temporary files. */
  readonly temporaryParents: readonly string[];
}

/**
 * Opens the configured store. Artifacts are kept in the store of the cache.
 *
 * @throws {RunnerError} `invalid-config` if a setting is not valid;
 * `output-failed` if the store cannot be opened.
 */
export async function openArtifactStore(
  host: Pick<Host, "env" | "cwd">,
  { allowInsecureTransport, temporaryParents }: OpenArtifactStoreOptions,
): Promise<ArtifactStore> {
  const { env } = host;
  const settings = readOptions(host, [
    "cache_store",
    "cache_max_bytes",
    "artifact_namespace",
  ]);
  const { artifact_namespace: namespace, cache_max_bytes: maxBytes } = settings;
  if (!CACHE_NAME.test(namespace)) {
    throw new RunnerError(
      `Cannot use artifact namespace ${
        JSON.stringify(namespace)
      }: it must match ${CACHE_NAME}`,
      { code: "invalid-config" },
    );
  }
  try {
    return {
      store: await openStore(settings.cache_store ?? "", {
        env,
        allowInsecureTransport,
        isRequired: true,
      }),
      namespace,
      maxBytes,
      temporaryParents,
      env: childEnvironment(env, { kind: "tool" }),
    };
  } catch (cause) {
    if (cause instanceof RunnerError) throw cause;
    throw new RunnerError(
      `Cannot open the artifact store: ${osReason(cause)}`,
      { code: "output-failed", cause },
    );
  }
}

/** The artifact that {@linkcode saveArtifact} saves, and its job. */
interface SaveArtifactOptions extends Omit<ArtifactId, "name"> {
  readonly definition: ArtifactDefinition;
  /** ID of the workflow. */
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
async function saveArtifact(
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
    const packed = await packFiles(directory, file, options, {
      context,
      cancellation,
    });
    if (packed === undefined) return undefined;
    await checkLinks(packed.files, directory);
    return await storeArtifact(file, packed, options, { context, signal });
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

async function packFiles(
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
      files.push(toArtifactFile(entry));
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

function toArtifactFile(
  { name, type, mode, size, sha256, target }: PackedEntry,
): ArtifactFile {
  return { path: name, type, mode: mode & 0o777, size, sha256, target };
}

async function storeArtifact(
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
    namespace,
    run,
    job,
    name,
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
