import type { ArtifactStore } from "../../artifacts/artifact.ts";
import { osReason } from "../../errors.ts";
import { temporaryParents } from "../../fs/temporary_directory.ts";
import type { RunnerContext } from "../../runner/runner_context.ts";
import type { WorkflowRun } from "../workflow_executor.ts";

/** Options for {@linkcode artifactRun}. */
export interface ArtifactRunOptions {
  /** Id of the workflow. */
  readonly workflow: string;
  /** Absolute path of the runner's private directory for the workflow. */
  readonly directory: string;
}

/** The artifacts of a run of a workflow. */
export interface ArtifactRun {
  /** Creates the object that transfers the artifacts of a job. */
  readonly artifactsOf: WorkflowRun["artifactsOf"];
  /**
   * Removes artifacts that have expired or exceed the limit, if something was
   * saved.
   */
  prune(): Promise<void>;
}

/**
 * Opens the artifacts of a run. The store is opened once, when the first job
 * needs it.
 */
export function artifactRun(
  { host, workspace, logger, allowInsecureTransport }: RunnerContext,
  { workflow, directory }: ArtifactRunOptions,
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
            ...{ run, workflow, job: key, openStore },
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
      const { isListable, pruneStore } = await import("../../cache/prune.ts");
      const { store, maxBytes } = opened;
      if (!isListable(store)) return;
      const { signal } = new AbortController();
      try {
        await pruneStore(store, maxBytes, signal);
      } catch (error) {
        logger.warn("artifacts", "The store was not pruned", {
          reason: osReason(error),
        });
      }
    },
  };
}
