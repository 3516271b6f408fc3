import type {
  ArtifactDefinition,
  ArtifactStore,
  SavedArtifact,
} from "../../artifacts/artifact.ts";
import { isSavedArtifact } from "../../artifacts/artifact_manifest.ts";
import type {
  JobArtifacts,
  JobArtifactsOptions,
} from "../../artifacts/job_artifacts.ts";
import { isListable } from "../../cache/cache_store.ts";
import { osReason } from "../../errors.ts";
import { temporaryParents } from "../../fs/temporary_directory.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import type {
  JobRequest,
  LocalJob,
  LocalNode,
  NodeArtifacts,
} from "./local_job.ts";
import type { JobRecords, LocalJobState } from "./workflow_state.ts";

/**
 * Creates the object that transfers the artifacts of a job.
 *
 * @param request The job.
 * @param place Local directories of its files.
 * @returns `undefined` if the job has no artifacts.
 */
export type OpenJobArtifacts = (
  request: JobRequest,
  place: Pick<JobArtifactsOptions, "workspace" | "directory">,
) => JobArtifacts | undefined;

/** Options for {@linkcode openArtifactRun}. */
export interface OpenArtifactRunOptions {
  /** ID of the workflow. */
  readonly workflow: string;
  /** Absolute path of the runner's private directory for the workflow. */
  readonly directory: string;
}

/** The artifacts of a run of a workflow. */
export interface ArtifactRun {
  /** Creates the object that transfers the artifacts of a job. */
  readonly artifactsOf: OpenJobArtifacts;
  /**
   * Removes artifacts that have expired or exceed the limit of the store, if the
   * run has used the store.
   */
  prune(): Promise<void>;
}

/**
 * Opens the artifacts of a run. The store is opened once, when the first job
 * needs it.
 */
export function openArtifactRun(
  { host, workspace, logger, allowInsecureTransport }: RunnerContext,
  { workflow, directory }: OpenArtifactRunOptions,
): ArtifactRun {
  const run = crypto.randomUUID();
  let opening: Promise<ArtifactStore> | undefined;
  const openStore = () =>
    opening ??= import("../../artifacts/job_artifacts.ts").then(
      ({ openArtifactStore }) =>
        openArtifactStore(host, {
          allowInsecureTransport,
          temporaryParents: temporaryParents({ env: host.env, workspace }),
        }),
    );
  return {
    artifactsOf({ key, artifacts }, place) {
      if (artifacts === undefined) return undefined;
      const load = import("../../artifacts/job_artifacts.ts").then(
        ({ jobArtifacts }) =>
          jobArtifacts({
            ...artifacts,
            ...place,
            run,
            workflow,
            job: key,
            openStore,
            temporary: `${directory}/tmp`,
          }),
      );
      return {
        restore: async (...options) => await (await load).restore(...options),
        save: async (...options) => await (await load).save(...options),
      };
    },
    async prune() {
      const opened = await opening?.catch(() => undefined);
      if (opened === undefined) return;
      const { store, maxBytes } = opened;
      if (!isListable(store)) return;
      const { pruneStore } = await import("../../cache/prune.ts");
      const { signal } = new AbortController();
      try {
        await pruneStore(store, maxBytes, signal);
      } catch (error) {
        logger.warn("artifacts", "Cannot prune the store", {
          reason: osReason(error),
        });
      }
    },
  };
}

/** Where the artifacts that a node needs come from. */
export interface ArtifactSources {
  /** Nodes of the workflow. */
  readonly nodes: readonly LocalNode[];
  /** Artifacts that nodes have saved, by index. */
  readonly saved: ReadonlyMap<number, readonly SavedArtifact[]>;
  /** All jobs of the workflow file, including those that do not run. */
  readonly jobs: readonly LocalJob[];
  /** Results of an earlier run. */
  readonly earlier: JobRecords;
}

/**
 * Finds the artifacts of a node: those that it saves, and those that it needs
 * from its dependencies.
 *
 * A job that was not selected to run has saved its artifacts in an earlier run.
 *
 * @returns `undefined` if the node has none.
 */
export function nodeArtifacts(
  { job: { artifacts = [], artifactNeeds = [] } }: LocalNode,
  sources: ArtifactSources,
): NodeArtifacts | undefined {
  if (artifacts.length === 0 && artifactNeeds.length === 0) return undefined;
  const needs = artifactNeeds.flatMap(({ job, artifacts: names }) => {
    const all = findSaved(job, sources);
    return names.map((name) => ({
      job,
      definition: findDefinition(job, name, sources.jobs),
      saved: all.filter((artifact) => artifact.name === name),
    }));
  });
  return { definitions: artifacts, needs };
}

function findSaved(
  job: string,
  { nodes, saved, earlier }: ArtifactSources,
): readonly SavedArtifact[] {
  const runs = nodes.some(({ name }) => name === job);
  if (runs) {
    return nodes.flatMap(({ name }, at) =>
      name === job ? saved.get(at) ?? [] : []
    );
  }
  return [...earlier.values()].flatMap((record) =>
    record.name === job && record.origin === undefined
      ? savedArtifacts(record)
      : []
  );
}

/**
 * Returns the artifacts of a job in a state file. Another program could have
 * changed the file.
 */
export function savedArtifacts(
  { artifacts }: LocalJobState,
): readonly SavedArtifact[] {
  return Array.isArray(artifacts) ? artifacts.filter(isSavedArtifact) : [];
}

function findDefinition(
  job: string,
  artifact: string,
  jobs: readonly LocalJob[],
): ArtifactDefinition {
  const definition = jobs.find(({ name }) => name === job)?.artifacts
    ?.find(({ name }) => name === artifact);
  if (definition !== undefined) return definition;
  throw new Error(`job "${job}" does not define artifact "${artifact}"`);
}
