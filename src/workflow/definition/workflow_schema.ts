import type { JsonSchema } from "../../schema/schema.ts";
import { stepDefinitions } from "../../config/step_keys.ts";
import { workflowFile } from "./file_kinds.ts";

/** Name of the schema; nothing is fetched from there. */
const ID = "jsr:@reactorcide/runnerlib/workflow.schema.json";

/**
 * Makes the JSON Schema of workflow files, for editors.
 *
 * It accepts what the reader accepts, from the same definition, except for what a
 * schema cannot say: names that are given twice or are unknown, cycles, what a
 * job file adds to an entry, and paths outside `/job`.
 *
 * @returns A schema of draft 7, the newest that editors commonly know.
 */
export function workflowSchema(): JsonSchema {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    $id: ID,
    ...workflowFile.schema(),
    title: "Workflow file of Reactorcide",
    description: "CI jobs that wait for one another.",
    definitions: stepDefinitions(),
  };
}
