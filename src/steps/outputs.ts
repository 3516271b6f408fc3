import { listText, parseList } from "../config/text_values.ts";
import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import type { Logger } from "../output/logger.ts";
import type { Masker } from "../secrets/masker.ts";
import { listed } from "../suggest.ts";
import type { PlannedStep } from "./expand_matrix.ts";
import { needsOf, type Plan } from "./step_graph.ts";

/** Maximum size of a value, in bytes. Linux allows 131,071, including the name. */
const MAX_VARIABLE_BYTES = 120_000;

/** Maximum size of all outputs in one environment, in bytes: about half of Linux's limit. */
const MAX_TOTAL_BYTES = 1_000_000;

/** Maximum number of outputs that a message lists. */
const SHOWN_COUNT = 3;

/** An output with its value as text. */
interface VariableOutput extends NamedOutput {
  /** Value of the variable. */
  readonly text: string;
}

/** Outputs of the steps of a job. */
export class StepOutputs {
  readonly #plan: Plan<PlannedStep>;
  readonly #masker: Masker;
  readonly #logger: Logger;
  readonly #values = new Map<number, unknown>();

  /**
   * Creates the outputs of a job that has not started.
   *
   * @param parts Masker, and logger for warnings about outputs that are
   * dropped.
   */
  constructor(
    plan: Plan<PlannedStep>,
    parts: { masker: Masker; logger: Logger },
  ) {
    this.#plan = plan;
    this.#masker = parts.masker;
    this.#logger = parts.logger;
  }

  /**
   * Stores the outputs of a step. A value that contains a secret is masked as a
   * whole, because a part of it could reveal the secret.
   *
   * @param step Index of the step.
   */
  set(step: number, value: unknown): void {
    this.#values.set(step, value);
    for (const text of Object.values(toTexts(value))) {
      if (this.#isSensitive(text)) this.#masker.add(text);
    }
  }

  /**
   * Returns all outputs.
   *
   * @returns Outputs by step name.
   */
  all(): ReadonlyMap<string, unknown> {
    const { steps } = this.#plan;
    return new Map(
      [...this.#values].map(([step, value]) => [steps[step].name, value]),
    );
  }

  /**
   * Restores outputs of an earlier run for steps that are not selected.
   *
   * @param kept Outputs by step name.
   * @param isSelected For each step, whether it is selected.
   */
  restore(
    kept: ReadonlyMap<string, unknown>,
    isSelected: readonly boolean[],
  ): void {
    this.#plan.steps.forEach(({ name }, step) => {
      if (!isSelected[step] && kept.has(name)) this.set(step, kept.get(name));
    });
  }

  /**
   * Returns the outputs that a function step receives.
   *
   * @param step Index of the dependent step.
   * @returns Outputs by name of the definition.
   */
  valuesFor(step: number): Readonly<Record<string, unknown>> {
    const { steps } = this.#plan;
    const values: Record<string, unknown> = Object.create(null);
    for (const need of needsOf(this.#plan, step)) {
      const { group, isOneOfMany, isEmpty } = steps[need];
      const value = this.#values.get(need);
      if (!isOneOfMany) values[group] = value;
      else {
        const list = (values[group] ??= []) as unknown[];
        if (!isEmpty) list.push(value);
      }
    }
    return values;
  }

  /**
   * Returns the outputs that commands of a step receive.
   *
   * @param step Index of the dependent step.
   * @param secretNames Comma-separated names of secret variables.
   * @returns Variables `REACTORCIDE_OUTPUT_<STEP>_<KEY>`, and the variable that
   * lists the names of secret variables, if any of them is secret.
   */
  variablesFor(
    step: number,
    secretNames: string | undefined,
  ): Readonly<Record<string, string>> {
    const { steps } = this.#plan;
    const variables: Record<string, string> = {};
    const sensitive = parseList(secretNames ?? "") ?? [];
    const outputs = needsOf(this.#plan, step).flatMap((need) => {
      const { [need]: given } = steps;
      return Object.entries(toTexts(this.#values.get(need)))
        .filter(([key, text]) => this.#checkFits(given.name, key, text))
        .map(([key, text]) => {
          const variable = outputVariable(given.name, key);
          return { step: given, key, variable, text };
        });
    });
    const assigned = assignVariables(
      outputs,
      steps,
      (message) => this.#logger.warn("steps", message),
    );
    for (
      const { variable, text } of this.#limitTotal(step, assigned.values())
    ) {
      variables[variable] = text;
      if (this.#isSensitive(text)) sensitive.push(variable);
    }
    return sensitive.length > 0
      ? { ...variables, [Variable.secretEnvNames]: listText(sensitive) }
      : variables;
  }

  /** Drops the largest outputs until the rest fits into an environment. */
  #limitTotal(
    step: number,
    outputs: Iterable<VariableOutput>,
  ): VariableOutput[] {
    const all = [...outputs];
    const bytesOf = ({ text }: VariableOutput) => text.length * 3;
    const total = all.reduce((sum, output) => sum + bytesOf(output), 0);
    if (total <= MAX_TOTAL_BYTES) return all;
    const encoder = new TextEncoder();
    const sizes = new Map(
      all.map((output) => [output, encoder.encode(output.text).length]),
    );
    const sorted = all.toSorted((a, b) => sizes.get(a)! - sizes.get(b)!);
    let rest = MAX_TOTAL_BYTES;
    const count = sorted.findIndex((output) =>
      (rest -= sizes.get(output)!) < 0
    );
    if (count === -1) return all;
    const left = sorted.slice(count).map(({ step, key }) =>
      `"${key}" of step "${step.name}"`
    );
    this.#logger.warn(
      "steps",
      `Step "${this.#plan.steps[step].name}" gets no variables for ` +
        `${left.length} outputs, because all outputs together are larger than ` +
        `${MAX_TOTAL_BYTES} bytes: ${listed(left, SHOWN_COUNT)}`,
    );
    return sorted.slice(0, count);
  }

  #isSensitive(text: string): boolean {
    return this.#masker.containsSecret(text);
  }

  #checkFits(step: string, key: string, text: string): boolean {
    const problem = text.includes("\0")
      ? "a NUL character"
      : text.length * 3 > MAX_VARIABLE_BYTES &&
          new TextEncoder().encode(text).length > MAX_VARIABLE_BYTES
      ? `more than ${MAX_VARIABLE_BYTES} bytes`
      : undefined;
    if (problem === undefined) return true;
    this.#logger.warn(
      "steps",
      `Output "${key}" of step "${step}" is not passed as a variable: it has ${problem}`,
    );
    return false;
  }
}

