import { Variable } from "../environment/variables.ts";
import { startedByEvent } from "../coordinator/access.ts";
import type { Trigger } from "../triggers/trigger.ts";
import type { JobDefinition } from "../workflow/definition/definition.ts";
import { definitionTrigger } from "../workflow/definition/job_definition.ts";

/** Variables of an event that triggered jobs get. */
const PASSED_ON = [
  Variable.eventType,
  Variable.branch,
  Variable.sha,
  Variable.sourceUrl,
  Variable.prBaseRef,
  Variable.prNumber,
  Variable.prRef,
  Variable.diffBase,
  Variable.ciSourceUrl,
  Variable.ciSourceRef,
  Variable.headUrl,
  Variable.headRef,
  Variable.baseUrl,
  Variable.baseRef,
  Variable.isForkPr,
];

/**
 * Creates a follow-up job of what a job file says.
 *
 * It gets the event and the sources of the job that triggers it.
 *
 * @param definition What the file says.
 * @param env Environment of the job that triggers.
 * @returns The follow-up job.
 */
export function triggerOfDefinition(
  definition: JobDefinition,
  env: Readonly<Record<string, string>>,
): Trigger {
  const job = definitionTrigger(definition);
  return {
    ...job,
    env: { ...job.env, ...passedOn(env), ...ciSourceVariables(env) },
    ...source(env),
    ...ciSource(env),
  };
}

function passedOn(
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    PASSED_ON.filter((name) => env[name]).map((name) => [name, env[name]]),
  );
}

function source(env: Readonly<Record<string, string>>): Partial<Trigger> {
  const { [Variable.sourceUrl]: url, [Variable.sha]: ref } = env;
  return url
    ? { sourceType: "git", sourceUrl: url, sourceRef: ref || undefined }
    : {};
}

/**
 * A type without an address would make the follow-up job fail, and so would an
 * address that a job which no event started gives: the coordinator drops it.
 */
function ciSource(env: Readonly<Record<string, string>>): Partial<Trigger> {
  const {
    [Variable.ciSourceUrl]: url,
    [Variable.ciSourceRef]: ref,
  } = env;
  return url && startedByEvent(env)
    ? { ciSourceType: "git", ciSourceUrl: url, ciSourceRef: ref || undefined }
    : {};
}

/** Address and ref are variables of the follow-up job in any case. */
function ciSourceVariables(
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  return env[Variable.ciSourceUrl] && !startedByEvent(env)
    ? { [Variable.ciSourceType]: "git" }
    : {};
}
