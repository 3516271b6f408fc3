import type { JobConfig } from "../config/job_config.ts";
import { visibleToJobs } from "../environment/child_environment.ts";
import {
  matchingSecrets,
  namedSecrets,
  urlSecrets,
} from "../secrets/collect.ts";
import type { Step } from "../steps/step.ts";
import type { JobRun } from "./job_run.ts";

/**
 * Replaces references in variables with secrets, which are masked from then on.
 *
 * If a variable refers to the secret store, it is opened with the password in
 * `REACTORCIDE_SECRETS_PASSWORD`.
 *
 * @param run The run.
 * @param variables Variables of the job, or of a step.
 * @returns The variables, with secrets in place of references.
 * @throws {RunnerError} `invalid-config`, if a secret is missing or the store
 * cannot be opened.
 */
export async function resolveSecrets(
  run: Pick<JobRun, "parts" | "secrets">,
  variables: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const { host } = run.parts;
  if (!Object.values(variables).some((value) => value.includes("${"))) {
    return variables;
  }
  const { resolveReferences } = await import("../secrets/references.ts");
  const { storeLookup } = await import("../secrets/store/lookup.ts");
  const { values, secrets, missing } = await resolveReferences(variables, {
    lookup: storeLookup(host.env),
    env: visibleToJobs(host.env),
  });
  run.secrets.add(secrets);
  for (const [variable, names] of missing) {
    run.parts.logger.warn(
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
 * @param run The run.
 * @param config Configuration of the job.
 * @param steps Definitions of the steps.
 * @returns The definitions, with secrets in place of references.
 * @throws {RunnerError} `invalid-config`, if a secret is missing or the store
 * cannot be opened.
 */
export async function resolveStepSecrets(
  run: Pick<JobRun, "parts" | "secrets">,
  { secrets: { envNames = [], envPatterns } }: JobConfig,
  steps: readonly Step[],
): Promise<Step[]> {
  const resolved: Step[] = [];
  for (const step of steps) {
    const env = step.env && await resolveSecrets(run, step.env);
    if (env) {
      run.secrets.add([
        ...namedSecrets(env, envNames, "listed name"),
        ...matchingSecrets(env, envPatterns),
        ...urlSecrets(env),
      ]);
    }
    resolved.push(env === undefined ? step : { ...step, env });
  }
  return resolved;
}
