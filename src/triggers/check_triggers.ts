import { messageOf, RunnerError } from "../errors.ts";
import { itemText, type JsonValue } from "../json_value.ts";
import { copyJson, describeKind, plainEntries } from "../schema/copy_json.ts";
import { DocumentNode } from "../schema/document.ts";
import { printable, quote, truncated } from "../terminal/text.ts";
import {
  programTrigger,
  type Trigger,
  variableProblem,
  wireTrigger,
} from "./trigger_options.ts";

/** Maximum number of problems in a message. */
const MAX_SHOWN = 20;

/** Fields whose members the caller sets on purpose. */
const RECORDS: readonly string[] = ["env", "characteristics"];

declare const CHECKED: unique symbol;

/**
 * A trigger that has been checked. Only {@linkcode checkTriggers} returns one, so
 * that no trigger is checked twice or not at all.
 */
export type CheckedTrigger = Trigger & { readonly [CHECKED]: true };

/** A problem of a trigger. */
export interface TriggerProblem {
  /** Name of the job, or its place in the list, quoted. */
  readonly job: string;
  /** The problem, phrased to follow the job. */
  readonly problem: string;
}

/** Options for {@linkcode checkTriggers}. */
export interface CheckTriggersOptions {
  /**
   * Whether keys are those of trigger documents, such as `job_name`.
   *
   * @default {false}
   */
  isWire?: boolean;
  /**
   * Describes why a name cannot be used.
   *
   * @default {every name can be used}
   */
  nameProblem?: (name: string) => string | undefined;
}

/**
 * Checks triggers of unknown origin.
 *
 * @param values Triggers from a program or a file.
 * @returns Frozen copies with normalized conditions, and numeric items as
 * strings.
 * @throws {RunnerError} `invalid-trigger` with all problems, if the coordinator
 * would refuse a trigger, or accept it and never run it.
 */
export function checkTriggers(
  values: unknown,
  options: CheckTriggersOptions = {},
): CheckedTrigger[] {
  const { isWire = false, nameProblem = () => undefined } = options;
  if (!Array.isArray(values)) {
    const problem = `must be a list of triggers, not ${describeKind(values)}`;
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
      () => values[index],
      isWire,
      (problem) => void found.push(problem),
    );
    const name = typeof trigger.name === "string" ? trigger.name : undefined;
    if (name !== undefined) {
      const taken = names.has(name)
        ? "its name occurs twice"
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
 * Creates the error for one or more problems.
 *
 * @param problems Problems, grouped by job.
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

/** Called with a problem: the end of the sentence `Cannot trigger "…": `. */
type ReportProblem = (problem: string) => void;

function checkTrigger(
  read: () => unknown,
  isWire: boolean,
  report: ReportProblem,
): Partial<Trigger> {
  const copy = copyTrigger(read, report);
  if (copy === undefined) return {};
  const node = new DocumentNode(copy, copy, {
    count() {},
    add: (_path, message) => report(printable(message())),
    warn() {},
  });
  const schema = isWire ? wireTrigger : programTrigger;
  const trigger: Partial<Trigger> = schema.parse(node) ?? {};
  for (const value of Object.values(trigger)) Object.freeze(value);
  checkItems(trigger, report);
  return Object.freeze(trigger);
}

/** Copies a trigger. A getter or a proxy of the caller may throw any value. */
function copyTrigger(
  read: () => unknown,
  report: ReportProblem,
): Record<string, JsonValue> | undefined {
  const copy: Record<string, JsonValue> = {};
  try {
    for (const [key, value] of plainEntries(read(), "it")) {
      if (value === undefined) continue;
      const refusesUndefined = RECORDS.includes(key);
      try {
        copy[key] = copyJson(value, truncated(key), { refusesUndefined });
      } catch (error) {
        report(describeError(error));
      }
    }
    return copy;
  } catch (error) {
    return void report(describeError(error));
  }
}

/** Checks items, which become values of variables. */
function checkItems(
  { forEach = [], itemVar = "" }: Partial<Trigger>,
  report: ReportProblem,
): void {
  for (const [index, item] of forEach.entries()) {
    const problem = variableProblem(itemVar || "ITEM", itemText(item));
    if (problem !== undefined) report(`forEach[${index}] ${problem}`);
  }
}

function describeError(error: unknown): string {
  try {
    return truncated(messageOf(error), 300);
  } catch {
    return "it cannot be read";
  }
}
