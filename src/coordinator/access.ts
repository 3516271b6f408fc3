import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";

/** What a worker gives to a job that may speak with the coordinator. */
export interface CoordinatorAccess {
  /** Address of the coordinator. */
  readonly url: string;
  /** Token of the job: it may submit triggers of its own job alone. */
  readonly token: string;
  /** Id of the job. */
  readonly jobId: string;
}

const VARIABLES: Readonly<Record<keyof CoordinatorAccess, string>> = {
  url: Variable.coordinatorUrl,
  token: Variable.apiToken,
  jobId: Variable.jobId,
};

/**
 * Tells whether a job may submit triggers to a coordinator.
 *
 * @param env Environment of the job.
 * @returns Whether address, token and id are all there.
 */
export function isCoordinatorConfigured(
  env: Readonly<Record<string, string>>,
): boolean {
  return Object.values(VARIABLES).every((name) => env[name]);
}

/**
 * Finds how a job speaks with the coordinator.
 *
 * @param env Environment of the job.
 * @returns Address, token and id.
 * @throws {RunnerError} `invalid-config`, if one of them is missing.
 */
export function coordinatorAccess(
  env: Readonly<Record<string, string>>,
): CoordinatorAccess {
  const missing = Object.values(VARIABLES).filter((name) => !env[name]);
  if (missing.length > 0) {
    throw new RunnerError(
      `Cannot use the coordinator: ${missing.join(", ")} ${
        missing.length > 1 ? "are" : "is"
      } not set`,
      { code: "invalid-config" },
    );
  }
  return {
    url: env[VARIABLES.url],
    token: env[VARIABLES.token],
    jobId: env[VARIABLES.jobId],
  };
}

/**
 * Checks whether an event started a job, or the job that triggered it.
 *
 * @param env Environment of the job.
 */
export function startedByEvent(
  env: Readonly<Record<string, string>>,
): boolean {
  return [Variable.ci, Variable.eventType, Variable.provider]
    .some((name) => env[name]) || env[Variable.jobKind] === "eval";
}
