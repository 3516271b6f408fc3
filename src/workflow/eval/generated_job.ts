import { runnerCommand } from "../../command_text.ts";
import type { Trigger } from "../../triggers/trigger.ts";
import { RunnerError } from "../../errors.ts";
import type { JobDefinition } from "../definition/definition.ts";
import { type EvalEvent, eventVariables } from "./eval_event.ts";

/** A repository and a commit in it. */
export interface CodePlace {
  /** Repository; empty if there is none. */
  readonly url: string;
  /** Commit. */
  readonly ref: string;
}

/**
 * Makes the job that the coordinator is to run out of a definition.
 *
 * @param definition Definition.
 * @param event What happened.
 * @param ci Where the definition and other trusted code come from.
 * @returns The job.
 * @throws {RunnerError} `invalid-workflow`, if the job is made of steps.
 */
export function generatedJob(
  { name, body, env }: JobDefinition,
  event: EvalEvent,
  ci: CodePlace,
): Trigger {
  const {
    image,
    command,
    steps: _,
    rawCommand = false,
    disableRunLocal,
    runAs,
    runLocal,
    ...rest
  } = body;
  if (command === undefined) {
    throw new RunnerError(
      `Cannot evaluate job "${name}": it has steps, of which the coordinator knows nothing`,
      { code: "invalid-workflow" },
    );
  }
  return {
    ...rest,
    name,
    env: { ...env, ...eventVariables(event) },
    containerImage: image,
    jobCommand: rawCommand ? command : runnerCommand(command),
    runAsUser: runAs?.user,
    ...disableRunLocal ? { disableRunLocal } : {},
    ...runLocal === undefined ? {} : { runLocal: wireRunLocal(runLocal) },
    ...event.sourceUrl === "" ? {} : {
      sourceType: "git",
      sourceUrl: event.sourceUrl,
      sourceRef: event.sourceRef,
    },
    ...ci.url === ""
      ? {}
      : { ciSourceType: "git", ciSourceUrl: ci.url, ciSourceRef: ci.ref },
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
