import type { JobConfig } from "../config/job_config.ts";
import { type Environment, Variable } from "../environment/variables.ts";
import { RECORD_FILE } from "../report/run_recorder.ts";
import { guardPath } from "../workspace/guard.ts";
import type { RunnerContext } from "./runner_context.ts";

/** Place of a file. */
export interface Place {
  /** Absolute path of the directory. */
  directory: string;
  /** Name of the file. */
  name: string;
}

/**
 * Finds the record that an earlier run of a job has left.
 *
 * @param runner The context of the runner.
 * @param config Configuration of the job.
 * @returns Absolute path of the file, which need not exist; `undefined` if the
 * job has no record.
 * @throws {RunnerError} `workspace` if a link leads out of the workspace.
 */
export async function recordPath(
  { host, workspace }: RunnerContext,
  { artifactsDir, output: { record } }: JobConfig,
): Promise<string | undefined> {
  if (record === "off") return undefined;
  const { directory, name } = record === undefined
    ? {
      directory: await guardPath(
        workspace.base,
        workspace.pathOf(artifactsDir),
      ),
      name: recordName(host.env),
    }
    : splitPath(record, host.cwd);
  return `${directory}/${name}`;
}

/**
 * Splits the path of a file.
 *
 * @param path Absolute path, or one relative to the current directory.
 * @param cwd Absolute path of the current directory.
 */
export function splitPath(path: string, cwd: string): Place {
  const absolute = path.startsWith("/") ? path : `${cwd}/${path}`;
  const slash = absolute.lastIndexOf("/");
  return {
    directory: absolute.slice(0, slash) || "/",
    name: absolute.slice(slash + 1),
  };
}

/**
 * Returns the file name of the record; a job inside another job gets its own
 * name, so that it does not replace the outer record.
 */
export function recordName(env: Environment): string {
  const isNested = (env[Variable.workspaceLock] ?? "") !== "";
  if (!isNested) return RECORD_FILE;
  return `run-${crypto.randomUUID().slice(0, 8)}.jsonl`;
}
