import { listText, parseList } from "../../config/list.ts";
import { Variable } from "../../environment/variables.ts";
import type { Logger } from "../../output/logger.ts";
import type { Masker } from "../../secrets/masker.ts";
import type { JobPlan } from "./planned_step.ts";
import {
  assignVariables,
  type NamedOutput,
  outputVariable,
} from "./output_names.ts";

/** Longest text that a system takes for one variable, less its name. */
const MAX_VARIABLE_BYTES = 120_000;

/** Most bytes of all outputs in one environment: half of what Linux allows. */
const MAX_TOTAL_BYTES = 1_000_000;

/** How many outputs a message names. */
const SHOWN_COUNT = 3;

/** An output and the variable that holds it. */
interface VariableOutput extends NamedOutput {
  /** What the variable holds. */
  readonly text: string;
}

/** What the steps of a job have given to those that depend on them. */
export class StepOutputs {
  readonly #plan: JobPlan;
  readonly #masker: Masker;
  readonly #logger: Logger;
  readonly #values = new Map<number, unknown>();

  /**
   * Makes the outputs of a job none of whose steps has ended.
   *
   * @param plan The steps.
   * @param parts Who knows secrets, and who is told what cannot be passed on.
   */
  constructor(plan: JobPlan, parts: { masker: Masker; logger: Logger }) {
    this.#plan = plan;
    this.#masker = parts.masker;
    this.#logger = parts.logger;
  }

  /**
   * Keeps what a step gave. A text with a secret in it becomes a secret as a
   * whole: parts of it that nobody asked about must not give it away.
   *
   * @param step Index of the step.
   * @param value What it gave.
   */
  set(step: number, value: unknown): void {
    this.#values.set(step, value);
    for (const text of Object.values(textsOf(value))) {
      if (this.#isSensitive(text)) this.#masker.add(text);
    }
  }

  /**
   * Gives everything that steps have given.
   *
   * @returns Values by the names of the steps.
   */
  all(): ReadonlyMap<string, unknown> {
    const { steps } = this.#plan;
    return new Map(
      [...this.#values].map(([step, value]) => [steps[step].name, value]),
    );
  }

  /**
   * Takes over what an earlier run's steps gave that do not run now.
   *
   * @param kept Values by the names of the steps.
   */
  restore(kept: ReadonlyMap<string, unknown>): void {
    const { steps, isSelected } = this.#plan;
    steps.forEach(({ name }, step) => {
      if (!isSelected[step] && kept.has(name)) this.set(step, kept.get(name));
    });
  }

  /**
   * Gives what a step's function sees.
   *
   * @param step Index of the step that asks.
   * @returns Values by the names of the definitions it depends on.
   */
  valuesFor(step: number): Readonly<Record<string, unknown>> {
    const { needs, steps } = this.#plan;
    const values: Record<string, unknown> = Object.create(null);
    for (const need of needs[step]) {
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
   * Gives what a step's commands see.
   *
   * @param step Index of the step that asks.
   * @param secretNames Variables that are known to hold secrets, as a list.
   * @returns Variables `REACTORCIDE_OUTPUT_<STEP>_<KEY>`, and the names of
   * those that hold secrets.
   */
  variablesFor(
    step: number,
    secretNames: string | undefined,
  ): Readonly<Record<string, string>> {
    const { needs, steps } = this.#plan;
    const variables: Record<string, string> = {};
    const sensitive = parseList(secretNames ?? "") ?? [];
    const outputs = needs[step].flatMap((need) => {
      const { [need]: given } = steps;
      return Object.entries(textsOf(this.#values.get(need)))
        .filter(([key, text]) => this.#fits(given.name, key, text))
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
    for (const { variable, text } of this.#fitting(step, assigned.values())) {
      variables[variable] = text;
      if (this.#isSensitive(text)) sensitive.push(variable);
    }
    return sensitive.length > 0
      ? { ...variables, [Variable.secretEnvNames]: listText(sensitive) }
      : variables;
  }

  /** The smallest outputs that fit into an environment together. */
  #fitting(step: number, outputs: Iterable<VariableOutput>): VariableOutput[] {
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
    const more = left.length - SHOWN_COUNT;
    this.#logger.warn(
      "steps",
      `Step "${this.#plan.steps[step].name}" gets no variables for ` +
        `${left.length} outputs, as all of them together have more than ` +
        `${MAX_TOTAL_BYTES} bytes: ${left.slice(0, SHOWN_COUNT).join(", ")}` +
        (more > 0 ? ` and ${more} more` : ""),
    );
    return sorted.slice(0, count);
  }

  #isSensitive(text: string): boolean {
    return this.#masker.holdsSecret(text);
  }

  #fits(step: string, key: string, text: string): boolean {
    const problem = text.includes("\0")
      ? "a NUL character"
      : text.length * 3 > MAX_VARIABLE_BYTES &&
          new TextEncoder().encode(text).length > MAX_VARIABLE_BYTES
      ? `more than ${MAX_VARIABLE_BYTES} bytes`
      : undefined;
    if (problem === undefined) return true;
    this.#logger.warn(
      "steps",
      `Output "${key}" of step "${step}" has ${problem}: no variable holds it`,
    );
    return false;
  }
}

/** The texts of a value that is an object: others are seen by functions only. */
function textsOf(value: unknown): Record<string, string> {
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
