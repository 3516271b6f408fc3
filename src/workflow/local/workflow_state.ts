import type { JsonValue } from "../../json.ts";
import type { Trigger } from "../../triggers/trigger.ts";
import { goJson } from "../../json.ts";
import type { NodeStatus } from "./node_states.ts";

/** Follow-up jobs that a job left, as one workflow of their own. */
export interface TriggeredWorkflow {
  /** Name of the workflow, if the job gave one. */
  readonly name?: string;
  /** Initial variables. */
  readonly vars?: JsonObject;
  /** The jobs. */
  readonly jobs: readonly Trigger[];
}

/** What is known of a job of a local workflow. */
export interface JobRecord {
  /** How the job stands. */
  readonly status: NodeStatus;
  /** Exit code; `null` as long as there is none. */
  readonly exitCode: number | null;
  /** Outputs of the job. */
  readonly outputs: JsonObject;
  /** Name of the job, without the index of a fan-out. */
  readonly name: string;
  /** Variables of the workflow that the job set. */
  readonly vars?: JsonObject;
  /** Where the job comes from, unless the workflow file has it. */
  readonly origin?: string;
  /** Follow-up jobs that the job left. */
  readonly triggers?: readonly TriggeredWorkflow[];
  /** Why the job ended as it did, if there is more to say. */
  readonly reason?: string;
}

/** Records by the keys of jobs. */
export type JobRecords = ReadonlyMap<string, JobRecord>;

/** What a local workflow remembers of its jobs, so that it can be resumed. */
export interface WorkflowState {
  /** What an earlier run left, when this one goes on with it. */
  readonly earlier: JobRecords;
  /**
   * Notes how a job stands.
   *
   * @param key Key of the job.
   * @param record What is known of it.
   * @returns A promise that resolves when a crash could not undo it any more.
   */
  record(key: string, record: JobRecord): Promise<void>;
}

/**
 * Finds the key of each job: its display name, unless another job has it.
 *
 * A job keeps its key when the workflow is resumed, in whatever order jobs
 * come then.
 */
export class JobKeys {
  readonly #keys = new Map<string, string>();
  readonly #taken = new Set<string>();

  /**
   * Takes the keys that an earlier run gave.
   *
   * @param earlier Records of the earlier run.
   */
  constructor(earlier: JobRecords) {
    for (const [key, { origin, name }] of earlier) {
      this.#taken.add(key);
      const displayName = name + (/\[\d+\]$/.exec(key)?.[0] ?? "");
      if (origin !== undefined) {
        this.#keys.set(`${origin}\0${displayName}`, key);
      }
    }
  }

  /**
   * Returns the key of a job of the workflow file.
   *
   * @param displayName Display name of the job.
   * @returns The display name, which is taken from now on.
   */
  own(displayName: string): string {
    this.#taken.add(displayName);
    return displayName;
  }

  /**
   * Returns the key of a job that another one triggered.
   *
   * @param origin Where the job comes from.
   * @param displayName Display name of the job.
   * @returns The key, the same each time.
   */
  triggered(origin: string, displayName: string): string {
    const id = `${origin}\0${displayName}`;
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    let key = displayName;
    if (this.#taken.has(key)) key = `${origin}/${displayName}`;
    this.#keys.set(id, key);
    this.#taken.add(key);
    return key;
  }
}

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
