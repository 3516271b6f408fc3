import type { JobConfig } from "../config/job_config.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import { CI_DIRECTORY } from "../job_path.ts";
import type { StepLog } from "../output/job_log.ts";
import { withoutSequences } from "../terminal/text.ts";
import type { RunState } from "./run_state.ts";

/** Maximum number of lines of output that are searched for messages of git. */
const SEARCHED_LINES = 1_000;

/**
 * Returns the absolute path of the directory in which a job's commands run, and
 * creates it if it is missing.
 *
 * Outside a container, without a job directory and a prepared source, it is the
 * current directory. This is the user's own project, so nothing is created in
 * it.
 *
 * @throws {RunnerError} `workspace` if the directory cannot be created.
 */
export async function workingDirectory(
  run: RunState,
  config: JobConfig,
): Promise<string> {
  const { workspace } = run.runner;
  const current = currentDirectory(run, config);
  if (current !== undefined) return current;
  const { makeDirectories } = await import("./job_workspace.ts");
  return await makeDirectories(workspace, config);
}

/**
 * Returns the current directory if the job's commands run in it, instead of in
 * the job directory.
 *
 * @returns Absolute path, or `undefined`.
 */
export function currentDirectory(
  { runner: { host, workspace }, sourcePath }: RunState,
  { isCwdChosen, source }: JobConfig,
): string | undefined {
  const runsThere = !workspace.inContainer && !isCwdChosen &&
    sourcePath === undefined && source.type === "none";
  return runsThere ? host.cwd : undefined;
}

/** Source in which git would refuse to work. */
export interface ForeignSource {
  /** Absolute path, without links. */
  readonly path: string;
  /** The same path, as seen by a container of the job. */
  readonly jobPath: string;
}

/**
 * Finds sources that were checked out into a directory of another user, such as
 * a volume. Git refuses to work in them because of "dubious ownership".
 *
 * @param run The run, after its sources were prepared.
 * @param codeDir Code directory, as seen by the job.
 */
export async function foreignSources(
  { sourcePath, ci }: RunState,
  codeDir: string,
): Promise<ForeignSource[]> {
  const sources = [
    { path: sourcePath, jobPath: codeDir },
    { path: ci.path, jobPath: CI_DIRECTORY },
  ];
  const foreign: ForeignSource[] = [];
  for (const { path, jobPath } of sources) {
    if (path === undefined || !await isForeign(path)) continue;
    foreign.push({ path: await Deno.realPath(path), jobPath });
  }
  return foreign;
}

/**
 * Makes git accept directories of other owners, without changing the
 * configuration of the user.
 *
 * @param env Environment of a command.
 * @param paths Absolute paths of the directories.
 * @returns The environment, with the git configuration that it has and the
 * directories.
 */
export async function withSafeDirectories(
  env: ChildEnvironment,
  paths: readonly string[],
): Promise<ChildEnvironment> {
  if (paths.length === 0) return env;
  const { withConfigEntries } = await import(
    "../source/git/git_config.ts"
  );
  return withConfigEntries(
    env,
    paths.map((path) => ["safe.directory", path] as const),
  );
}

/**
 * Checks whether the owner of a directory differs from that of its repository,
 * which the runner created.
 */
async function isForeign(path: string): Promise<boolean> {
  try {
    const { uid } = await Deno.lstat(`${path}/.git`);
    return uid !== (await Deno.stat(path)).uid;
  } catch {
    // Not a git repository, or not accessible; git reports that itself.
    return false;
  }
}

/**
 * Explains the failure of a command to the user.
 *
 * @param log Log of the command.
 * @returns The explanation; `undefined` if there is none.
 */
export type FailureHint = (log: StepLog) => string | undefined;

/**
 * Creates a function that explains failures of commands which need more history
 * than was fetched. Output is searched only after a command has failed.
 *
 * @returns The function; `undefined` if the history is complete.
 */
export async function historyHint(
  { sourcePath, ci, runner: { logger } }: RunState,
): Promise<FailureHint | undefined> {
  const paths = [sourcePath, ci.path].filter((path) => path !== undefined);
  if (paths.length === 0) return undefined;
  const git = await import("../source/git/history.ts");
  const arePartial = await Promise.all(paths.map(git.isPartial));
  if (!arePartial.includes(true)) return undefined;
  let isLogged = false;
  return (log) => {
    const lines = plainTail(log);
    if (!git.missesHistory(lines)) return undefined;
    if (!isLogged) logger.warn("source", git.MISSING_HISTORY);
    isLogged = true;
    return git.MISSING_HISTORY;
  };
}

/** Returns the last lines of a log, without escape sequences. */
export function plainTail(log: StepLog): readonly string[] {
  return log.tail(SEARCHED_LINES).map(withoutSequences);
}
