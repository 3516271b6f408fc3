import { Variable } from "../../environment/variables.ts";
import type { EventType } from "../../schema/when.ts";

/**
 * An event, and the repositories and commits of both of its sides. Unknown
 * values are empty strings.
 */
export interface EvalEvent {
  /** Type of the event. */
  readonly type: EventType;
  /** Branch or tag; for a pull request, the base branch. */
  readonly branch: string;
  /** Repository of the code. */
  readonly sourceUrl: string;
  /** Commit of the code. */
  readonly sourceRef: string;
  /** Repository of the trusted definitions. */
  readonly ciSourceUrl: string;
  /** Commit of the trusted definitions. */
  readonly ciSourceRef: string;
  /** Target branch of a pull request. */
  readonly prBaseRef: string;
  /** Number of the pull request. */
  readonly prNumber: string;
  /** Repository of the pull request's code. */
  readonly headUrl: string;
  /** Branch of the pull request's code. */
  readonly headRef: string;
  /** Target repository of the pull request. */
  readonly baseUrl: string;
  /** Target branch of the pull request. */
  readonly baseRef: string;
  /** `true` for a pull request from a fork. */
  readonly isForkPr: "true" | "false" | "";
}

/** Environment variables of generated jobs. */
const VARIABLES: Readonly<Record<string, keyof EvalEvent>> = {
  [Variable.eventType]: "type",
  [Variable.branch]: "branch",
  [Variable.sha]: "sourceRef",
  [Variable.sourceUrl]: "sourceUrl",
  [Variable.prBaseRef]: "prBaseRef",
  [Variable.prNumber]: "prNumber",
  [Variable.ciSourceUrl]: "ciSourceUrl",
  [Variable.ciSourceRef]: "ciSourceRef",
  [Variable.headUrl]: "headUrl",
  [Variable.headRef]: "headRef",
  [Variable.baseUrl]: "baseUrl",
  [Variable.baseRef]: "baseRef",
  [Variable.isForkPr]: "isForkPr",
};

/**
 * Returns the variables that describe an event to jobs; empty ones are omitted.
 */
export function eventVariables(event: EvalEvent): Record<string, string> {
  return Object.fromEntries(
    Object.entries(VARIABLES)
      .filter(([, key]) => event[key] !== "")
      .map(([name, key]) => [name, event[key]]),
  );
}
