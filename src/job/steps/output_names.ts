import { Variable } from "../../environment/variables.ts";
import { RunnerError } from "../../errors.ts";
import type { JobPlan, PlannedStep } from "./planned_step.ts";

const PREFIX = Variable.output;

/** An output of a step, and the variable in which dependent steps get it. */
export interface NamedOutput {
  /** Step that gave the output. */
  readonly step: PlannedStep;
  /** Key under which the step gave it. */
  readonly key: string;
  /** `REACTORCIDE_OUTPUT_<STEP>_<KEY>`. */
  readonly variable: string;
}

/**
 * Names the variable in which a dependent step gets an output.
 *
 * @param step Name of the step that gave the output.
 * @param key Key of the output.
 * @returns `REACTORCIDE_OUTPUT_<STEP>_<KEY>`, in capitals; each run of other
 * characters than letters and digits of ASCII becomes `_`.
 */
export function outputVariable(step: string, key: string): string {
  return [PREFIX, step, key].map(variablePart).join("_");
}

/**
 * Refuses steps whose outputs could not be told apart by whatever depends on
 * both.
 *
 * @param plan The steps.
 * @throws {RunnerError} `invalid-job`, with every such pair of names.
 */
export function checkOutputNames(
  { steps, needs }: Pick<JobPlan, "steps" | "needs">,
): void {
  const problems = new Set<string>();
  for (const ofStep of needs) {
    const names = new Map<string, string>();
    for (const need of ofStep) {
      const { name } = steps[need];
      const part = variablePart(name);
      const other = names.get(part);
      if (other !== undefined && other !== name) {
        problems.add(
          `  steps "${other}" and "${name}": the outputs of both are named ` +
            `${outputVariable(name, "")}*; rename one of them`,
        );
      }
      names.set(part, name);
    }
  }
  if (problems.size === 0) return;
  throw new RunnerError(
    `Cannot run the job's steps:\n${[...problems].join("\n")}`,
    { code: "invalid-job" },
  );
}

/**
 * Gives each variable to one output.
 *
 * Names do not tell where the one of the step ends and that of the key begins:
 * "x_tag" of "build" and "tag" of "build_x" share a variable. It belongs to the
 * step with the longer name. An untrusted step gets no variable that belongs to
 * another step, not even one that is free; a trusted step has precedence over
 * an untrusted one.
 *
 * @param outputs Outputs of the steps that a step depends on.
 * @param steps All steps of the job.
 * @param warn Gets a message for each output that is left out.
 * @returns The outputs by their variables.
 */
export function assignVariables<Output extends NamedOutput>(
  outputs: readonly Output[],
  steps: readonly PlannedStep[],
  warn: (message: string) => void,
): Map<string, Output> {
  const assigned = new Map<string, Output>();
  for (const output of outputs) {
    const { variable } = output;
    const owner = ownerOf(variable, steps);
    if (output.step.definition.untrusted && owner !== output.step) {
      warn(leftOut(output, `it would pass for one of step "${owner.name}"`));
      continue;
    }
    const other = assigned.get(variable);
    const wins = other === undefined || precedes(output, other, owner);
    if (wins) assigned.set(variable, output);
    if (other === undefined) continue;
    const [winner, loser] = wins ? [output, other] : [other, output];
    warn(leftOut(loser, `"${winner.key}" of step "${winner.step.name}" has`));
  }
  return assigned;
}

/** The step with the longest name that a variable can begin with. */
function ownerOf(
  variable: string,
  steps: readonly PlannedStep[],
): PlannedStep {
  let [owner, length] = [steps[0], -1];
  for (const step of steps) {
    const prefix = outputVariable(step.name, "");
    if (prefix.length <= length || !variable.startsWith(prefix)) continue;
    [owner, length] = [step, prefix.length];
  }
  return owner;
}

function precedes(
  output: NamedOutput,
  other: NamedOutput,
  owner: PlannedStep,
): boolean {
  const isTrusted = ({ step }: NamedOutput) => !step.definition.untrusted;
  if (isTrusted(output) !== isTrusted(other)) return isTrusted(output);
  // Of two keys of one step, the later counts.
  return other.step !== owner || output.step === owner;
}

function leftOut({ step, key, variable }: NamedOutput, reason: string): string {
  return `Output "${key}" of step "${step.name}" is left out: ` +
    (reason.startsWith("it") ? reason : `${reason} ${variable}`);
}

function variablePart(text: string): string {
  return text.toUpperCase().replace(/[^A-Z0-9]+/g, "_").replace(/^_|_$/g, "");
}
