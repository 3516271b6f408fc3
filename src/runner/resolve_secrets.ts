import type { JobConfig } from "../config/job_config.ts";
import { visibleToJobs } from "../environment/child_environment.ts";
import {
  matchingSecrets,
  namedSecrets,
  urlSecrets,
} from "../secrets/collect.ts";
import type { Step } from "../steps/step.ts";
import type { SecretsRun } from "./secret_lookup.ts";

/**
 * Replaces references in variables with secrets, which are masked from then on.
 *
 * If a variable refers to the secret store, it is opened with the password in
 * `REACTORCIDE_SECRETS_PASSWORD`. In a dry run, providers are not called, and
 * references to their secrets stay in the variables.
 *
 * @param variables Variables of the job, or of a step.
 * @returns The variables, with secrets in place of references.
 * @throws {RunnerError} `invalid-config`, if a secret is missing, the store
 * cannot be opened or a provider fails.
 */
export async function resolveSecrets(
  run: SecretsRun,
  variables: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const { host } = run.runner;
  if (!Object.values(variables).some((value) => value.includes("${"))) {
    return variables;
  }
  const { resolveReferences } = await import("../secrets/references.ts");
  const { secretLookup } = await import("./secret_lookup.ts");
  run.secretLookup ??= secretLookup(run);
  const { values, secrets, missing } = await resolveReferences(variables, {
    lookup: run.secretLookup,
    env: visibleToJobs(host.env),
  });
  // In a dry run, a provider's secret is the reference itself.
  run.secrets.add(secrets.filter(({ name, value }) => name !== value));
  for (const [variable, names] of missing) {
    run.runner.logger.warn(
      "secrets",
      `${
        [...names].join(", ")
      }: \${env:${variable}} is empty, because ${variable} is not set`,
    );
  }
  return values;
}

/**
 * Replaces references in the variables of steps with secrets. Those are masked,
 * and so are variables whose names make them secret.
 *
 * @param steps Definitions of the steps.
 * @returns The definitions, with secrets in place of references.
 * @throws {RunnerError} `invalid-config`, if a secret is missing, the store
 * cannot be opened or a provider fails.
 */
export async function resolveStepSecrets(
  run: SecretsRun,
  { secrets: { envNames = [], envPatterns } }: JobConfig,
  steps: readonly Step[],
): Promise<Step[]> {
  // Providers of all steps are called together, and all calls end first.
  const results = await Promise.allSettled(
    steps.map(async ({ env }) => env && await resolveSecrets(run, env)),
  );
  return steps.map((step, index) => {
    const result = results[index];
    if (result.status === "rejected") throw result.reason;
    const env = result.value;
    if (env === undefined) return step;
    run.secrets.add([
      ...namedSecrets(env, envNames, "listed name"),
      ...matchingSecrets(env, envPatterns),
      ...urlSecrets(env),
    ]);
    return { ...step, env };
  });
}
