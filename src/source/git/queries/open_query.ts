import { dirname } from "@std/path/posix/dirname";
import { resolve } from "@std/path/posix/resolve";
import { childEnvironment } from "../../../environment/child_environment.ts";
import { type Environment, Variable } from "../../../environment/variables.ts";
import { RunnerError } from "../../../errors.ts";
import { processHost } from "../../../host.ts";
import { isInside } from "../../../job_path.ts";
import { getDefault } from "../../../options/options.ts";
import { Cancellation, onAbort } from "../../../process/cancellation.ts";
import {
  capture,
  CAPTURE_LIMIT_BYTES,
  type CaptureResult,
} from "../../../process/capture.ts";
import { openWorkspace } from "../../../workspace/layout.ts";
import { durationText } from "../../../schema/duration.ts";
import { sourceError } from "../../source.ts";
import {
  type ConfigEntry,
  readEntries,
  repositorySettings,
} from "../git_config.ts";
import { gitReason } from "../run_git.ts";
import {
  copyReflogs,
  createPrivateRepository,
  fillPrivateRepository,
  findRepository,
  readPlainFile,
  type RepositoryParts,
} from "./private_repository.ts";

/** Default time limit of git, in milliseconds. */
const TIMEOUT_MS = 10 * 60_000;

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
    (env[Variable.codeDir] || getDefault("code_dir"));
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
    remotes: listRemotes(entries),
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

function listRemotes(entries: readonly ConfigEntry[]): string[] {
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

/** Options for {@linkcode runQuery}. */
export interface QueryRun {
  readonly privatePath: string;
  readonly env: Environment;
  readonly signal: AbortSignal | undefined;
  readonly cwd: string;
  /** Variables that override the ones that hide the user's settings. */
  readonly variables?: Readonly<Record<string, string>>;
  /**
   * Time limit of git, in milliseconds.
   *
   * @default {600_000}
   */
  readonly timeoutMs?: number;
}

/** Settings that make git ignore auxiliary files next to the objects. */
const NEUTRAL_OPTIONS = [
  "core.commitGraph=false",
  "core.multiPackIndex=false",
  "core.fsmonitor=false",
  "core.untrackedCache=false",
  "core.hooksPath=/dev/null",
  "gc.auto=0",
].flatMap((option) => ["-c", option]);

/** The user's settings could start programs, and a step can change them. */
const HIDDEN_SETTINGS = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
};

/**
 * Runs git on a private repository, where it only reads.
 *
 * @throws {RunnerError} With code `source-failed`, if git is not installed or
 * exceeds the time limit.
 */
async function runQuery(
  args: readonly string[],
  query: QueryRun,
): Promise<CaptureResult> {
  const { privatePath, env, signal, cwd } = query;
  const { variables = HIDDEN_SETTINGS, timeoutMs = TIMEOUT_MS } = query;
  const cancellation = new Cancellation();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    cancellation.cancel("SIGTERM");
  }, timeoutMs);
  using _ = signal && onAbort(signal, () => cancellation.cancel("SIGTERM"));
  const inherited = childEnvironment(env, { kind: "git-query" });
  try {
    return await capture(
      ["git", ...NEUTRAL_OPTIONS, `--git-dir=${privatePath}`, ...args],
      {
        cwd,
        cancellation,
        env: {
          ...inherited,
          GIT_ALLOW_PROTOCOL: "none",
          GIT_CEILING_DIRECTORIES: dirname(cwd),
          GIT_NO_LAZY_FETCH: "1",
          GIT_NO_REPLACE_OBJECTS: "1",
          GIT_OPTIONAL_LOCKS: "0",
          GIT_PAGER: "cat",
          GIT_TERMINAL_PROMPT: "0",
          LC_ALL: "C",
          ...variables,
        },
      },
    );
  } catch (cause) {
    if (cause instanceof RunnerError && cause.code === "command-not-found") {
      throw sourceError('run "git"', "it is not installed", cause);
    }
    if (timedOut) {
      throw sourceError(
        "run git",
        `it took longer than ${durationText(timeoutMs)}`,
      );
    }
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}

/** The answer is unknown because part of the history was not fetched. */
export class MissingHistoryError extends RunnerError {}

/**
 * Creates the error of a query that needs more history.
 *
 * @param action Failed action with its object.
 */
export function missingHistory(
  action: string,
  reason: string,
): MissingHistoryError {
  return new MissingHistoryError(`Cannot ${action}: ${reason}`, {
    code: "source-failed",
  });
}

/**
 * Returns the complete output of git.
 *
 * @param action Action of git, for the error.
 * @throws {RunnerError} With code `source-failed`, if git failed or its output
 * was truncated.
 */
export function completeOutput(result: CaptureResult, action: string): string {
  const { exitCode, stdout } = result;
  if (exitCode !== 0) throw sourceError(action, gitReason(result, ""));
  const isLong = stdout.length > CAPTURE_LIMIT_BYTES / 4 &&
    new TextEncoder().encode(stdout).length >= CAPTURE_LIMIT_BYTES;
  if (isLong) throw sourceError(action, "the output is larger than 16 MiB");
  return stdout;
}
