import { InvalidEntry } from "../cache/cache_entry.ts";
import { isListable } from "../cache/prune.ts";
import { RunnerError } from "../errors.ts";
import type { ArtifactStore, SavedArtifact } from "./artifact.ts";
import {
  artifactFolder,
  type ArtifactManifest,
  manifestName,
  readArtifactManifest,
} from "./artifact_manifest.ts";

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
      ...[
        await manifestName(artifact),
        artifact.sha256,
        store,
        signal,
      ] as const,
    ).catch(invalidIsMissing),
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
      .catch(invalidIsMissing);
    if (manifest !== undefined) manifests.push(manifest);
  }
  return manifests.sort((a, b) =>
    b.createdMs - a.createdMs || (a.name < b.name ? -1 : 1)
  );
}

function invalidIsMissing(error: unknown): undefined {
  if (!(error instanceof InvalidEntry)) throw error;
}
