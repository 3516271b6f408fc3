import { absolutePath, normalizePath } from "../../job_path.ts";
import {
  WORKFLOW_FOLDER,
  type WorkflowDefinition,
} from "../../workflow/definition/definition.ts";
import {
  readWorkflow,
  type ReadWorkflowOptions,
} from "../../workflow/definition/read_workflow.ts";
import { findDefinitions } from "../../workflow/eval/load_tree.ts";
import type { CommandContext } from "../command.ts";
import { maskJobs, warnOnce } from "../inventory.ts";
import { usageError } from "../parse_arguments.ts";

/** A workflow and its directory. */
export interface LoadedWorkflow {
  /** The workflow. */
  readonly workflow: WorkflowDefinition;
  /** Absolute path of the CI root. */
  readonly root: string;
  /** Path of the file, as typed. */
  readonly file: string;
}

/**
 * Reads a workflow file.
 *
 * @param given Path as typed; by default the only workflow file of the
 * directory.
 * @throws {RunnerError} `usage` if no path is given and the directory has no or
 * several workflow files; `invalid-workflow` if the file is invalid.
 */
export async function loadWorkflow(
  { runner }: CommandContext,
  given: string | undefined,
  options: ReadWorkflowOptions = {},
): Promise<LoadedWorkflow> {
  const file = given ?? await onlyWorkflow(runner.host.cwd);
  const { root, sourceFile } = workflowPlace(file, runner.host.cwd);
  const workflow = await readWorkflow(root, sourceFile, {
    ...options,
    onWarning: warnOnce(runner.logger, "workflow"),
  });
  maskJobs(runner, workflow.jobs);
  return { workflow, root, file };
}

async function onlyWorkflow(cwd: string): Promise<string> {
  const { workflows: [file, ...others] } = await findDefinitions(cwd);
  if (file !== undefined && others.length === 0) return file;
  throw usageError(
    file === undefined
      ? `A workflow file is required: there is none in ${WORKFLOW_FOLDER}`
      : `A workflow file is required: one of ${[file, ...others].join(", ")}`,
    "workflow",
  );
}

/** Location of a workflow file. */
export interface WorkflowPlace {
  /** Absolute path of the CI root. */
  readonly root: string;
  /** Path of the file relative to the CI root. */
  readonly sourceFile: string;
}

/**
 * Finds the CI root of a workflow file: the directory that contains
 * `.reactorcide/workflows` if the file is in there, otherwise the directory of
 * the file.
 *
 * @param file Absolute or relative path of the file.
 * @param cwd Absolute path of the current directory.
 */
export function workflowPlace(file: string, cwd: string): WorkflowPlace {
  const path = normalizePath(absolutePath(file, cwd));
  const folder = path.lastIndexOf(`/${WORKFLOW_FOLDER}/`);
  const end = folder === -1 ? path.lastIndexOf("/") : folder;
  return { root: path.slice(0, end) || "/", sourceFile: path.slice(end + 1) };
}
