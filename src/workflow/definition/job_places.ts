import { makeLocator } from "../../schema/locate.ts";
import { readJobText } from "../../schema/read_document.ts";
import type { WorkflowDefinition } from "./definition.ts";
import { WORKFLOW_FILE } from "./file_schemas.ts";

/** Returns the place of a key of a job, as `file:line:column`. */
export type FindPlace = (job: string, key: string) => string;

/**
 * Finds the places of keys of jobs in a workflow file, for messages about jobs
 * that are valid but cannot be run.
 *
 * @param root Absolute path of the CI root.
 * @returns Function that returns the place of a key, or of the entry of the job
 * if the key is in its job file.
 * @throws {RunnerError} `invalid-workflow` if the file cannot be read.
 */
export async function jobPlaces(
  root: string,
  { sourceFile, jobs }: WorkflowDefinition,
): Promise<FindPlace> {
  const text = await readJobText(
    `${root}/${sourceFile}`,
    sourceFile,
    WORKFLOW_FILE,
  );
  const locate = makeLocator(text);
  const textOf = (path: readonly (string | number)[]) => {
    const { line, column } = locate(path);
    return `${sourceFile}:${line}:${column}`;
  };
  return (job, key) => {
    const byName = textOf(["jobs", job]);
    const entry = byName === textOf(["jobs"])
      ? ["jobs", jobs.findIndex(({ name }) => name === job)]
      : ["jobs", job];
    const nested = textOf([...entry, "job", key]);
    return nested === textOf([...entry, "job"])
      ? textOf([...entry, key])
      : nested;
  };
}
