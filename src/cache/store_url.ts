import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";

/** Settings for access to a store. */
export interface StoreSetting {
  /** Environment of the runner, with the credentials of a server. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether credentials may be sent over plain HTTP. */
  readonly allowInsecureTransport: boolean;
  /**
   * Whether a job fails without the store. If so, each job tries a server again that
   * could not be used.
   *
   * @default {false}
   */
  readonly isRequired?: boolean;
}

/**
 * Checks the URL of a server to which credentials are sent.
 *
 * @param what Name of the URL in messages.
 * @param hint What to set instead of user info.
 * @throws {RunnerError} `invalid-config`, without the URL, since it may contain
 * a secret.
 */
export function checkServerUrl(
  url: URL,
  { label, hint, allowInsecureTransport }: {
    label: string;
    hint: string;
    allowInsecureTransport: boolean;
  },
): void {
  if (url.username !== "" || url.password !== "") {
    throw invalidStore(`${label} contains user info; set ${hint} instead`);
  }
  if (url.search !== "" || url.hash !== "") {
    throw invalidStore(`${label} contains a query or a fragment`);
  }
  if (url.protocol === "http:" && !allowInsecureTransport) {
    throw invalidStore(
      `plain HTTP would send credentials and contents unencrypted. Use an https URL, or allow it with ${Variable.allowInsecureTransport}=true or --allow-insecure-transport`,
    );
  }
}

/** Creates the error for a setting that is not a usable store. */
export function invalidStore(reason: string): RunnerError {
  return new RunnerError(`Cannot use the cache store: ${reason}`, {
    code: "invalid-config",
  });
}
