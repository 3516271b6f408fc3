import { suggest } from "../suggest.ts";
import type { JobRun } from "./job_run.ts";
import type { Step } from "../steps/step.ts";

/**
 * Returns the names of the variables that only steps have.
 *
 * @param steps Steps.
 */
export function stepVariables(steps: readonly Step[]): string[] {
  return steps.flatMap(({ env = {}, forEach, itemVar = "ITEM", matrix }) => [
    ...Object.keys(env),
    ...forEach ? [itemVar] : [],
    ...Object.keys(matrix?.axes ?? {}),
    ...matrix?.include?.flatMap((one) => Object.keys(one)) ?? [],
  ]);
}

/**
 * Finds the names in `secret_env_names` that no variable has.
 *
 * @param run The run, whose settings are validated.
 * @returns What is wrong with each, worded to follow the key.
 */
export function unknownSecretNames(run: JobRun): string[] {
  const { unknownNames } = run.findSecrets();
  const names = [...stepVariables(run.allSteps), ...Object.keys(run.jobEnv)];
  const others = Object.keys(run.parts.host.env);
  return unknownNames.map((name) => {
    const near = suggest(name, names) ?? suggest(name, others);
    const hint = near !== undefined
      ? ` (did you mean ${JSON.stringify(near)}?)`
      : name.includes("*")
      ? " (patterns belong in secret_env_patterns)"
      : "";
    return `no variable has the name ${JSON.stringify(name)}${hint}`;
  });
}

/**
 * Warns about names in `secret_env_names` that no variable has.
 *
 * @param run The run, whose settings are validated.
 */
export function warnOfUnknownSecretNames(run: JobRun): void {
  for (const problem of unknownSecretNames(run)) {
    run.parts.logger.warn(
      "secrets",
      `secret_env_names: ${problem}; all variables of the job are masked`,
    );
  }
}
