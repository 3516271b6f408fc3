import { JOB_FILE_KEYS, type JobFileKeys } from "./job_keys.ts";
import type { JsonSchema } from "./kind.ts";
import { keySchema, saying } from "./mapping.ts";
import { stepDefinitions } from "./steps.ts";

/** What a schema cannot say is left to the reader of the file. */
const DRAFT = "http://json-schema.org/draft-07/schema#";

/** Name of the schema; nothing is fetched from there. */
const ID = "jsr:@reactorcide/runnerlib/job_file.schema.json";

/**
 * Makes the JSON Schema of job files, for editors.
 *
 * It judges as the reader does, from the same definition, except for what a
 * schema cannot say: names of steps that are given twice, times of more than
 * 100 years that carry a unit, paths outside `/job`, and `exclude` of a variable
 * that the matrix does not have.
 *
 * @returns A schema of draft 7, the newest that editors commonly know.
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
    const kind = inner
      ? { ...key.kind, schema: () => schemaOf(inner) }
      : key.kind;
    properties[name] = keySchema({ ...key, kind });
  }
  return { type: "object", properties, additionalProperties: false };
}

/** Schemas of files that say something for a meaning, by the place where they do. */
function placesOf(
  meaning: string,
  keys: JobFileKeys = JOB_FILE_KEYS,
): JsonSchema[] {
  return [...keys].flatMap(([name, key]) => {
    if (key.means === meaning) return [saying(name)];
    return placesOf(meaning, key.keys ?? new Map()).map((inner) => ({
      required: [name],
      properties: { [name]: { type: "object", ...inner } },
    }));
  });
}
