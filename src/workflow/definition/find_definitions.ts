import { osReason, RunnerError } from "../../errors.ts";
import { JOB_FOLDER, WORKFLOW_FOLDER } from "./definition.ts";

/** Files that define what is run, as paths from the CI root, sorted. */
export interface DefinitionFiles {
  /** Workflow files. */
  readonly workflows: readonly string[];
  /** Job files. */
  readonly jobs: readonly string[];
}

/**
 * Finds the files in `.reactorcide/workflows` and `.reactorcide/jobs`.
 *
 * @param root Absolute path of the CI root.
 * @returns The files; none in a folder that is not there.
 * @throws {RunnerError} `invalid-workflow`, if a folder cannot be read.
 */
export async function findDefinitions(root: string): Promise<DefinitionFiles> {
  return {
    workflows: await list(root, WORKFLOW_FOLDER),
    jobs: await list(root, JOB_FOLDER),
  };
}

async function list(root: string, folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(`${root}/${folder}`));
    return entries
      .filter(({ name, isDirectory }) => !isDirectory && /\.ya?ml$/.test(name))
      .map(({ name }) => `${folder}/${name}`)
      .sort();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return [];
    throw new RunnerError(`Cannot read "${folder}": ${osReason(cause)}`, {
      code: "invalid-workflow",
      cause,
    });
  }
}
