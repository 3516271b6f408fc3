import type { EventType } from "../definition/filters.ts";

/** What happened, and where the code of both sides is; empty texts are unknown. */
export interface EvalEvent {
  /** Kind of the event. */
  readonly type: EventType;
  /** Branch or tag; of a pull request the base branch. */
  readonly branch: string;
  /** Repository of the code. */
  readonly sourceUrl: string;
  /** Commit of the code. */
  readonly sourceRef: string;
  /** Repository of the trusted definitions. */
  readonly ciSourceUrl: string;
  /** Commit of the trusted definitions. */
  readonly ciSourceRef: string;
  /** Branch that a pull request is for. */
  readonly prBaseRef: string;
  /** Number of the pull request. */
  readonly prNumber: string;
  /** Repository of the pull request's code. */
  readonly headUrl: string;
  /** Branch of the pull request's code. */
  readonly headRef: string;
  /** Repository that the pull request is for. */
  readonly baseUrl: string;
  /** Branch that the pull request is for. */
  readonly baseRef: string;
  /** `true` for a pull request from a fork. */
  readonly isForkPr: "true" | "false" | "";
}

/** Variables of generated jobs, behind `REACTORCIDE_`. */
const VARIABLES: Readonly<Record<string, keyof EvalEvent>> = {
  EVENT_TYPE: "type",
  BRANCH: "branch",
  SHA: "sourceRef",
  SOURCE_URL: "sourceUrl",
  PR_BASE_REF: "prBaseRef",
  PR_NUMBER: "prNumber",
  CI_SOURCE_URL: "ciSourceUrl",
  CI_SOURCE_REF: "ciSourceRef",
  HEAD_URL: "headUrl",
  HEAD_REF: "headRef",
  BASE_URL: "baseUrl",
  BASE_REF: "baseRef",
  IS_FORK_PR: "isForkPr",
};

/**
 * Gives the variables that tell jobs of an event.
 *
 * @param event Event.
 * @returns Variables that say something.
 */
export function eventVariables(event: EvalEvent): Record<string, string> {
  return Object.fromEntries(
    Object.entries(VARIABLES)
      .filter(([, key]) => event[key] !== "")
      .map(([name, key]) => [`REACTORCIDE_${name}`, event[key]]),
  );
}
