import { runnerCommand } from "../../command_text.ts";
import type { Trigger } from "../../triggers/trigger.ts";
import type { JobDefinition } from "./definition.ts";

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
