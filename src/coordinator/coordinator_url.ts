import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";

/** Ids of jobs are UUIDs; what could leave its place in a path is none. */
const JOB_ID = /^[\w-]+$/;

/**
 * Validates the address of the coordinator, to which a token is going to be sent.
 *
 * @param text Address, as a variable gave it.
 * @param allowInsecureTransport Whether plain HTTP will do.
 * @returns Address without a slash at its end.
 * @throws {RunnerError} `invalid-config`, if it is no such address.
 */
export function coordinatorUrl(
  text: string,
  allowInsecureTransport: boolean,
): string {
  const url = URL.parse(text.trim());
  if (url === null || url.host === "") throw refused(text, "it is not a URL");
  if (url.username !== "" || url.password !== "") {
    // Not quoted: the user info is a secret.
    throw refused(url.host, "its URL holds user info");
  }
  if (url.search !== "" || url.hash !== "") {
    throw refused(url.origin + url.pathname, "its URL holds more than a path");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw refused(text, "it is not an https URL");
  }
  if (url.protocol === "http:" && !allowInsecureTransport) {
    throw refused(
      text,
      "plain HTTP would send the token unencrypted. Use an https URL, or allow it with " +
        `${Variable.allowInsecureTransport}=true, --allow-insecure-transport or ` +
        "createRunner({ allowInsecureTransport: true })",
    );
  }
  return (url.origin + url.pathname).replace(/\/+$/, "");
}

/**
 * Makes the path of a job on the coordinator.
 *
 * @param id Id of the job.
 * @returns Path below the address of the coordinator.
 * @throws {RunnerError} `invalid-config`, if that is no id.
 */
export function jobPathOf(id: string): string {
  if (JOB_ID.test(id)) return `/api/v1/jobs/${id}`;
  throw new RunnerError(
    `Cannot use the job id ${
      JSON.stringify(id.slice(0, 100))
    }: it is not a UUID`,
    { code: "invalid-config" },
  );
}

function refused(text: string, state: string): RunnerError {
  return new RunnerError(
    `Cannot use coordinator ${JSON.stringify(text.slice(0, 200))}: ${state}`,
    { code: "invalid-config" },
  );
}
