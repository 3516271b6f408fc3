import type { Environment } from "../environment/variables.ts";
import type { JsonValue } from "../json_value.ts";
import type { Condition } from "../schema/scalars.ts";
import { type CheckedTrigger, checkTriggers } from "./check_triggers.ts";
import { TRIGGER_FIELDS } from "./trigger_fields.ts";
import { bypassEmptyLists, sortTriggers } from "./trigger_graph.ts";
import type { Trigger } from "./trigger_options.ts";

const FIELDS = Object.entries(TRIGGER_FIELDS) as [
  keyof Trigger,
  { key: string },
][];

/** A job of a {@linkcode TriggerDocument}, with the keys of the protocol. */
export interface TriggerJob {
  /** Name of the job. */
  readonly job_name: string;
  /** Names of its dependencies in the same document. */
  readonly depends_on: readonly string[];
  /** Condition for running the job. */
  readonly condition: Condition;
  /** Environment variables. */
  readonly env: Environment;
  /** Other fields of the job. */
  readonly [key: string]: JsonValue;
}

/** A document for the coordinator or the triggers file. */
export interface TriggerDocument {
  /** Type of the document. */
  readonly type: "trigger_job";
  /**
   * Id of the document.
   *
   * The coordinator ignores a document whose id it knows. The same document can
   * therefore be sent again, but a different one needs a new id.
   */
  readonly operation_id: string;
  /** Program that wrote the document. */
  readonly trigger_type: "runnerlib";
  /** Jobs in topological order. */
  readonly jobs: readonly TriggerJob[];
}

/** Options for {@linkcode triggerDocument}. */
export interface TriggerDocumentOptions {
  /**
   * Id of the document.
   *
   * @default {crypto.randomUUID()}
   */
  operationId?: string;
}

/**
 * Converts triggers to the document that the coordinator reads.
 *
 * @param triggers Triggers, including all of their dependencies.
 * @returns The document. Empty properties are omitted, except for the name, the
 * dependencies, the condition and the environment. Jobs with an empty list of
 * items are omitted.
 * @throws {RunnerError} `invalid-trigger` if a trigger is invalid, a name is
 * used twice, a dependency is unknown or there is a cycle.
 */
export function triggerDocument(
  triggers: readonly Trigger[],
  options: TriggerDocumentOptions = {},
): TriggerDocument {
  return orderedDocument(sortTriggers(checkTriggers(triggers)), options);
}

/**
 * Converts checked triggers that are in topological order.
 *
 * @param ordered Triggers in topological order.
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
    jobs: bypassEmptyLists(ordered).jobs.map(wireJob),
  };
}

function wireJob(trigger: Trigger): TriggerJob {
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
