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
    jobCommand: rawCommand ? command : wrapCommand(command),
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

/**
 * Has the runner run a command, unless it is one of the runner already.
 *
 * The quotes suit a shell and the splitter of workers alike.
 *
 * @param command Command.
 * @returns Command of the job.
 */
export function wrapCommand(command: string): string {
  if (command.startsWith("runnerlib ")) return command;
  // What starts with a dash would be taken for an option.
  const sign = command.startsWith("-") ? "=" : " ";
  return `runnerlib run --job-command${sign}'${
    command.replaceAll("'", `'\\''`)
  }'`;
}

function wireRunLocal(
  { asRunner, user }: NonNullable<JobDefinition["body"]["runLocal"]>,
) {
  return {
    ...asRunner === undefined ? {} : { as_runner: asRunner },
    ...user === undefined ? {} : { user },
  };
}
