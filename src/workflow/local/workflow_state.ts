import type { SavedArtifact } from "../../artifacts/artifact.ts";
import { isObject, type JsonValue } from "../../json_value.ts";
import type { Trigger } from "../../triggers/trigger_options.ts";
import { goJson } from "../../json_value.ts";
import type { NodeStatus } from "./node_states.ts";

/** Follow-up jobs of a job, as a separate workflow. */
export interface TriggeredWorkflow {
  /** Name of the workflow, if the job set one. */
  readonly name?: string;
  /** Initial variables. */
  readonly vars?: JsonObject;
  /** The jobs. */
  readonly jobs: readonly Trigger[];
}

/** Saved state of a job of a local workflow. */
export interface LocalJobState {
  /** Status of the job. */
  readonly status: NodeStatus;
  /** Exit code, or `null` if there is none yet. */
  readonly exitCode: number | null;
  /** Outputs of the job. */
  readonly outputs: JsonObject;
  /** Name of the job, without the index of a fan-out. */
  readonly name: string;
  /** Variables of the workflow that the job set. */
  readonly vars?: JsonObject;
  /**
   * Key of the job that triggered this one; `undefined` for jobs of the
   * workflow file.
   */
  readonly origin?: string;
  /** Follow-up jobs of the job. */
  readonly triggers?: readonly TriggeredWorkflow[];
  /** Artifacts of the job. */
  readonly artifacts?: readonly SavedArtifact[];
  /** Why the job failed or was skipped; unset if it is not known. */
  readonly reason?: string;
}

/** Records by job key. */
export type JobRecords = ReadonlyMap<string, LocalJobState>;

/** Saved state of a local workflow, from which it can be resumed. */
export interface WorkflowState {
  /** State of the earlier run that this one resumes. */
  readonly earlier: JobRecords;
  /** Saves the state of a job. */
  record(key: string, record: LocalJobState): Promise<void>;
}

/**
 * Assigns a unique key to each job: its display name, if it is not taken.
 *
 * Jobs keep their keys when the workflow is resumed, even if they run in a
 * different order.
 */
export class JobKeys {
  readonly #keys = new Map<string, string>();
  readonly #usedKeys = new Set<string>();

  /**
   * Adopts the keys of an earlier run.
   *
   * @param earlier Records of the earlier run.
   */
  constructor(earlier: JobRecords) {
    for (const [key, { origin, name }] of earlier) {
      this.#usedKeys.add(key);
      const displayName = name + (/\[\d+\]$/.exec(key)?.[0] ?? "");
      if (origin !== undefined) {
        this.#keys.set(`${origin}\0${displayName}`, key);
      }
    }
  }

  /**
   * Returns the key of a job of the workflow file.
   *
   * @returns The display name, which is reserved for this job.
   */
  reserve(displayName: string): string {
    this.#usedKeys.add(displayName);
    return displayName;
  }

  /**
   * Returns the key of a triggered job.
   *
   * @param origin Key of the job that triggered it.
   * @returns The key; the same for each call with the same arguments.
   */
  keyForTriggered(origin: string, displayName: string): string {
    const id = `${origin}\0${displayName}`;
    const existing = this.#keys.get(id);
    if (existing !== undefined) return existing;
    let key = displayName;
    if (this.#usedKeys.has(key)) key = `${origin}/${displayName}`;
    this.#keys.set(id, key);
    this.#usedKeys.add(key);
    return key;
  }
}

/** JSON values by name. */
export type JsonObject = Readonly<Record<string, JsonValue>>;

/** Variables and outputs that a job passes to later jobs. */
export interface JobOutputs {
  /** Variables of the workflow. */
  readonly vars?: JsonObject | null;
  /** Outputs, available to other jobs as `<job>.<key>`. */
  readonly outputs?: JsonObject | null;
}

/** Variables of a workflow, which jobs can extend. */
export class VariableStore {
  readonly #values = new Map<string, JsonValue>();
  #text: string | undefined;

  /** Creates the variables of a workflow. */
  constructor(initial: JsonObject = {}) {
    this.#merge("", initial);
  }

  /**
   * Adds the variables and outputs of a job.
   *
   * Setting an existing variable to the same value is allowed. A different
   * value is a conflict; variables that were added before the conflict are
   * kept.
   *
   * @param job Name of the job, without the index of a fan-out.
   * @returns Name of the conflicting variable; `undefined` if there is none.
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

/** Compares like the coordinator, which ignores the order of keys. */
function isSame(a: JsonValue, b: JsonValue): boolean {
  return goJson(unwrapValue(a)) === goJson(unwrapValue(b));
}

/** Unwraps `{"value": …}`, which the coordinator treats like the value itself. */
function unwrapValue(value: JsonValue): JsonValue {
  if (!isObject(value)) return value;
  const keys = Object.keys(value);
  return keys.length === 1 && keys[0] === "value"
    ? (value as JsonObject).value
    : value;
}
