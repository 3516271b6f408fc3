import { messageOf, RunnerError } from "../errors.ts";
import { suggest } from "../suggest.ts";
import {
  checkField,
  FIELD_OF_WIRE,
  type ReportProblem,
  TRIGGER_FIELDS,
  variableProblem,
} from "./trigger_fields.ts";
import { kindOf, plainEntries } from "./copy_json.ts";
import { brief, quote } from "../terminal/text.ts";
import type { Trigger } from "./trigger.ts";

/** Maximum number of problems in a message. */
const MAX_SHOWN = 20;

const FIELD_NAMES = Object.keys(TRIGGER_FIELDS);

declare const CHECKED: unique symbol;

/**
 * A trigger that {@linkcode checkTriggers} has checked, the only function that
 * makes one, so that nothing is checked twice or not at all.
 */
export type CheckedTrigger = Trigger & { readonly [CHECKED]: true };

/** A problem of a trigger. */
export interface TriggerProblem {
  /** Name of the job, or its place in the list, quoted. */
  readonly job: string;
  /** End of a sentence that starts with the job. */
  readonly problem: string;
}

/** Options for {@linkcode checkTriggers}. */
export interface CheckTriggersOptions {
  /**
   * Describes why a name cannot be used, if it cannot.
   *
   * @default {every name can be used}
   */
  nameProblem?: (name: string) => string | undefined;
}

/**
 * Checks triggers of unknown origin.
 *
 * @param values Triggers from a program or a file.
 * @param options Additional options.
 * @returns Frozen copies with plain conditions, and items as strings.
 * @throws {RunnerError} `invalid-trigger`, with all problems, if a trigger
 * would be refused, or be accepted and never run.
 */
export function checkTriggers(
  values: unknown,
  options: CheckTriggersOptions = {},
): CheckedTrigger[] {
  const { nameProblem = () => undefined } = options;
  if (!Array.isArray(values)) {
    const problem = `must be a list of triggers, not ${kindOf(values)}`;
    throw triggerError([{ job: '"jobs"', problem }]);
  }
  const problems: TriggerProblem[] = [];
  const names = new Set<string>();
  const triggers: CheckedTrigger[] = [];
  // A list can claim any length.
  for (
    let index = 0;
    index < values.length && problems.length <= MAX_SHOWN;
    index++
  ) {
    const found: string[] = [];
    const trigger = checkTrigger(
      values,
      index,
      (problem) => void found.push(problem),
    );
    const name = typeof trigger.name === "string" ? trigger.name : undefined;
    if (name !== undefined) {
      const taken = names.has(name)
        ? "its name is used twice"
        : nameProblem(name);
      if (taken !== undefined) found.push(taken);
      names.add(name);
    }
    const job = quote(name ?? `jobs[${index}]`);
    problems.push(...found.map((problem) => ({ job, problem })));
    triggers.push(trigger as CheckedTrigger);
  }
  if (problems.length > 0) throw triggerError(problems);
  return triggers;
}

/**
 * Creates the error of one or more problems.
 *
 * @param problems Problems; those of one job are next to each other.
 */
export function triggerError(
  problems: readonly TriggerProblem[],
): RunnerError {
  const shown = problems.slice(0, MAX_SHOWN);
  const sentences = shown.map(({ job, problem }, index) => {
    if (index > 0 && shown[index - 1].job === job) return problem;
    return `${index === 0 ? "Cannot" : "cannot"} trigger ${job}: ${problem}`;
  });
  if (problems.length > shown.length) sentences.push("and more problems");
  return new RunnerError(sentences.join("; "), { code: "invalid-trigger" });
}

function checkTrigger(
  values: readonly unknown[],
  index: number,
  report: ReportProblem,
): Partial<Record<keyof Trigger, unknown>> {
  const trigger: Partial<Record<keyof Trigger, unknown>> = {};
  let entries: [string, unknown][] = [];
  try {
    entries = plainEntries(values[index], "it");
  } catch (error) {
    // A getter or a proxy of the caller may throw any value.
    report(problemOf(error));
    return trigger;
  }
  for (const [key, value] of entries) {
    if (value === undefined) continue;
    if (!isField(key)) {
      report(unknownField(key));
      continue;
    }
    try {
      const { kind } = TRIGGER_FIELDS[key];
      trigger[key] = Object.freeze(checkField(kind, value, key, report));
    } catch (error) {
      report(problemOf(error));
    }
  }
  if (!entries.some(([key]) => key === "name")) report("name is missing");
  checkItems(trigger as Partial<Trigger>, report);
  return Object.freeze(trigger);
}

/** Each item becomes the value of a variable, as the coordinator writes it. */
function checkItems(
  { forEach = [], itemVar = "" }: Partial<Trigger>,
  report: ReportProblem,
): void {
  if (!Array.isArray(forEach) || typeof itemVar !== "string") return;
  for (const [index, item] of forEach.entries()) {
    const text = typeof item === "string" ? item : JSON.stringify(item)
      .replace(/[<>&\u2028\u2029]/g, "\\u0000");
    const problem = variableProblem(itemVar || "ITEM", text);
    if (problem !== undefined) report(`forEach[${index}] ${problem}`);
  }
}

function isField(key: string): key is keyof Trigger {
  return Object.hasOwn(TRIGGER_FIELDS, key);
}

function unknownField(key: string): string {
  if (key === "job_file" || key === "jobFile") {
    return `${key} is refused by the coordinator`;
  }
  const meant = FIELD_OF_WIRE[key] ?? suggest(key, FIELD_NAMES);
  return `the field ${quote(key)} is unknown` +
    (meant === undefined ? "" : `, did you mean "${meant}"`);
}

function problemOf(error: unknown): string {
  try {
    return brief(messageOf(error), 300);
  } catch {
    return "it cannot be read";
  }
}
