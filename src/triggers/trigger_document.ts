import type { JsonValue } from "../json.ts";
import type { Condition } from "../schema/condition.ts";
import { type CheckedTrigger, checkTriggers } from "./check_triggers.ts";
import type { Trigger } from "./trigger.ts";
import { TRIGGER_FIELDS } from "./trigger_fields.ts";
import { bypassEmptyLists, topologicalOrder } from "./trigger_graph.ts";

const FIELDS = Object.entries(TRIGGER_FIELDS) as [
  keyof Trigger,
  { key: string },
][];

/** A job of a {@linkcode TriggerDocument}, with the keys of the wire. */
export interface TriggerJob {
  /** Name of the job. */
  readonly job_name: string;
  /** Names of jobs of the same document that come first. */
  readonly depends_on: readonly string[];
  /** When the job runs. */
  readonly condition: Condition;
  /** Environment variables. */
  readonly env: Readonly<Record<string, string>>;
  /** Other fields of the job. */
  readonly [key: string]: JsonValue;
}

/** A document for the coordinator, or for the triggers file. */
export interface TriggerDocument {
  /** Kind of the document. */
  readonly type: "trigger_job";
  /**
   * Identity of the content.
   *
   * The coordinator drops a document whose id it knows: the same document can be
   * sent again, and another one under its id would be lost.
   */
  readonly operation_id: string;
  /** Who wrote it. */
  readonly trigger_type: "runnerlib";
  /** Jobs, each behind those that it depends on. */
  readonly jobs: readonly TriggerJob[];
}

/** Options for {@linkcode triggerDocument}. */
export interface TriggerDocumentOptions {
  /**
   * Identity of the content.
   *
   * @default {crypto.randomUUID()}
   */
  operationId?: string;
}

/**
 * Writes triggers in the form that the coordinator reads.
 *
 * @param triggers Triggers, with all those that they depend on.
 * @returns The document; what is empty is left out, except for the name, the
 * dependencies, the condition and the environment. A job with an empty list of
 * items is left out as well.
 * @throws {RunnerError} `invalid-trigger` if a trigger is invalid, a name
 * is used twice, a dependency is unknown or there is a cycle.
 */
export function triggerDocument(
  triggers: readonly Trigger[],
  options: TriggerDocumentOptions = {},
): TriggerDocument {
  return orderedDocument(topologicalOrder(checkTriggers(triggers)), options);
}

/**
 * Writes triggers that are checked and in order.
 *
 * @param ordered Triggers, each behind those that it depends on.
 */
export function orderedDocument(
  ordered: readonly CheckedTrigger[],
  options: TriggerDocumentOptions = {},
): TriggerDocument {
  const { operationId = crypto.randomUUID() } = options;
  return {
    type: "trigger_job",
    operation_id: operationId,
    trigger_type: "runnerlib",
    jobs: bypassEmptyLists(ordered).jobs.map(jobOf),
  };
}

function jobOf(trigger: Trigger): TriggerJob {
  const { name, dependsOn = [], condition = "all_success", env = {} } = trigger;
  const job: Record<string, JsonValue> = {};
  for (const [field, { key }] of FIELDS) {
    const value = trigger[field] as JsonValue | undefined;
    if (value !== undefined && !isEmpty(value)) job[key] = value;
  }
  return { job_name: name, depends_on: dependsOn, condition, env, ...job };
}

function isEmpty(value: JsonValue): boolean {
  if (typeof value === "string") return value === "";
  return typeof value === "object" && value !== null &&
    Object.keys(value).length === 0;
}
