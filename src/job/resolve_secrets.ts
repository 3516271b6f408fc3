import { visibleToJobs } from "../environment/child_environment.ts";
import type { JobRun } from "./job_run.ts";
import { maskSecrets } from "./mask_secrets.ts";

/**
 * Replaces the references in variables, and has the secrets masked.
 *
 * The store of secrets is opened when a variable refers to it, with the
 * password in `REACTORCIDE_SECRETS_PASSWORD`.
 *
 * @param run The run.
 * @param variables Variables of the job, or of a step.
 * @returns The same variables, with secrets in the place of references.
 * @throws {RunnerError} `invalid-config`, if a secret is missing or the store
 * cannot be opened.
 */
export async function resolveSecrets(
  run: JobRun,
  variables: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const { host } = run.parts;
  if (!Object.values(variables).some((value) => value.includes("${"))) {
    return variables;
  }
  const { resolveReferences } = await import("../secrets/references.ts");
  const { storeLookup } = await import("../secrets/store/lookup.ts");
  const { values, secrets } = await resolveReferences(variables, {
    lookup: storeLookup(host.env),
    env: visibleToJobs(host.env),
  });
  maskSecrets(run, secrets);
  return values;
}
