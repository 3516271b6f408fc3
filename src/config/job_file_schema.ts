import {
  EXTENSION,
  type JsonSchema,
  keySchema,
  requiresKey,
} from "../schema/combinators.ts";
import { JOB_FILE_KEYS, type JobFileKeys } from "./job_keys.ts";
import { stepDefinitions } from "./step_keys.ts";

const DRAFT = "http://json-schema.org/draft-07/schema#";

/** Name of the schema; it is not downloaded from there. */
const ID = "jsr:@reactorcide/runnerlib/job_file.schema.json";

/**
 * Returns the JSON Schema of job files, for editors.
 *
 * It accepts what the parser accepts, except for what JSON Schema cannot
 * describe: duplicate step names, durations of more than 100 years with a unit,
 * paths outside `/job`, missing files of variables, and `exclude` of a variable
 * that the matrix does not have. The parser checks those alone.
 *
 * @returns A schema of draft 7, the newest draft that most editors support.
 */
export function jobFileSchema(): JsonSchema {
  const commands = placesOf("job_command");
  const steps = placesOf("steps");
  return {
    $schema: DRAFT,
    $id: ID,
    title: "Job file of runnerlib",
    description: "A CI job: one command, or steps.",
    ...schemaOf(JOB_FILE_KEYS),
    allOf: [
      { not: { allOf: [{ anyOf: commands }, { anyOf: steps }] } },
      { not: { allOf: steps } },
    ],
    definitions: stepDefinitions(),
  };
}

function schemaOf(keys: JobFileKeys): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const [name, key] of keys) {
    const { keys: inner } = key;
    const schema = inner
      ? { ...key.schema, jsonSchema: () => schemaOf(inner) }
      : key.schema;
    properties[name] = keySchema({ ...key, schema });
  }
  return {
    type: "object",
    properties,
    patternProperties: { [EXTENSION.source]: {} },
    additionalProperties: false,
  };
}

/** Returns JSON Schemas of files that set an option, by the path of its key. */
function placesOf(
  target: string,
  keys: JobFileKeys = JOB_FILE_KEYS,
): JsonSchema[] {
  return [...keys].flatMap(([name, key]) => {
    if (key.sets === target) return [requiresKey(name)];
    return placesOf(target, key.keys ?? new Map()).map((inner) => ({
      required: [name],
      properties: { [name]: { type: "object", ...inner } },
    }));
  });
}
