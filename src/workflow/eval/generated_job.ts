import type { Trigger } from "../../triggers/trigger.ts";
import { RunnerError } from "../../errors.ts";
import type { JobDefinition } from "../definition/definition.ts";
import { definitionTrigger } from "../definition/definition_trigger.ts";
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
  definition: JobDefinition,
  event: EvalEvent,
  ci: CodePlace,
): Trigger {
  if (definition.body.command === undefined) {
    throw new RunnerError(
      `Cannot evaluate job "${definition.name}": it has steps, of which the coordinator knows nothing`,
      { code: "invalid-workflow" },
    );
  }
  const job = definitionTrigger(definition);
  return {
    ...job,
    env: { ...job.env, ...eventVariables(event) },
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
