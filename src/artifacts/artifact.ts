/**
 * Artifacts: files that a job saves under a name in the store of the cache, for
 * other jobs of the workflow or for download.
 *
 * An artifact consists of three objects in the store (`cache_entry.ts` describes
 * its layout):
 *
 * - `v1/NAMESPACE/artifacts/HASH.json` is its manifest. HASH is computed from run,
 *   job and name, so names that differ only in case do not collide.
 * - `v1/NAMESPACE/packs/HASH` is the pack of its files.
 * - `v1/NAMESPACE/packs/HASH` is the list of its files, with their hashes, modes
 *   and sizes.
 *
 * Nothing in a store is trusted, and neither is the job that saved the artifact:
 * a restore checks the hash of the manifest against the result of the job, and
 * the files against the patterns in the definition of the workflow.
 */

import type { CacheStore } from "../cache/cache_store.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import { OWN_DIRECTORY } from "../job_path.ts";

/** When a job saves an artifact. */
export type ArtifactWhen = "on_success" | "on_failure" | "always";

/** An artifact as the definition of a job describes it. */
export interface ArtifactDefinition {
  /** Name, unique in its job. */
  readonly name: string;
  /** Patterns of paths, relative to the code directory. */
  readonly paths: readonly string[];
  /** How long it is kept, in milliseconds. */
  readonly retentionMs: number;
  /** Outcome of the job for which it is saved. */
  readonly when: ArtifactWhen;
  /** Whether the job succeeds if there are no files to save. */
  readonly isOptional: boolean;
}

/** Artifacts that a job needs from another one. */
export interface ArtifactNeed {
  /** Name of the other job. */
  readonly job: string;
  /** Names of the artifacts. */
  readonly artifacts: readonly string[];
}

/** Identity of an artifact. */
export interface ArtifactId {
  readonly namespace: string;
  /** ID of the run that saved it. */
  readonly run: string;
  /** Key of the job that saved it, unique in the run. */
  readonly job: string;
  readonly name: string;
}

/** A saved artifact, as in the result of its job. */
export interface SavedArtifact extends ArtifactId {
  /**
   * SHA-256 of its manifest, in hexadecimal digits; without it, the manifest in the
   * store is not verified.
   */
  readonly sha256?: string;
  /** Size of the files, in bytes. */
  readonly bytes: number;
  /** Number of files, directories and links. */
  readonly count: number;
}

/** A store of artifacts, and its limits for saving and restoring. */
export interface ArtifactStore {
  readonly store: CacheStore;
  /** Namespace to which artifacts are saved. */
  readonly namespace: string;
  /** Environment of the compressor. */
  readonly env: ChildEnvironment;
  /** Maximum size of the store, and of one unpacked artifact, in bytes. */
  readonly maxBytes: number;
  /** Directories for temporary files, if there are none next to the store. */
  readonly temporaryParents: readonly string[];
}

/** Default of {@linkcode ArtifactDefinition.retentionMs}: a week. */
export const DEFAULT_RETENTION_MS: number = 7 * 24 * 60 * 60_000;

/**
 * Checks a path of an artifact, relative to the directory that contains it.
 *
 * @returns The problem, phrased to follow the path; `undefined` if there is none.
 */
export function artifactPathProblem(path: string): string | undefined {
  if (path === "" || path.includes("\0")) return "is not a path";
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    return "leads out of the directory";
  }
  return isReserved(path) ? "belongs to the runner or to git" : undefined;
}

/**
 * Checks whether a path belongs to git or to the runner. Artifacts never contain
 * or replace such paths. Ignores case, because some file systems do.
 */
export function isReserved(path: string): boolean {
  const parts = path.toLowerCase().split("/");
  return parts.includes(".git") || parts.includes(OWN_DIRECTORY);
}
