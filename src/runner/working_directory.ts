import type { JobConfig } from "../config/job_config.ts";
import type { ChildEnvironment } from "../environment/child_environment.ts";
import type { JobRun } from "./job_run.ts";

/**
 * Finds, and makes where need be, the directory in which a job's commands run.
 *
 * Only outside a container, when no job directory is set and no source
 * was prepared, that is the current directory: it is the user's own project
 * then, in which nothing is made.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @returns Absolute path.
 * @throws {RunnerError} `workspace`, if the directory cannot be made.
 */
export async function workingDirectory(
  run: JobRun,
  config: JobConfig,
): Promise<string> {
  const { workspace } = run.parts;
  const current = currentDirectory(run, config);
  if (current !== undefined) return current;
  const { makeDirectories } = await import("./job_directories.ts");
  return await makeDirectories(workspace, config);
}

/**
 * Returns the current directory if a job's commands run there, and not in a
 * directory of the job's own.
 *
 * @param run The run.
 * @param config Configuration of the job.
 * @returns Absolute path, or `undefined`.
 */
export function currentDirectory(
  { parts: { host, workspace }, sourcePath }: JobRun,
  { isCwdChosen, source }: JobConfig,
): string | undefined {
  const runsThere = !workspace.inContainer && !isCwdChosen &&
    sourcePath === undefined && source.type === "none";
  return runsThere ? host.cwd : undefined;
}

/** A source that git would refuse to work in. */
export interface ForeignSource {
  /** Absolute path, without links. */
  readonly path: string;
  /** The same as a container of the job knows it. */
  readonly jobPath: string;
}

/**
 * Finds the sources that the runner has checked out into a directory of another
 * user, such as a volume. Git calls their ownership dubious, and does nothing.
 *
 * @param run The run, with its sources in their places.
 * @param codeDir Code directory, as the job knows it.
 * @returns The sources.
 */
export async function foreignSources(
  { sourcePath, ciSourcePath }: JobRun,
  codeDir: string,
): Promise<ForeignSource[]> {
  const sources = [
    { path: sourcePath, jobPath: codeDir },
    { path: ciSourcePath, jobPath: "/job/ci" },
  ];
  const foreign: ForeignSource[] = [];
  for (const { path, jobPath } of sources) {
    if (path === undefined || !await isForeign(path)) continue;
    foreign.push({ path: await Deno.realPath(path), jobPath });
  }
  return foreign;
}

/**
 * Lets git work in directories of any owner. Nothing is written to the
 * configuration of the user.
 *
 * @param env Environment of a command.
 * @param paths Absolute paths of the directories.
 * @returns The environment, with what it configures of git and the directories.
 */
export async function withSafeDirectories(
  env: ChildEnvironment,
  paths: readonly string[],
): Promise<ChildEnvironment> {
  if (paths.length === 0) return env;
  const { withConfigEntries } = await import(
    "../source/git/config.ts"
  );
  return withConfigEntries(
    env,
    paths.map((path) => ["safe.directory", path] as const),
  );
}

/** The repository is the runner's own, and shows whose the directory should be. */
async function isForeign(path: string): Promise<boolean> {
  try {
    const { uid } = await Deno.lstat(`${path}/.git`);
    return uid !== (await Deno.stat(path)).uid;
  } catch {
    // It is not a git repository, or cannot be looked at: git will say it.
    return false;
  }
}
