import { isSavedArtifact } from "../../artifacts/artifact_manifest.ts";
import type {
  ArtifactDefinition,
  SavedArtifact,
} from "../../artifacts/artifact.ts";
import type { LocalJob, LocalNode, NodeArtifacts } from "./local_job.ts";
import type { JobRecords, LocalJobState } from "./workflow_state.ts";

/** Context in which a node needs artifacts. */
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
