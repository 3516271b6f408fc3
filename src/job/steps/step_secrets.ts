import type { JobConfig } from "../../config/job_config.ts";
import {
  matchingSecrets,
  namedSecrets,
  urlSecrets,
} from "../../secrets/collect.ts";
import type { JobRun } from "../job_run.ts";
import { maskSecrets } from "../mask_secrets.ts";
import { resolveSecrets } from "../resolve_secrets.ts";
import type { Step } from "../step.ts";

/**
 * Replaces the references in the variables of steps, and has the secrets
 * masked, as well as the variables that are secret by their names.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @param steps Definitions of the steps.
 * @returns The same definitions, with secrets in the place of references.
 * @throws {RunnerError} `invalid-config`, if a secret is missing or the store
 * cannot be opened.
 */
export async function resolveStepSecrets(
  run: JobRun,
  { secretEnvNames = [], secretEnvPatterns }: JobConfig,
  steps: readonly Step[],
): Promise<Step[]> {
  const resolved: Step[] = [];
  for (const step of steps) {
    const env = step.env && await resolveSecrets(run, step.env);
    if (env) {
      maskSecrets(run, [
        ...namedSecrets(env, secretEnvNames, "listed name"),
        ...matchingSecrets(env, secretEnvPatterns),
        ...urlSecrets(env),
      ]);
    }
    resolved.push(env === undefined ? step : { ...step, env });
  }
  return resolved;
}
