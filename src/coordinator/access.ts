import { type Environment, Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";

/** Access of a job to the coordinator, as configured by its worker. */
export interface CoordinatorAccess {
  /** URL of the coordinator. */
  readonly url: string;
  /** Token of the job, which may only submit triggers of this job. */
  readonly token: string;
  /** ID of the job. */
  readonly jobId: string;
}

/** Environment variables with the access of a job. */
const VARIABLES: Readonly<Record<keyof CoordinatorAccess, string>> = {
  url: Variable.coordinatorUrl,
  token: Variable.apiToken,
  jobId: Variable.jobId,
};

/** IDs are UUIDs; other text could change the path of a request. */
const ID = /^[\w-]+$/;

/** Checks whether a job can submit triggers to a coordinator. */
export function isCoordinatorConfigured(env: Environment): boolean {
  return Object.values(VARIABLES).every((name) => env[name]);
}

/**
 * Reads the access of a job to the coordinator.
 *
 * @throws {RunnerError} `invalid-config` if a variable is missing.
 */
export function coordinatorAccess(env: Environment): CoordinatorAccess {
  checkSet(env, Object.values(VARIABLES));
  return {
    url: env[VARIABLES.url],
    token: env[VARIABLES.token],
    jobId: env[VARIABLES.jobId],
  };
}

/**
 * Reads the access of a user to the coordinator, who may be outside of a job.
 *
 * @throws {RunnerError} `invalid-config` if a variable is missing.
 */
export function userAccess(
  env: Environment,
): Omit<CoordinatorAccess, "jobId"> {
  checkSet(env, [VARIABLES.url, VARIABLES.token]);
  return { url: env[VARIABLES.url], token: env[VARIABLES.token] };
}

function checkSet(env: Environment, names: readonly string[]): void {
  const missing = names.filter((name) => !env[name]);
  if (missing.length === 0) return;
  throw new RunnerError(
    `Cannot use the coordinator: ${missing.join(", ")} ${
      missing.length > 1 ? "are" : "is"
    } not set`,
    { code: "invalid-config" },
  );
}

/** Checks whether an event started a job or the job that triggered it. */
export function startedByEvent(env: Environment): boolean {
  return [Variable.ci, Variable.eventType, Variable.provider]
    .some((name) => env[name]) || env[Variable.jobKind] === "eval";
}

/**
 * Validates the URL of the coordinator, to which the token is sent.
 *
 * @param allowInsecureTransport Whether plain HTTP is allowed.
 * @returns The URL without a trailing slash.
 * @throws {RunnerError} `invalid-config` if the URL cannot be used.
 */
export function coordinatorUrl(
  text: string,
  allowInsecureTransport: boolean,
): string {
  const url = URL.parse(text.trim());
  if (url === null || url.host === "") {
    throw coordinatorError(text, "it is not a URL");
  }
  if (url.username !== "" || url.password !== "") {
    // The URL is not quoted, since the user info is secret.
    throw coordinatorError(url.host, "its URL contains user info");
  }
  if (url.search !== "" || url.hash !== "") {
    throw coordinatorError(
      url.origin + url.pathname,
      "its URL contains a query or a fragment",
    );
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw coordinatorError(text, "it is not an https URL");
  }
  if (url.protocol === "http:" && !allowInsecureTransport) {
    throw coordinatorError(
      text,
      "plain HTTP would send the token unencrypted; use an https URL, or allow it with " +
        `${Variable.allowInsecureTransport}=true, --allow-insecure-transport or ` +
        "createRunner({ allowInsecureTransport: true })",
    );
  }
  return (url.origin + url.pathname).replace(/\/+$/, "");
}

/**
 * Returns the path of a job, relative to the URL of the coordinator.
 *
 * @throws {RunnerError} `invalid-config` if it is not an ID.
 */
export function jobPath(id: string): string {
  return `/api/v1/jobs/${validateId(id, "job")}`;
}

/**
 * Returns the path of a workflow, relative to the URL of the coordinator.
 *
 * @throws {RunnerError} `invalid-config` if it is not an ID.
 */
export function workflowPath(id: string): string {
  return `/api/v1/workflows/${validateId(id, "workflow")}`;
}

function validateId(id: string, kind: string): string {
  if (ID.test(id)) return id;
  const quoted = JSON.stringify(id.slice(0, 100));
  throw new RunnerError(
    `Cannot use the ${kind} id ${quoted}: it is not a UUID`,
    { code: "invalid-config" },
  );
}

function coordinatorError(text: string, state: string): RunnerError {
  return new RunnerError(
    `Cannot use coordinator ${JSON.stringify(text.slice(0, 200))}: ${state}`,
    { code: "invalid-config" },
  );
}
