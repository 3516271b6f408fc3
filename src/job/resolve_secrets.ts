import type { JobRun } from "./job_run.ts";

/**
 * Replaces the references in the variables of a job, and has the secrets masked.
 *
 * The store of secrets is opened when a variable refers to it, with the
 * password in `REACTORCIDE_SECRETS_PASSWORD`.
 *
 * @param run The run, whose variables are validated.
 * @throws {RunnerError} `invalid-config`, if a secret is missing or the store
 * cannot be opened.
 */
export async function resolveSecrets(run: JobRun): Promise<void> {
  const { jobEnv, parts: { host, masker, logger } } = run;
  if (!Object.values(jobEnv).some((value) => value.includes("${"))) return;
  const { resolveReferences } = await import("../secrets/references.ts");
  const { storeLookup } = await import("../secrets/store/lookup.ts");
  const { REACTORCIDE_SECRETS_PASSWORD: _, ...env } = host.env;
  const { values, secrets } = await resolveReferences(jobEnv, {
    lookup: storeLookup(host.env),
    env,
  });
  for (const { name, value } of secrets) {
    if (!masker.add(value)) {
      logger.warn("secrets", `${name} is too short to mask`);
    }
  }
  Object.assign(jobEnv, values);
}
