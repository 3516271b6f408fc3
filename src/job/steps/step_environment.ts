import type { Masker } from "../../secrets/masker.ts";
import type { PlannedStep } from "./planned_step.ts";

type Environment = Readonly<Record<string, string>>;

/** What every step gets of the runner's environment, however little it inherits. */
const ALWAYS_INHERITED = /^(?:REACTORCIDE_.*|RC_WF_.*|CI|PATH|HOME)$/;

/** What lets a program act for somebody else. */
const CREDENTIAL =
  /^(?:REACTORCIDE_(?:API_TOKEN|SECRET.*|VCS_AUTH.*)|SSH_AUTH_SOCK|.*(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|PRIVATE_KEY|API_KEY|ACCESS_KEY))$/i;

/** What the environment of a step is made of. */
export interface StepEnvironmentParts {
  /** The step. */
  step: PlannedStep;
  /** Environment of the runner, without what is the runner's alone. */
  inherited: Environment;
  /** Which of it the job's steps get. */
  inheritEnv: boolean | readonly string[];
  /** Variables that describe the job. */
  facts: Environment;
  /** Variables of the job. */
  jobEnv: Environment;
  /** Outputs of the steps it depends on, by variable. */
  outputs: Environment;
}

/**
 * Builds the environment of a step's commands. What is said of the step wins
 * over what is said of the job, and both over what is inherited.
 *
 * @param parts What it is made of.
 * @returns The whole environment.
 */
export function stepEnvironment(parts: StepEnvironmentParts): Environment {
  const { step, inherited, inheritEnv, facts, jobEnv, outputs } = parts;
  const { definition, variables } = step;
  return {
    ...narrow(inherited, definition.inheritEnv ?? inheritEnv),
    ...facts,
    REACTORCIDE_STEP_NAME: step.name,
    ...jobEnv,
    ...outputs,
    ...definition.env,
    ...variables,
  };
}

/**
 * Takes out of an environment what a program that is not trusted must not get:
 * tokens by their usual names, and whatever holds a known secret.
 *
 * @param env Environment.
 * @param masker Knows the secrets.
 * @returns What is left.
 */
export function withoutSecrets(env: Environment, masker: Masker): Environment {
  return Object.fromEntries(
    Object.entries(env).filter(([name, value]) =>
      !CREDENTIAL.test(name) && !masker.holdsSecret(value)
    ),
  );
}

function narrow(
  env: Environment,
  inheritEnv: boolean | readonly string[],
): Environment {
  if (inheritEnv === true) return env;
  const names = new Set(inheritEnv || []);
  return Object.fromEntries(
    Object.entries(env).filter(([name]) =>
      ALWAYS_INHERITED.test(name) || names.has(name)
    ),
  );
}
