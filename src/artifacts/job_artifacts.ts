import { CACHE_NAME } from "../cache/cache_entry.ts";
import { openStore } from "../cache/open_store.ts";
import { readOptions } from "../config/load_config.ts";
import { childEnvironment } from "../environment/child_environment.ts";
import { osReason, RunnerError } from "../errors.ts";
import type { Host } from "../host.ts";
import type { Cancellation } from "../process/cancellation.ts";
import { guardPath, realPath } from "../workspace/guard.ts";
import type {
  ArtifactDefinition,
  ArtifactStore,
  SavedArtifact,
} from "./artifact.ts";
import { restoreArtifacts } from "./restore_artifacts.ts";
import { saveArtifact } from "./save_artifact.ts";

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
  /** Id of the run, id of the workflow, and key of the job. */
  readonly run: string;
  readonly workflow: string;
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
          throw missing(definition.name, job);
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
  const directory = await ownDirectory(options);
  return await saveArtifact(
    {
      ...{ definition, run, workflow, job, directory },
      namespace: store.namespace,
    },
    store,
    cancellation,
  );
}

/** Rejects a directory that the job has replaced by a link. */
async function ownDirectory(
  { workspace, directory }: JobArtifactsOptions,
): Promise<string> {
  const base = await realPath(workspace);
  const expected = base + directory.slice(workspace.length);
  if (await realPath(directory) === expected) return expected;
  throw new RunnerError(
    `Cannot save files of "${directory}": the job has replaced it by a link`,
    { code: "workspace" },
  );
}

function missing(name: string, job: string): RunnerError {
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
