import { resolve } from "@std/path/posix/resolve";
import { type Environment, Variable } from "../../../environment/variables.ts";
import { processHost } from "../../../host.ts";
import { isInside } from "../../../job_path.ts";
import { defaultOf } from "../../../options/options.ts";
import type { CaptureResult } from "../../../process/capture.ts";
import { openWorkspace } from "../../../workspace/layout.ts";
import { sourceError } from "../../source.ts";
import {
  type ConfigEntry,
  readEntries,
  repositorySettings,
} from "../git_config.ts";
import { findRepository, type RepositoryParts } from "./find_repository.ts";
import {
  copyReflogs,
  createPrivateRepository,
  fillPrivateRepository,
} from "./private_repository.ts";
import { missingHistory, runQuery } from "./run_query.ts";
import { readPlainFile } from "./untrusted_files.ts";

/** Options of all queries of a git repository. */
export interface GitQueryOptions {
  /**
   * Directory of the repository: any path, where `/job` is the job's directory
   * even outside a container.
   *
   * @default {the code directory of the job}
   */
  directory?: string;
  /**
   * Environment from which git gets only the variables that programs need to
   * run.
   *
   * @default {the environment of the process}
   */
  env?: Readonly<Record<string, string>>;
  /** Stops the query. */
  signal?: AbortSignal;
}

/**
 * An opened repository.
 *
 * Git runs on a private repository that has the objects of the actual one and
 * copies of its refs. Its configuration is new, so nothing in the actual
 * repository can start a program or lead to another server or directory.
 * Missing objects are not fetched.
 */
export interface GitQuery extends Disposable {
  /** Absolute path of the directory. */
  readonly path: string;
  /** Paths of the actual repository. */
  readonly parts: RepositoryParts;
  /** Absolute path of the private repository. */
  readonly privatePath: string;
  /** Settings that describe the storage format. */
  readonly extensions: readonly ConfigEntry[];
  /** Allowed settings of the actual repository. */
  readonly settings: readonly ConfigEntry[];
  /** Sorted names of its remotes. */
  readonly remotes: readonly string[];
  /** Runs git, which only reads. */
  git(...args: string[]): Promise<CaptureResult>;
  /**
   * Runs git with a time limit, for commands that read files that a step can
   * replace. A pipe in place of `.gitignore`, for example, would block git
   * forever.
   */
  gitWithin(timeoutMs: number, ...args: string[]): Promise<CaptureResult>;
}

/** Resolves the directory of a query. */
export function queryDirectory(options: GitQueryOptions): string {
  const host = processHost();
  const { env = host.env } = options;
  const directory = options.directory ??
    (env[Variable.codeDir] || defaultOf("code_dir"));
  if (!directory.startsWith("/")) return resolve(host.cwd, directory);
  // Outside a container, the directories of jobs are elsewhere.
  return isInside("/job", directory)
    ? openWorkspace({ cwd: host.cwd, env }).pathOf(directory)
    : directory;
}

/**
 * Opens the repository of a query.
 *
 * @returns The repository, which the caller must dispose.
 * @throws {RunnerError} With code `source-failed`, if the directory itself has
 * no repository, or the repository cannot be read safely.
 */
export async function openQuery(options: GitQueryOptions): Promise<GitQuery> {
  const host = processHost();
  const { env = host.env, signal } = options;
  signal?.throwIfAborted();
  const path = queryDirectory(options);
  using cleanup = new DisposableStack();
  const { path: privatePath } = cleanup.use(
    await createPrivateRepository(env, host.cwd),
  );
  const run = (args: readonly string[]) =>
    runQuery(args, { privatePath, env, signal, cwd: privatePath });
  const readConfig = (file: string) => readSettings(file, privatePath, run);
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
  const extensions = await fillPrivateRepository(
    privatePath,
    path,
    parts,
    all,
    settings,
  );
  const disposable = cleanup.move();
  const git = (args: readonly string[], timeoutMs?: number) =>
    runQuery([`--work-tree=${parts.workTree}`, ...args], {
      privatePath,
      env,
      signal,
      cwd: parts.workTree,
      timeoutMs,
    });
  return {
    path,
    parts,
    privatePath,
    extensions,
    settings,
    remotes: remotesOf(entries),
    git: (...args) => git(args),
    gitWithin: (timeoutMs, ...args) => git(args, timeoutMs),
    [Symbol.dispose]: () => disposable.dispose(),
  };
}

/**
 * Finds a commit by the name of a local revision or of a branch of `origin`.
 *
 * @param revision Branch, tag or commit, optionally with `^` and `~`.
 * @returns ID of the commit.
 * @throws {RunnerError} With code `source-failed`, if the repository does not
 * have the revision.
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
    await copyReflogs(query.parts, query.privatePath);
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
    "the repository has no such revision",
  );
}

function remotesOf(entries: readonly ConfigEntry[]): string[] {
  const names = entries.map(([key]) => /^remote\.(.+)\.[^.]+$/s.exec(key)?.[1]);
  return [...new Set(names)].filter((name) => name !== undefined).sort();
}

/**
 * Reads the settings of the user and the system. This starts no program except
 * git.
 *
 * @param env Environment that determines where the settings are.
 * @param timeoutMs Time limit of git, in milliseconds.
 * @throws {RunnerError} With code `source-failed`, if git takes longer.
 */
export async function readUserSettings(
  { privatePath }: GitQuery,
  env: Environment,
  timeoutMs: number,
): Promise<ConfigEntry[]> {
  const scopes = await Promise.all(
    ["--system", "--global"].map((scope) =>
      runQuery(["config", scope, "--includes", "--null", "--list"], {
        privatePath,
        env,
        signal: undefined,
        timeoutMs,
        cwd: privatePath,
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

/** Makes git parse a copy of the file, without its includes. */
async function readSettings(
  file: string,
  privatePath: string,
  run: (args: readonly string[]) => Promise<CaptureResult>,
): Promise<ConfigEntry[]> {
  const bytes = await readPlainFile(file, 1024 * 1024);
  if (bytes === undefined) return [];
  const copy = `${privatePath}/foreign-config`;
  await Deno.writeFile(copy, bytes);
  const { exitCode, stdout } = await run(
    ["config", "--file", copy, "--no-includes", "--null", "--list"],
  );
  if (exitCode !== 0) {
    throw sourceError(`read "${file}"`, "git cannot parse it");
  }
  return readEntries(stdout);
}
