import { maskDefinitions } from "../../runner/mask_secrets.ts";
import { normalizePath } from "../../job_path.ts";
import {
  WORKFLOW_FOLDER,
  type WorkflowDefinition,
} from "../../workflow/definition/definition.ts";
import { readWorkflow } from "../../workflow/definition/read_workflow.ts";
import type { CommandContext } from "../command.ts";
import { warner } from "../definition_warnings.ts";
import { usageError } from "../parse_arguments.ts";

/** A workflow and the directory that it belongs to. */
export interface LoadedWorkflow {
  /** The workflow. */
  readonly workflow: WorkflowDefinition;
  /** Absolute path of the CI root. */
  readonly root: string;
  /** Path of the file, as the user gave it. */
  readonly file: string;
}

/**
 * Reads the workflow file that a user named.
 *
 * @param context What the command got to work with.
 * @param file Path of the file.
 * @returns The workflow.
 * @throws {RunnerError} `usage` without a file; `invalid-workflow`.
 */
export async function loadWorkflow(
  { parts }: CommandContext,
  file: string | undefined,
): Promise<LoadedWorkflow> {
  if (file === undefined) {
    throw usageError("The path of a workflow file is required", "workflow");
  }
  const { root, sourceFile } = workflowPlace(file, parts.host.cwd);
  const workflow = await readWorkflow(root, sourceFile, {
    onWarning: warner(parts.logger, "workflow"),
  });
  maskDefinitions(
    parts,
    workflow.jobs.map(({ env, body: { command, steps = [] } }) => ({
      env,
      texts: [command, ...steps.flatMap(({ run }) => run)],
    })),
  );
  return { workflow, root, file };
}

/** Where a workflow file is. */
export interface WorkflowPlace {
  /** Absolute path of the CI root. */
  readonly root: string;
  /** Path of the file from there. */
  readonly sourceFile: string;
}

/**
 * Finds the CI root of a workflow file: the directory that holds
 * `.reactorcide/workflows` for a file in there, and the directory of the file
 * for any other one.
 *
 * @param file Path of the file, absolute or relative.
 * @param cwd Absolute path of the current directory.
 * @returns Where the file is.
 */
export function workflowPlace(file: string, cwd: string): WorkflowPlace {
  const path = normalizePath(file.startsWith("/") ? file : `${cwd}/${file}`);
  const folder = path.lastIndexOf(`/${WORKFLOW_FOLDER}/`);
  const end = folder === -1 ? path.lastIndexOf("/") : folder;
  return { root: path.slice(0, end) || "/", sourceFile: path.slice(end + 1) };
}