/** Properties of an object as text; other values are for functions only. */
function toTexts(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return {};
  }
  const texts: Record<string, string> = {};
  for (const [key, part] of Object.entries(value)) {
    const text = typeof part === "string" ? part : JSON.stringify(part);
    if (text !== undefined && part !== null) texts[key] = text;
  }
  return texts;
}

const PREFIX = Variable.output;

/** An output of a step and the variable that passes it to dependent steps. */
export interface NamedOutput {
  /** Step that set the output. */
  readonly step: PlannedStep;
  /** Key of the output. */
  readonly key: string;
  /** `REACTORCIDE_OUTPUT_<STEP>_<KEY>`. */
  readonly variable: string;
}

/**
 * Returns the name of the variable that passes an output to dependent steps.
 *
 * @param step Name of the step that set the output.
 * @returns `REACTORCIDE_OUTPUT_<STEP>_<KEY>` in upper case; each run of
 * characters other than ASCII letters and digits becomes `_`.
 */
export function outputVariable(step: string, key: string): string {
  return [PREFIX, step, key].map(toVariablePart).join("_");
}

/**
 * Rejects steps whose outputs would use the same variables in a step that
 * depends on both.
 *
 * @throws {RunnerError} `invalid-job` with all conflicting pairs of names.
 */
export function checkOutputNames(plan: Plan<PlannedStep>): void {
  const problems = new Set<string>();
  for (const step of plan.steps.keys()) {
    const names = new Map<string, string>();
    for (const need of needsOf(plan, step)) {
      const { name } = plan.steps[need];
      const part = toVariablePart(name);
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
 * Assigns each variable to one output.
 *
 * The name of a variable is ambiguous: key "x_tag" of step "build" and key
 * "tag" of step "build_x" map to the same one. It belongs to the step with the
 * longer name. An untrusted step never sets a variable that belongs to another
 * step, even an unused one. A trusted step takes precedence over an untrusted
 * one.
 *
 * @param outputs Outputs of the dependencies of a step.
 * @param warn Called with a message for each dropped output.
 * @returns Outputs by variable.
 */
function assignVariables<Output extends NamedOutput>(
  outputs: readonly Output[],
  steps: readonly PlannedStep[],
  warn: (message: string) => void,
): Map<string, Output> {
  const assigned = new Map<string, Output>();
  for (const output of outputs) {
    const { variable } = output;
    const owner = findOwner(variable, steps);
    if (output.step.definition.untrusted && owner !== output.step) {
      warn(
        describeDropped(
          output,
          `it could be mistaken for an output of step "${owner.name}"`,
        ),
      );
      continue;
    }
    const other = assigned.get(variable);
    const wins = other === undefined || takesPrecedence(output, other, owner);
    if (wins) assigned.set(variable, output);
    if (other === undefined) continue;
    const [winner, loser] = wins ? [output, other] : [other, output];
    warn(
      describeDropped(
        loser,
        `"${winner.key}" of step "${winner.step.name}" has ${variable}`,
      ),
    );
  }
  return assigned;
}

/** Finds the step with the longest name that the variable starts with. */
function findOwner(
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

function takesPrecedence(
  output: NamedOutput,
  other: NamedOutput,
  owner: PlannedStep,
): boolean {
  const isTrusted = ({ step }: NamedOutput) => !step.definition.untrusted;
  if (isTrusted(output) !== isTrusted(other)) return isTrusted(output);
  // If two keys of one step conflict, the later one counts.
  return other.step !== owner || output.step === owner;
}

function describeDropped({ step, key }: NamedOutput, reason: string): string {
  return `Output "${key}" of step "${step.name}" is left out: ${reason}`;
}

function toVariablePart(text: string): string {
  return text.toUpperCase().replace(/[^A-Z0-9]+/g, "_").replace(/^_|_$/g, "");
}
