import type { JsonValue } from "../../json.ts";
import { goJson } from "../definition/json.ts";

/** Values by their names. */
export type JsonObject = Readonly<Record<string, JsonValue>>;

/** What a job leaves for those behind it. */
export interface JobOutputs {
  /** Variables of the workflow. */
  readonly vars?: JsonObject | null;
  /** Outputs, which others know as `<job>.<key>`. */
  readonly outputs?: JsonObject | null;
}

/** The variables of a workflow, to which jobs add. */
export class WorkflowVariables {
  readonly #values = new Map<string, JsonValue>();
  #text: string | undefined;

  /**
   * Creates the variables that a workflow starts with.
   *
   * @param initial Variables.
   */
  constructor(initial: JsonObject = {}) {
    this.#merge("", initial);
  }

  /**
   * Adds what a job leaves.
   *
   * A variable that is there may only be said again: another value is a
   * conflict, and what was added before it stays.
   *
   * @param job Name of the job, without the index of a fan-out.
   * @param outputs What it leaves.
   * @returns Name of the variable that has another value; `undefined` if all
   * went well.
   */
  add(job: string, { vars, outputs }: JobOutputs): string | undefined {
    return this.#merge("", vars ?? {}) ?? this.#merge(`${job}.`, outputs ?? {});
  }

  /** All variables as JSON. */
  get text(): string {
    return this.#text ??= JSON.stringify(Object.fromEntries(this.#values));
  }

  #merge(prefix: string, added: JsonObject): string | undefined {
    for (const [key, value] of Object.entries(added)) {
      if (key.trim() === "") continue;
      const name = prefix + key.trim();
      const present = this.#values.get(name);
      if (present === undefined) {
        this.#values.set(name, value);
        this.#text = undefined;
      } else if (!isSame(present, value)) return name;
    }
    return undefined;
  }
}

/** As the coordinator compares: the order of keys does not count. */
function isSame(a: JsonValue, b: JsonValue): boolean {
  return goJson(bare(a)) === goJson(bare(b));
}

/** A value and an object that holds nothing but it as `value` are the same. */
function bare(value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null) return value;
  const keys = Object.keys(value);
  return keys.length === 1 && keys[0] === "value" && !Array.isArray(value)
    ? (value as JsonObject).value
    : value;
}
