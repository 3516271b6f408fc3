import { runnerCommand } from "../../command_text.ts";
import { jobPathProblem } from "../../job_path.ts";
import type { DocumentNode } from "../../schema/document.ts";
import type { Trigger } from "../../triggers/trigger.ts";
import type { JobDefinition } from "./definition.ts";
import type { JobBody, JobContent } from "./job_body.ts";

/** Paths that a job knows. */
const PATHS = [
  ["codeDir", "code_dir"],
  ["jobDir", "job_dir"],
  ["workingDir", "working_dir"],
] as const;

/**
 * Lays what stands below `job` over what stands beside it.
 *
 * @param flat What stands beside it.
 * @param nested What stands below it.
 * @returns The job. Variables are not merged, as they stand in the wrong place
 * in one of the two.
 */
export function flattened(
  flat: JobContent,
  nested: JobContent = {},
): JobContent {
  const checkout = { ...flat.checkout, ...nested.checkout };
  return { ...flat, ...nested, checkout };
}

/**
 * Makes the definition of a job.
 *
 * @param name Name of the job.
 * @param own What its entry or its file says.
 * @param base What the file says over which its entry is laid.
 * @returns The definition. Each key of `own` wins, and each of its variables;
 * variables win over the checkout that the same place describes.
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

/** What an entry runs takes the place of what the file runs, whichever form it has. */
function baseBody(base: JobContent, own: JobContent): JobContent {
  if (own.command === undefined && own.steps === undefined) return base;
  const { command: _command, steps: _steps, ...rest } = base;
  return rest;
}

/**
 * Checks what the keys of a job say together.
 *
 * @param node Entry or file of the job.
 * @param job The job.
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
 * Makes the job that the coordinator is to run out of a definition, without an
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
