import { settingVariables } from "../../src/config/job_keys.ts";
import type { JsonSchema } from "../../src/schema/combinators.ts";
import {
  jobFile,
  workflowFile,
} from "../../src/workflow/definition/file_schemas.ts";
import { HEADING, keyRow, type Row } from "./key_rows.ts";
import { table } from "./markdown.ts";

/** Keys whose own keys are those of another key or section. */
const DESCRIBED_ELSEWHERE = new Set(["job", "not"]);

/**
 * Generates the reference of workflow files and job definitions from their
 * schemas.
 *
 * @returns Markdown.
 */
export function workflowFileReference(): string {
  const workflow = getProperties(workflowFile.jsonSchema());
  const byName = (workflow.jobs.anyOf as JsonSchema[])
    .find(({ type }) => type === "object")!;
  const entry = getProperties(byName.additionalProperties as JsonSchema);
  const definition = getProperties(jobFile.jsonSchema());
  const job = getProperties(entry.job);
  return [
    "## Keys of a workflow file",
    keyTable(workflow),
    "## Keys of an entry of `jobs`",
    "These keys, and the [keys of a job](#keys-of-a-job). In a list of jobs, `name` is required.",
    keyTable(without(entry, job)),
    "## Keys of a job definition",
    "These keys, and the [keys of a job](#keys-of-a-job).",
    keyTable(without(definition, job)),
    "## Keys of a job",
    keyTable(without(job, listOptions())),
    `These [options of a job file](job-file.md) apply as well. They reach the runner of the job as variables, which \`environment\` overrides: ${
      Object.keys(listOptions()).map((key) => `\`${key}\``).join(", ")
    }. Other options of \`run\` are ignored with a warning.`,
  ].join("\n\n");
}

/** Keys that the reference of job files describes. */
function listOptions(): Properties {
  return Object.fromEntries(
    Object.values(settingVariables()).map(({ key, schema }) => [
      key,
      schema.jsonSchema(),
    ]),
  );
}

type Properties = Readonly<Record<string, JsonSchema>>;

function getProperties({ properties }: JsonSchema): Properties {
  return properties as Properties;
}

function without(all: Properties, excluded: Properties): Properties {
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => !Object.hasOwn(excluded, name)),
  );
}

function keyTable(properties: Properties): string {
  return table(HEADING, keyRows(properties));
}

function keyRows(properties: Properties, prefix = ""): Row[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const row = keyRow(prefix + name, schema);
    const isAlias = String(schema.description).startsWith("Same as");
    return schema.properties === undefined || isAlias ||
        DESCRIBED_ELSEWHERE.has(name)
      ? [row]
      : [row, ...keyRows(getProperties(schema), `${prefix}${name}.`)];
  });
}
