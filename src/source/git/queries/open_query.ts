import { dirname } from "@std/path/posix/dirname";
import { resolve } from "@std/path/posix/resolve";
import { childEnvironment } from "../../../environment/child_environment.ts";
import { Variable } from "../../../environment/variables.ts";
import { RunnerError } from "../../../errors.ts";
import { processHost } from "../../../host.ts";
import { isInside } from "../../../job_path.ts";
import type { CaptureResult } from "../../../process/capture.ts";
import { openWorkspace } from "../../../workspace/layout.ts";

/** Options of every question to a git repository. */
export interface GitQueryOptions {
  /**
   * Directory of the repository: `/job` or a path below it, as a job knows it, or
   * any other path.
   *
   * @default {the code directory of the job}
   */
  directory?: string;
  /**
   * Environment of git.
   *
   * @default {the environment of the process}
   */
  env?: Readonly<Record<string, string>>;
  /** Ends the question when aborted. */
  signal?: AbortSignal;
}

/** A repository that is asked. */
export interface GitQuery {
  /** Absolute path of its directory. */
  readonly path: string;
  /** Runs git on it; nothing that the repository brings is run. */
  git(...args: string[]): Promise<CaptureResult>;
}

/**
 * Finds the repository that is meant.
 *
 * @param options Directory and environment.
 * @returns The repository.
 * @throws {RunnerError} With code `source-failed`, if there is none in just that
 * directory; one around it is not meant.
 */
export async function openQuery(options: GitQueryOptions): Promise<GitQuery> {
  const host = processHost();
  const { env = host.env, signal } = options;
  signal?.throwIfAborted();
  const path = placeOf(
    options.directory ?? (env[Variable.codeDir] || "/job/src"),
    env,
    host.cwd,
  );
  await mustBeRepository(path);
  const { Cancellation } = await import("../../../process/cancellation.ts");
  const { onAbort } = await import("../../../process/on_abort.ts");
  const { runGit } = await import("../run_git.ts");
  return {
    path,
    async git(...args) {
      const cancellation = new Cancellation();
      using _ = signal && onAbort(signal, () => cancellation.cancel("SIGTERM"));
      return await runGit(["--no-optional-locks", ...args], path, {
        env: childEnvironment(env, { kind: "source-client" }),
        cancellation,
        variables: { GIT_CEILING_DIRECTORIES: dirname(path) },
      });
    },
  };
}

/**
 * Finds the commit that a revision means: one that is known here by that name,
 * or a branch of `origin`.
 *
 * @param query Repository.
 * @param revision Name of a branch, tag or commit, also with `^` and `~`.
 * @returns Id of the commit.
 * @throws {RunnerError} With code `source-failed`, if the repository does not
 * know it.
 */
export async function resolveRevision(
  query: GitQuery,
  revision: string,
): Promise<string> {
  // deno-lint-ignore no-control-regex
  if (/^-|^$|[\x00-\x1f]/.test(revision)) {
    throw queryError(`find ${JSON.stringify(revision)}`, "it is no revision");
  }
  for (const name of [revision, `refs/remotes/origin/${revision}`]) {
    const { exitCode, stdout } = await query.git(
      ...["rev-parse", "--verify", "--quiet", "--end-of-options"],
      `${name}^{commit}`,
    );
    if (exitCode === 0) return stdout.trim();
  }
  throw queryError(
    `find "${revision}" in "${query.path}"`,
    "the repository does not know it",
  );
}

/**
 * Makes the error of a question that has no answer.
 *
 * @param action What could not be done, and to what.
 * @param reason Why.
 * @param cause What it comes from.
 * @returns The error, with code `source-failed`.
 */
export function queryError(
  action: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(`Cannot ${action}: ${reason}`, {
    code: "source-failed",
    cause,
  });
}

function placeOf(
  directory: string,
  env: Readonly<Record<string, string>>,
  cwd: string,
): string {
  if (!directory.startsWith("/")) return resolve(cwd, directory);
  const workspace = openWorkspace({ cwd, env });
  // Outside a container, jobs are told where their directories really are.
  return isInside("/job", directory) ? workspace.pathOf(directory) : directory;
}

async function mustBeRepository(path: string): Promise<void> {
  const action = `read "${path}"`;
  try {
    await Deno.lstat(`${path}/.git`);
  } catch (cause) {
    const isThere = await Deno.stat(path).then(
      ({ isDirectory }) => isDirectory,
      () => false,
    );
    throw queryError(
      action,
      isThere ? "it is no git repository" : "no such directory",
      cause,
    );
  }
}
