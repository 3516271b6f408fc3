import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import { type Environment, Variable } from "../../environment/variables.ts";
import type { PlannedStep } from "./planned_step.ts";

/** What the environment of a step is made of. */
export interface StepEnvironmentParts {
  /** The step. */
  step: PlannedStep;
  /** Environment from which commands of the job inherit. */
  parent: Environment;
  /** Variables of it that the job's steps inherit. */
  inheritEnv: boolean | readonly string[];
  /** Variables that describe the job. */
  facts: Environment;
  /** Variables of the job. */
  jobEnv: Environment;
  /** Outputs of the steps it depends on, by variable. */
  outputs: Environment;
  /** Checks whether a text contains a known secret. */
  holdsSecret: (text: string) => boolean;
  /** Gets the name of each variable that an untrusted step does not get. */
  onWithheld: (name: string) => void;
}

/**
 * Builds the environment of a step's commands. Variables of the step override
 * those of the job, and both override what is inherited.
 *
 * @param parts What it is made of.
 * @returns The whole environment.
 */
export function stepEnvironment(parts: StepEnvironmentParts): ChildEnvironment {
  const { step, parent, facts, jobEnv, outputs } = parts;
  const { definition, variables } = step;
  const inherit = definition.inheritEnv ?? parts.inheritEnv;
  const layers = {
    facts: { ...facts, [Variable.stepName]: step.name },
    jobEnv,
    own: { ...outputs, ...definition.env, ...variables },
  };
  if (!definition.untrusted) {
    return childEnvironment(parent, { kind: "job", inherit, ...layers });
  }
  const { inheritEnv: own } = definition;
  // It gets none of the variables that this one names.
  const { [Variable.secretEnvNames]: _, ...plain } = layers.own;
  return childEnvironment(parent, {
    kind: "untrusted-step",
    // A list of its own adds to the allowlist; that of the job limits all steps.
    isNarrow: Array.isArray(own) ? false : inherit !== true,
    names: Array.isArray(own) ? own : [],
    holdsSecret: parts.holdsSecret,
    onWithheld: parts.onWithheld,
    ...layers,
    own: plain,
  });
}
