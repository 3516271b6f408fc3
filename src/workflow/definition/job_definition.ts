import { runnerCommand } from "../../command_text.ts";
import { jobPathProblem } from "../../job_path.ts";
import type { DocumentNode } from "../../schema/document.ts";
import type { Trigger } from "../../triggers/trigger_options.ts";
import type { JobDefinition } from "./definition.ts";
import type { JobBody, JobContent, JobNeed } from "./definition.ts";

/** Properties that contain a path in the workspace of a job. */
const PATHS = [
  ["codeDir", "code_dir"],
  ["jobDir", "job_dir"],
  ["workingDir", "working_dir"],
] as const;

/**
 * Merges the two forms in which a file can define a job.
 *
 * @param flat Properties at the top level.
 * @param nested Properties below `job`, which override those at the top level.
 * @returns The job. An `environment` below `job` replaces the one at the top
 * level; the keys of `checkout` are merged.
 */
export function flattened(
  flat: JobContent,
  nested: JobContent = {},
): JobContent {
  const checkout = { ...flat.checkout, ...nested.checkout };
  return { ...flat, ...nested, checkout };
}

/**
 * Creates the definition of a job.
 *
 * @param entry Its entry in a workflow file, or its job file.
 * @param base Job file that the entry refers to.
 * @returns The definition. Properties and variables of `own` override those of
 * `base`; variables override the `checkout` next to them.
 */
export function jobDefinition(
  name: string,
  entry: JobContent,
  base: JobContent = {},
): JobDefinition {
  const {
    checkout: _checkout,
    environment: _environment,
    source: _source,
    commandPrefix: _commandPrefix,
    pipelinePermissions: _pipelinePermissions,
    needs,
    ...rest
  } = { ...baseBody(base, entry), ...entry };
  const body = {
    ...Object.fromEntries(
      Object.entries(rest).filter(([key]) => !isVariable(key)),
    ),
    ...needs === undefined ? {} : dependenciesOn(needs),
  };
  const env = {
    ...settingVariables(base),
    ...base.environment,
    ...settingVariables(entry),
    ...entry.environment,
  };
  return { name, body, env };
}

/** A job may be needed several times, such as once for each artifact. */
function dependenciesOn(
  needs: readonly JobNeed[],
): Pick<JobBody, "dependsOn" | "artifactNeeds"> {
  const byJob = new Map<string, Set<string>>();
  for (const { job, artifacts = [] } of needs) {
    byJob.set(job, new Set([...byJob.get(job) ?? [], ...artifacts]));
  }
  const artifactNeeds = [...byJob].filter(([, names]) => names.size > 0)
    .map(([job, names]) => ({ job, artifacts: [...names] }));
  return {
    dependsOn: needs.map(({ job }) => job),
    ...artifactNeeds.length === 0 ? {} : { artifactNeeds },
  };
}

/** Returns the options of a job, as variables for its runner. */
function settingVariables(content: JobContent): Record<string, string> {
  const { checkout } = content;
  const settings = Object.entries(content).filter(([key]) => isVariable(key));
  return { ...Object.fromEntries(settings), ...checkout };
}

function isVariable(key: string): boolean {
  return key === key.toUpperCase();
}

/**
 * A command or steps of the entry replace the command and the steps of the
 * file.
 */
function baseBody(base: JobContent, entry: JobContent): JobContent {
  if (entry.command === undefined && entry.steps === undefined) return base;
  const { command: _command, steps: _steps, ...rest } = base;
  return rest;
}

/**
 * Validates properties of a job that depend on each other.
 *
 * @param node Entry or file of the job; receives the problems.
 */
export function checkJob(node: DocumentNode, job: JobBody): void {
  if (job.command !== undefined && job.steps !== undefined) {
    node.report("must not have both steps and a command");
  }
  // Without the runner, the job may use any directory of its container.
  if (job.rawCommand) return;
  for (const [property, key] of PATHS) {
    const path = job[property];
    const problem = path?.startsWith("/") ? jobPathProblem(path) : undefined;
    if (problem === undefined) continue;
    placeOf(node, key).report(problem);
  }
}

/** Falls back to the whole entry if the key comes from another file. */
function placeOf(node: DocumentNode, key: string): DocumentNode {
  const entries = new Map(node.entries);
  const nested = new Map(entries.get("job")?.entries);
  return nested.get(key) ?? entries.get(key) ?? node;
}

/**
 * Converts a definition to a job for the coordinator, without event and
 * sources.
 *
 * @param definition Definition that has a command.
 * @returns The job, without properties of local containers, which the
 * coordinator does not support.
 */
export function definitionTrigger(
  { name, body, env }: JobDefinition,
): Trigger {
  const {
    image,
    command = "",
    steps: _steps,
    writtenSteps: _writtenSteps,
    when: _when,
    rawCommand = false,
    disableRunLocal = false,
    runAs,
    runLocal,
    cpuLimit: _cpuLimit,
    memoryLimit: _memoryLimit,
    artifacts: _artifacts,
    artifactNeeds: _artifactNeeds,
    nodeSelector: _nodeSelector,
    tolerations: _tolerations,
    ...rest
  } = body;
  return {
    ...rest,
    name,
    env,
    containerImage: image,
    jobCommand: rawCommand ? command : runnerCommand(command),
    runAsUser: runAs?.user,
    ...disableRunLocal ? { disableRunLocal } : {},
    ...runLocal === undefined ? {} : { runLocal: wireRunLocal(runLocal) },
  };
}

function wireRunLocal(
  { asRunner, user }: NonNullable<JobDefinition["body"]["runLocal"]>,
) {
  return {
    ...asRunner === undefined ? {} : { as_runner: asRunner },
    ...user === undefined ? {} : { user },
  };
}
