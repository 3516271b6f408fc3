import { runnerCommand } from "../command_text.ts";
import type { Trigger } from "../triggers/trigger.ts";
import type { JobDefinition } from "../workflow/definition/definition.ts";

/** Variables of an event that triggered jobs get, behind `REACTORCIDE_`. */
const PASSED_ON = [
  "EVENT_TYPE",
  "BRANCH",
  "SHA",
  "SOURCE_URL",
  "PR_BASE_REF",
  "PR_NUMBER",
  "PR_REF",
  "DIFF_BASE",
  "CI_SOURCE_URL",
  "CI_SOURCE_REF",
  "HEAD_URL",
  "HEAD_REF",
  "BASE_URL",
  "BASE_REF",
  "IS_FORK_PR",
];

/**
 * Makes a follow-up job of what a job file says.
 *
 * It gets the event and the sources of the job that triggers it.
 *
 * @param definition What the file says.
 * @param env Environment of the job that triggers.
 * @returns The follow-up job.
 */
export function triggerOfDefinition(
  { name, body, env: own }: JobDefinition,
  env: Readonly<Record<string, string>>,
): Trigger {
  const {
    image,
    command = "",
    runAs,
    runLocal,
    rawCommand = false,
    disableRunLocal,
    steps: _,
    ...rest
  } = body;
  return {
    ...rest,
    disableRunLocal: disableRunLocal || undefined,
    name,
    env: { ...own, ...passedOn(env) },
    containerImage: image,
    jobCommand: rawCommand ? command : runnerCommand(command),
    runAsUser: runAs?.user,
    runLocal: runLocal && {
      ...runLocal.asRunner === undefined
        ? {}
        : { as_runner: runLocal.asRunner },
      ...runLocal.user === undefined ? {} : { user: runLocal.user },
    },
    ...source(env),
    ...ciSource(env),
  };
}

function passedOn(
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    PASSED_ON.map((name) => `REACTORCIDE_${name}`)
      .filter((name) => env[name])
      .map((name) => [name, env[name]]),
  );
}

function source(env: Readonly<Record<string, string>>): Partial<Trigger> {
  const { REACTORCIDE_SOURCE_URL: url, REACTORCIDE_SHA: ref } = env;
  return url
    ? { sourceType: "git", sourceUrl: url, sourceRef: ref || undefined }
    : {};
}

/** A type without an address would make the follow-up job fail. */
function ciSource(env: Readonly<Record<string, string>>): Partial<Trigger> {
  const {
    REACTORCIDE_CI_SOURCE_URL: url,
    REACTORCIDE_CI_SOURCE_REF: ref,
  } = env;
  return url
    ? { ciSourceType: "git", ciSourceUrl: url, ciSourceRef: ref || undefined }
    : {};
}
