import { normalizePath } from "../../job_path.ts";
import { WORKFLOW_FOLDER } from "../definition/definition.ts";

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
