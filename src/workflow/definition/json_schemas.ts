import { stepDefinitions } from "../../config/step_keys.ts";
import {
  JSON_SCHEMA_DRAFT,
  type JsonSchema,
} from "../../schema/combinators.ts";
import { wireTrigger } from "../../triggers/trigger_options.ts";
import { WORKFLOW_ID, workflowFile } from "./file_schemas.ts";

/** ID of the schema; it cannot be fetched. */
const TRIGGER_ID = "jsr:@reactorcide/runnerlib/trigger.schema.json";

const TEXT: JsonSchema = { type: "string" };
const TEXTS: JsonSchema = { type: "array", items: { type: "string" } };
const OBJECT: JsonSchema = { type: "object" };

/**
 * Creates the JSON Schema of trigger documents.
 *
 * Where a schema can express it, it also rejects jobs that the coordinator
 * would accept but never run.
 *
 * @returns A draft 7 schema.
 */
export function triggerSchema(): JsonSchema {
  const jobs = { type: "array", items: { $ref: "#/definitions/job" } };
  const job = wireTrigger.jsonSchema();
  return {
    $schema: JSON_SCHEMA_DRAFT,
    $id: TRIGGER_ID,
    title: "Trigger document of Reactorcide",
    description: "Jobs that a job submits to the coordinator.",
    type: "object",
    required: ["type"],
    not: { type: "object", required: ["version"] },
    properties: {
      type: { const: "trigger_job" },
      operation_id: TEXT,
      trigger_type: TEXT,
      workflows: { type: "array", items: { $ref: "#/definitions/workflow" } },
      workflow: {
        type: ["object", "null"],
        properties: { name: TEXT, vars: OBJECT },
      },
      jobs,
      policy_violations: {
        type: "array",
        items: { type: "object", additionalProperties: TEXT },
      },
      changed_ci_paths: TEXTS,
      actor_subjects: TEXTS,
    },
    definitions: {
      job: {
        ...job,
        properties: {
          ...job.properties as object,
          ci_origin: { const: "base" },
          execution_profile: TEXT,
        },
      },
      workflow: {
        type: "object",
        required: ["name", "jobs"],
        properties: {
          id: { type: "string", pattern: WORKFLOW_ID.source },
          name: TEXT,
          source_file: TEXT,
          ci_origin: { enum: ["base", "head"] },
          ci_repository: TEXT,
          ci_sha: TEXT,
          execution_profile: TEXT,
          worker_class: TEXT,
          policy_revision: TEXT,
          policy_rule_id: TEXT,
          approval_id: { type: ["string", "null"], minLength: 1 },
          dependency_paths: TEXTS,
          vars: OBJECT,
          jobs,
        },
        additionalProperties: false,
      },
    },
  };
}

/** ID of the schema; it cannot be fetched. */
const WORKFLOW_SCHEMA_ID = "jsr:@reactorcide/runnerlib/workflow.schema.json";

/**
 * Creates the JSON Schema of workflow files, for editors.
 *
 * It is derived from the same definition as the parser, and agrees with it
 * except for what a schema cannot express: duplicate or unknown names, cycles,
 * properties that a job file adds to an entry, and paths outside `/job`.
 *
 * @returns A draft 7 schema.
 */
export function workflowSchema(): JsonSchema {
  return {
    $schema: JSON_SCHEMA_DRAFT,
    $id: WORKFLOW_SCHEMA_ID,
    ...workflowFile.jsonSchema(),
    title: "Workflow file of Reactorcide",
    description: "CI jobs that depend on each other.",
    definitions: stepDefinitions(),
  };
}
