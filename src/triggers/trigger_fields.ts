import type { Trigger } from "./trigger.ts";

/** What a field of a trigger may hold. */
export type TriggerFieldKind =
  | "name"
  | "text"
  | "command"
  | "user"
  | "variable"
  | "condition"
  | "source-type"
  | "integer"
  | "seconds"
  | "flag"
  | "texts"
  | "secret-names"
  | "env"
  | "items"
  | "characteristics"
  | "resources"
  | "object";

/** How a field is called in a trigger document, and what it may hold. */
export interface TriggerField {
  /** Key in the document. */
  readonly wire: string;
  /** What the value may be. */
  readonly kind: TriggerFieldKind;
}

/**
 * Every field of a trigger, in the order in which documents are written.
 *
 * Checking, writing and reading all go by this table, and so does a field
 * that is added later.
 */
export const TRIGGER_FIELDS: Readonly<Record<keyof Trigger, TriggerField>> = {
  name: { wire: "job_name", kind: "name" },
  dependsOn: { wire: "depends_on", kind: "texts" },
  condition: { wire: "condition", kind: "condition" },
  env: { wire: "env", kind: "env" },
  sourceType: { wire: "source_type", kind: "source-type" },
  sourceUrl: { wire: "source_url", kind: "text" },
  sourceRef: { wire: "source_ref", kind: "text" },
  ciSourceType: { wire: "ci_source_type", kind: "source-type" },
  ciSourceUrl: { wire: "ci_source_url", kind: "text" },
  ciSourceRef: { wire: "ci_source_ref", kind: "text" },
  containerImage: { wire: "container_image", kind: "text" },
  jobCommand: { wire: "job_command", kind: "command" },
  codeDir: { wire: "code_dir", kind: "text" },
  jobDir: { wire: "job_dir", kind: "text" },
  workingDir: { wire: "working_dir", kind: "text" },
  runAsUser: { wire: "run_as_user", kind: "user" },
  priority: { wire: "priority", kind: "integer" },
  timeoutSeconds: { wire: "timeout", kind: "seconds" },
  capabilities: { wire: "capabilities", kind: "texts" },
  imagePullSecrets: { wire: "image_pull_secrets", kind: "secret-names" },
  forEach: { wire: "for_each", kind: "items" },
  itemVar: { wire: "item_var", kind: "variable" },
  workerClass: { wire: "worker_class", kind: "text" },
  characteristics: { wire: "characteristics", kind: "characteristics" },
  resources: { wire: "resources", kind: "resources" },
  disableRunLocal: { wire: "disable_run_local", kind: "flag" },
  runLocal: { wire: "run_local", kind: "object" },
};

/**
 * Name of the field for each key of a document.
 *
 * It has no prototype, so that a hostile key finds nothing that is inherited.
 */
export const FIELD_OF_WIRE: Readonly<Record<string, keyof Trigger>> = Object
  .assign(
    Object.create(null),
    Object.fromEntries(
      Object.entries(TRIGGER_FIELDS).map(([name, { wire }]) => [wire, name]),
    ),
  );
