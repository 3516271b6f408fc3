import { resolve } from "@std/path/posix/resolve";
import { Variable } from "../../../environment/variables.ts";
import { processHost } from "../../../host.ts";
import { isInside } from "../../../job_path.ts";
import { defaultOf } from "../../../options/options.ts";
import type { CaptureResult } from "../../../process/capture.ts";
import { openWorkspace } from "../../../workspace/layout.ts";
import {
  type ConfigEntry,
  readEntries,
  repositorySettings,
} from "../config.ts";
import { findRepository, type RepositoryParts } from "./find_repository.ts";
import {
  copyReflogs,
  fillOwnDirectory,
  makeOwnDirectory,
} from "./own_repository.ts";
import { readPlainFile } from "./plain_files.ts";
import { missingHistory, runQuery } from "./run_query.ts";
import { sourceError } from "../../source_error.ts";

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
   * Environment of git, which gets the variables that programs need to run.
   *
   * @default {the environment of the process}
   */
  env?: Readonly<Record<string, string>>;
  /** Ends the question when aborted. */
  signal?: AbortSignal;
}

/**
 * A repository that is asked.
 *
 * Git runs on a repository of the runner's own, which has the objects of the
 * other one and copies of its references. Its configuration is new, so that
 * nothing in the other one can start a program, or lead to another server or
 * directory. What is missing there is not fetched.
 */
export interface GitQuery extends Disposable {
  /** Absolute path of the directory that was asked for. */
  readonly path: string;
  /** Where the repository is that answers. */
  readonly parts: RepositoryParts;
  /** Absolute path of the repository on which git runs. */
  readonly ownDirectory: string;
  /** Settings that say how the repository is stored. */
  readonly extensions: readonly ConfigEntry[];
  /** Settings of the repository that are in force. */
  readonly settings: readonly ConfigEntry[];
  /** Names of its remotes, sorted. */
  readonly remotes: readonly string[];
  /** Runs git, which reads but does not write. */
  git(...args: string[]): Promise<CaptureResult>;
  /**
   * Runs git in the same way on files that a step can replace. A pipe in the
   * place of one, such as `.gitignore`, would have git wait forever.
   */
  gitWithin(timeoutMs: number, ...args: string[]): Promise<CaptureResult>;
}

/**
 * Finds the directory that is meant.
 *
 * @param options Directory and environment.
 * @returns Its absolute path.
 */
export function queryDirectory(options: GitQueryOptions): string {
  const host = processHost();
  const { env = host.env } = options;
  const directory = options.directory ??
    (env[Variable.codeDir] || defaultOf("code_dir"));
  if (!directory.startsWith("/")) return resolve(host.cwd, directory);
  // Outside a container, jobs are told where their directories really are.
  return isInside("/job", directory)
    ? openWorkspace({ cwd: host.cwd, env }).pathOf(directory)
    : directory;
}

/**
 * Opens the repository that is meant.
 *
 * @param options Directory and environment.
 * @returns The repository; to be disposed of.
 * @throws {RunnerError} With code `source-failed`, if there is none in just that
 * directory, or it cannot be read without following what it says.
 */
export async function openQuery(options: GitQueryOptions): Promise<GitQuery> {
  const host = processHost();
  const { env = host.env, signal } = options;
  signal?.throwIfAborted();
  const path = queryDirectory(options);
  using cleanup = new DisposableStack();
  const { path: ownDirectory } = cleanup.use(
    await makeOwnDirectory(env, host.cwd),
  );
  const run = (args: readonly string[]) =>
    runQuery(args, { ownDirectory, env, signal, cwd: ownDirectory });
  const readConfig = (file: string) => readSettings(file, ownDirectory, run);
  const parts = await findRepository(
    path,
    async (file) => new Map(await readConfig(file)),
  );
  const entries = await readConfig(`${parts.commonDirectory}/config`);
  const all = new Map(entries);
  if (/^(?:true|yes|on|1)$/i.test(all.get("extensions.worktreeconfig") ?? "")) {
    const own = await readConfig(`${parts.gitDirectory}/config.worktree`);
    entries.push(...own);
  }
  const settings = repositorySettings(entries);
  const extensions = await fillOwnDirectory(
    ownDirectory,
    path,
    parts,
    all,
    settings,
  );
  const disposable = cleanup.move();
  const git = (args: readonly string[], timeoutMs?: number) =>
    runQuery([`--work-tree=${parts.workTree}`, ...args], {
      ownDirectory,
      env,
      signal,
      cwd: parts.workTree,
      timeoutMs,
    });
  return {
    path,
    parts,
    ownDirectory,
    extensions,
    settings,
    remotes: remotesOf(entries),
    git: (...args) => git(args),
    gitWithin: (timeoutMs, ...args) => git(args, timeoutMs),
    [Symbol.dispose]: () => disposable.dispose(),
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
    throw sourceError(`find ${JSON.stringify(revision)}`, "not a revision");
  }
  if (revision.includes("@{")) {
    await copyReflogs(query.parts, query.ownDirectory);
  }
  for (const name of [revision, `refs/remotes/origin/${revision}`]) {
    const { exitCode, stdout } = await query.git(
      ...["rev-parse", "--verify", "--quiet", "--end-of-options"],
      `${name}^{commit}`,
    );
    if (exitCode === 0) return stdout.trim();
  }
  throw missingHistory(
    `find "${revision}" in "${query.path}"`,
    "the repository does not know it",
  );
}

function remotesOf(entries: readonly ConfigEntry[]): string[] {
  const names = entries.map(([key]) => /^remote\.(.+)\.[^.]+$/s.exec(key)?.[1]);
  return [...new Set(names)].filter((name) => name !== undefined).sort();
}

/**
 * Reads the settings of the user and the machine. This starts no program.
 *
 * @param query Repository, whose own settings are left out.
 * @param env Environment, which says where they are.
 * @param timeoutMs Maximum time that git may take, in milliseconds.
 * @returns The settings.
 * @throws {RunnerError} With code `source-failed`, if it takes longer.
 */
export async function readUserSettings(
  { ownDirectory }: GitQuery,
  env: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<ConfigEntry[]> {
  const scopes = await Promise.all(
    ["--system", "--global"].map((scope) =>
      runQuery(["config", scope, "--includes", "--null", "--list"], {
        ownDirectory,
        env,
        signal: undefined,
        timeoutMs,
        cwd: ownDirectory,
        variables: Object.fromEntries(
          ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"]
            .map((name) => [name, env[name]])
            .filter(([, value]) => value !== undefined),
        ),
      })
    ),
  );
  return scopes.flatMap(({ stdout }) => readEntries(stdout));
}

/** Has git parse a copy of the file, which includes no other one. */
async function readSettings(
  file: string,
  ownDirectory: string,
  run: (args: readonly string[]) => Promise<CaptureResult>,
): Promise<ConfigEntry[]> {
  const bytes = await readPlainFile(file, 1024 * 1024);
  if (bytes === undefined) return [];
  const copy = `${ownDirectory}/foreign-config`;
  await Deno.writeFile(copy, bytes);
  const { exitCode, stdout } = await run(
    ["config", "--file", copy, "--no-includes", "--null", "--list"],
  );
  if (exitCode !== 0) {
    throw sourceError(`read "${file}"`, "git cannot parse it");
  }
  return readEntries(stdout);
}
