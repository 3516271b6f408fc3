import { withVariable } from "../../environment/child_environment.ts";
import { Variable } from "../../environment/variables.ts";
import type { WorkflowDefinition } from "../definition/definition.ts";
import { artifactRun } from "../local/artifact_run.ts";
import type { NodeArtifacts } from "../local/local_job.ts";
import type { WorkflowExecutor, WorkflowRun } from "../workflow_executor.ts";
import type { NeedResults } from "./job_gate.ts";

/** Options for {@linkcode exportedArtifacts}. */
export interface ExportedArtifactsOptions {
  /** Workflow whose first job runs; its other jobs define artifacts. */
  readonly definition: WorkflowDefinition;
  /** Results of the jobs that it needs. */
  readonly needs: readonly NeedResults[];
  /** Absolute path of the directory for artifacts; ignored if a store is configured. */
  readonly store: string | undefined;
}

/**
 * Provides a job with the artifacts of jobs that ran elsewhere: their results list
 * the saved artifacts, and the engine passes on the directory with the files.
 */
export function exportedArtifacts(
  executor: WorkflowExecutor,
  options: ExportedArtifactsOptions,
): WorkflowExecutor {
  const { definition } = options;
  const { jobs: [{ name }] } = definition;
  const needs = neededArtifacts(options);
  return {
    ...executor,
    async open(run) {
      const opened = await executor.open({
        ...run,
        artifactsOf: artifactsIn(options.store, run),
      });
      return {
        [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
        runJob: (request) =>
          opened.runJob(
            request.node.name !== name || needs.length === 0 ? request : {
              ...request,
              artifacts: { definitions: [], ...request.artifacts, needs },
            },
          ),
      };
    },
  };
}

function neededArtifacts(
  { definition: { jobs }, needs }: ExportedArtifactsOptions,
): NodeArtifacts["needs"] {
  return (jobs[0].body.artifactNeeds ?? []).flatMap(({ job, artifacts }) => {
    const { body } = jobs.find(({ name }) => name === job)!;
    const saved = needs.find(({ name }) => name === job)?.results
      .flatMap((result) => result?.artifacts ?? []) ?? [];
    return (body.artifacts ?? [])
      .filter(({ name }) => artifacts.includes(name))
      .map((definition) => ({
        job,
        definition,
        saved: saved.filter(({ name }) => name === definition.name),
      }));
  });
}

/** A configured store takes precedence over the directory: jobs may share it. */
function artifactsIn(
  store: string | undefined,
  { runner, definition, directory, artifactsOf }: WorkflowRun,
): WorkflowRun["artifactsOf"] {
  const { host } = runner;
  if (store === undefined || host.env[Variable.cacheStore]) return artifactsOf;
  const env = withVariable(host.env, Variable.cacheStore, store);
  return artifactRun(
    { ...runner, host: { ...host, env } },
    { workflow: definition.id, directory },
  ).artifactsOf;
}
