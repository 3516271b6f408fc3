import { messageOf, osReason, RunnerError } from "../../errors.ts";
import { guardPath } from "../../workspace/guard.ts";
import {
  JOB_FOLDER,
  type JobFileDefinition,
  WORKFLOW_FOLDER,
  type WorkflowDefinition,
} from "../definition/definition.ts";
import {
  type ReadDefinitionOptions,
  readJobDefinition,
} from "../definition/job_definition.ts";
import { readWorkflow } from "../definition/read_workflow.ts";

/** Maximum time for reading an untrusted tree, in milliseconds. */
const MAX_HEAD_MS = 60_000;

/**
 * Called with each problem.
 *
 * @param sourceFile Path of the ignored file, relative to the CI root.
 */
export type ReportProblem = (problem: string, sourceFile?: string) => void;

/** Options for {@linkcode loadTree}. */
export interface LoadTreeOptions extends ReadDefinitionOptions {
  /**
   * Path of the only workflow file to read, relative to the CI root.
   *
   * @default {all files}
   */
  only?: string;
}

/** Valid CI definitions of a tree. */
export interface DefinitionTree {
  /** Workflows. */
  readonly workflows: readonly WorkflowDefinition[];
  /** Jobs; empty if there are workflows. */
  readonly jobs: readonly JobFileDefinition[];
}

/**
 * Reads the definitions of a trusted tree: its workflows or, if there are none,
 * its jobs. Invalid files are ignored.
 *
 * @param root Absolute path of the CI root.
 * @param onProblem Called with the problem of each invalid file.
 * @throws {RunnerError} `invalid-workflow` if a folder cannot be read.
 */
export async function loadTree(
  root: string,
  onProblem: ReportProblem,
  options: LoadTreeOptions = {},
): Promise<DefinitionTree> {
  const { only } = options;
  const found = only === undefined
    ? await findDefinitions(root)
    : { workflows: [only], jobs: [] };
  const workflows = await readAll(
    found.workflows,
    (file) => readWorkflow(root, file, options),
    onProblem,
  );
  const jobs = found.workflows.length > 0 ? [] : await readAll(
    found.jobs,
    (file) => readJobDefinition(root, file, options),
    onProblem,
  );
  return {
    workflows: dropDuplicates(
      workflows,
      ({ id }) => `workflow "${id}"`,
      onProblem,
    ),
    jobs: dropDuplicates(jobs, ({ job }) => `job "${job.name}"`, onProblem),
  };
}

/**
 * Reads the workflows of an untrusted tree. Never fails: files that cannot be
 * read are ignored.
 *
 * @param root Absolute path of the tree.
 * @param onProblem Called with the problem of each invalid file.
 * @param signal Stops reading when aborted; the result is empty then.
 * @returns The valid workflows whose IDs are unique.
 */
export async function loadHead(
  root: string,
  onProblem: ReportProblem,
  signal: AbortSignal = AbortSignal.timeout(MAX_HEAD_MS),
): Promise<WorkflowDefinition[]> {
  try {
    const { workflows: files } = await findDefinitions(root);
    const workflows = await readAll(
      files,
      async (file) => {
        await guardPath(root, file);
        return await readWorkflow(root, file, { signal });
      },
      onProblem,
    );
    return dropDuplicates(workflows, ({ id }) => `workflow "${id}"`, onProblem);
  } catch (error) {
    onProblem(
      signal.aborted
        ? "Cannot read the workflows: there are too many, or they are too complex"
        : messageOf(error),
    );
    return [];
  }
}

async function readAll<T>(
  files: readonly string[],
  read: (file: string) => Promise<T>,
  onProblem: ReportProblem,
): Promise<T[]> {
  const all: T[] = [];
  for (const file of files) {
    try {
      all.push(await read(file));
    } catch (error) {
      if (!(error instanceof RunnerError)) throw error;
      onProblem(messageOf(error), file);
    }
  }
  return all;
}

/** Drops definitions whose names are not unique. */
function dropDuplicates<T extends { readonly sourceFile: string }>(
  list: readonly T[],
  describe: (definition: T) => string,
  onProblem: ReportProblem,
): T[] {
  const groups = Map.groupBy(list, describe);
  for (const [name, all] of groups) {
    if (all.length > 1) {
      onProblem(
        `Cannot use ${name}: ${all.length} files define it`,
        all[0].sourceFile,
      );
    }
  }
  return list.filter((definition) =>
    groups.get(describe(definition))!.length === 1
  );
}

/** Definition files, as sorted paths relative to the CI root. */
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
 * @returns The files; empty for a missing folder.
 * @throws {RunnerError} `invalid-workflow` if a folder cannot be read.
 */
export async function findDefinitions(root: string): Promise<DefinitionFiles> {
  return {
    workflows: await listFolder(root, WORKFLOW_FOLDER),
    jobs: await listFolder(root, JOB_FOLDER),
  };
}

async function listFolder(root: string, folder: string): Promise<string[]> {
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
