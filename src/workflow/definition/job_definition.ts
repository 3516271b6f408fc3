import { runnerCommand } from "../../command_text.ts";
import { jobPathProblem } from "../../job_path.ts";
import type { DocumentNode } from "../../schema/document.ts";
import type { Trigger } from "../../triggers/trigger.ts";
import type { JobDefinition } from "./definition.ts";
import type { JobBody, JobContent } from "./definition.ts";

/** Paths that a job knows. */
const PATHS = [
  ["codeDir", "code_dir"],
  ["jobDir", "job_dir"],
  ["workingDir", "working_dir"],
] as const;

/**
 * Merges the two forms in which a file describes a job.
 *
 * @param flat Keys at the top.
 * @param nested Keys under `job`, which override those at the top.
 * @returns The job. An `environment` under `job` replaces the other one, and
 * the keys of `checkout` are merged.
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
 * @param name Name of the job.
 * @param own Its entry in a workflow file, or its job file.
 * @param base Job file that the entry names.
 * @returns The definition. Keys and variables of `own` override those of `base`;
 * variables override the `checkout` beside them.
 */
export function jobDefinition(
  name: string,
  own: JobContent,
  base: JobContent = {},
): JobDefinition {
  const {
    checkout: _checkout,
    environment: _environment,
    source: _source,
    commandPrefix: _commandPrefix,
    ...body
  } = { ...baseBody(base, own), ...own };
  const env = {
    ...base.checkout,
    ...base.environment,
    ...own.checkout,
    ...own.environment,
  };
  return { name, body, env };
}

/** A command or steps of the entry replace both of the file. */
function baseBody(base: JobContent, own: JobContent): JobContent {
  if (own.command === undefined && own.steps === undefined) return base;
  const { command: _command, steps: _steps, ...rest } = base;
  return rest;
}

/**
 * Checks keys of a job that depend on one another.
 *
 * @param node Entry or file of the job.
 */
export function checkJob(node: DocumentNode, job: JobBody): void {
  if (job.command !== undefined && job.steps !== undefined) {
    node.report("has steps and a command: a job has one of them");
  }
  // Without a runner of its own, a container may work anywhere.
  if (job.rawCommand) return;
  for (const [property, key] of PATHS) {
    const path = job[property];
    const problem = path?.startsWith("/") ? jobPathProblem(path) : undefined;
    if (problem === undefined) continue;
    placeOf(node, key).report(problem);
  }
}

/** The key may stand in a job file, whose place is not at hand. */
function placeOf(node: DocumentNode, key: string): DocumentNode {
  const entries = new Map(node.entries);
  const nested = new Map(entries.get("job")?.entries);
  return nested.get(key) ?? entries.get(key) ?? node;
}

/**
 * Creates the job that the coordinator is to run out of a definition, without an
 * event and sources.
 *
 * @param definition Definition that has a command.
 * @returns The job. What only concerns containers on a developer's machine is
 * left out, as the coordinator does not know it.
 */
export function definitionTrigger(
  { name, body, env }: JobDefinition,
): Trigger {
  const {
    image,
    command = "",
    steps: _steps,
    rawCommand = false,
    disableRunLocal = false,
    runAs,
    runLocal,
    cpuLimit: _cpuLimit,
    memoryLimit: _memoryLimit,
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
