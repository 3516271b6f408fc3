import { Variable } from "../environment/variables.ts";
import type { JobConfig } from "../config/job_config.ts";
import { prepareSource } from "../source/prepare.ts";
import {
  evalRepository,
  type Revision,
} from "../source/git/eval_repository.ts";
import type { SourceContext } from "../source/source.ts";
import type { RunState } from "./run_state.ts";
import { measureSource } from "./measure_source.ts";

/**
 * Prepares both sources of an evaluation from one repository: the history in
 * the code directory, without a work tree, and the job definitions of base and
 * head in the directory of the CI source.
 *
 * @param run The run, in which both paths are stored.
 * @param config Configuration of the job.
 * @param context Context for preparing sources.
 * @returns Whether the job is such an evaluation; otherwise nothing is
 * prepared.
 * @throws {RunnerError} `source-failed` or `workspace`.
 */
export async function prepareSharedSources(
  run: RunState,
  config: JobConfig,
  context: SourceContext,
): Promise<boolean> {
  const head = revisionOf(config.source);
  const base = revisionOf(config.ciSource);
  if (!isEvaluation(run, config) || head === undefined || base === undefined) {
    return false;
  }
  const { workspace } = run.runner;
  const { fillRepository, fillDefinitions } = evalRepository(
    head,
    base,
    context,
  );
  const place = async (
    role: "source" | "ci",
    directory: string,
    fill: typeof fillRepository,
  ) => {
    const measured = measureSource(run.recorder);
    const { path, commit } = await prepareSource(
      {
        type: "git",
        target: workspace.pathOf(directory),
        replace: true,
      },
      context,
      () => Promise.resolve(fill),
    );
    measured.end(role, {
      type: "git",
      ...role === "source" ? head : base,
      commit,
    });
    return path;
  };
  run.sourcePath = await place("source", config.sourceDir, fillRepository);
  const definitions = await place("ci", "/job/ci", fillDefinitions);
  run.ci.path = `${definitions}/base`;
  return true;
}

function isEvaluation(run: RunState, { command }: JobConfig): boolean {
  const { env } = run.runner.host;
  const isEval = env[Variable.jobKind] === "eval" ||
    [command ?? ""].flat().join(" ").includes("runnerlib eval");
  return isEval && !!env[Variable.prNumber];
}

function revisionOf(source: JobConfig["source"]): Revision | undefined {
  if (source.type !== "git" || !("url" in source)) return undefined;
  const { url, ref } = source;
  return url && ref ? { url, ref } : undefined;
}
