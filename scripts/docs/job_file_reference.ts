import {
  JOB_FILE_KEYS,
  type JobFileKey,
  jobFileSchema,
} from "../../src/config/job_keys.ts";
import { OPTIONS } from "../../src/options/options.ts";
import { anything, type JsonSchema } from "../../src/schema/combinators.ts";
import { HEADING, keyRow, type Row } from "./key_rows.ts";
import { table } from "./markdown.ts";

/**
 * Generates the reference of job files from their schema.
 *
 * @returns Markdown.
 */
export function jobFileReference(): string {
  const schema = jobFileSchema();
  const { step } = schema.definitions as Record<string, JsonSchema>;
  const steps = step.properties as Record<string, JsonSchema>;
  const ownKeys = new Set<string>(OPTIONS.map(({ name }) => name));
  const all = keyRows(schema, JOB_FILE_KEYS);
  const top = all.filter(({ key }) => !key.isForeign && !ownKeys.has(key.name));
  return [
    "## Keys of a job",
    table(HEADING, top.map(({ row }) => row)),
    "## Keys of a step",
    table(
      HEADING,
      Object.entries(steps).map(([name, key]) => keyRow(name, key)),
    ),
    "### retry",
    "A number of attempts, or a mapping with these keys:",
    table(HEADING, mappingRows(steps.retry)),
    "### matrix",
    "Lists of values, keyed by variable, and these keys:",
    table(HEADING, propertyRows(steps.matrix)),
    "### ready",
    "A port, or a mapping with these keys; [steps](steps.md#services) explain them:",
    table(HEADING, mappingRows(steps.ready)),
    "### concurrency",
    "The name of a group, or a mapping with these keys; see [limits](steps.md#limits):",
    table(HEADING, mappingRows(steps.concurrency)),
    "## Full names of options",
    "These keys set the same options by their full names. A short key above and the full name here set the same value.",
    table(
      HEADING,
      all.filter(({ key }) => ownKeys.has(key.name)).map(({ row }) => row),
    ),
    "## Keys for the worker and the coordinator",
    "The worker or the coordinator reads these keys. The runner accepts and ignores them.",
    table(
      ["Key", "Meaning"],
      all.filter(({ key }) => key.isForeign).map(({ row }) => [row[0], row[3]]),
    ),
  ].join("\n\n");
}

interface NamedRow {
  readonly key: { readonly name: string; readonly isForeign: boolean };
  readonly row: Row;
}

function keyRows(
  schema: JsonSchema,
  keys: ReadonlyMap<string, JobFileKey>,
  prefix = "",
): NamedRow[] {
  const properties = schema.properties as Record<string, JsonSchema>;
  return [...keys].flatMap(([name, key]) => {
    const row = keyRow(prefix + name, properties[name]);
    const isForeign = key.schema === anything && key.keys === undefined;
    const namedRow = { key: { name: prefix + name, isForeign }, row };
    if (key.keys === undefined) return [namedRow];
    return [
      namedRow,
      ...keyRows(properties[name], key.keys, `${prefix}${name}.`),
    ];
  });
}

/** Returns the keys of a mapping that has a short form. */
function mappingRows({ anyOf }: JsonSchema): Row[] {
  return propertyRows(
    (anyOf as JsonSchema[]).find(({ properties }) => properties !== undefined)!,
  );
}

function propertyRows({ properties }: JsonSchema): Row[] {
  return Object.entries(properties as Record<string, JsonSchema>)
    .map(([name, schema]) => keyRow(name, schema));
}
