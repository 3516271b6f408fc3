import type { CaptureResult } from "../../process/capture.ts";
import { removeTree } from "../../workspace/remove.ts";
import { sourceError } from "../source.ts";
import { type GitContext, gitReason, runGit } from "./run_git.ts";
import { configText, ownerConfig } from "./git_config.ts";
import { type Access, accessTo, splitLogin } from "./login.ts";
import type { GitUrl } from "./url.ts";

/** Object format of a repository. */
export type ObjectFormat = "sha1" | "sha256";

/**
 * Guesses the object format of a repository that was not contacted yet.
 *
 * @param ref Ref to fetch.
 * @returns `sha256` for a full SHA-256 commit ID, otherwise `sha1`.
 */
export function guessObjectFormat(ref: string | undefined): ObjectFormat {
  return /^[0-9a-f]{64}$/i.test(ref ?? "") ? "sha256" : "sha1";
}

/** A repository of the runner with a remote named `origin`. */
export interface Repository {
  /**
   * Absolute path of the repository itself, inside the work tree if it has one.
   */
  readonly gitDirectory: string;
  /** URL of the remote. */
  readonly url: GitUrl;
  /** The URL without credentials, which may be stored in a file. */
  readonly publicUrl: string;
  git(
    args: readonly string[],
    variables?: GitContext["variables"],
  ): Promise<CaptureResult>;
  /**
   * Creates the repository, and replaces an existing one.
   *
   * @throws {RunnerError} With code `source-failed`, if git cannot.
   */
  make(objectFormat: ObjectFormat): Promise<void>;
  /**
   * Returns the credentials for the host of the remote.
   *
   * @param namesHosts Whether git also connects to hosts that the tree names.
   */
  access(namesHosts?: boolean): Promise<Access>;
}

/** Location of a repository. */
export interface RepositoryPlace {
  /**
   * Absolute path of an existing directory: the work tree, or the repository
   * itself.
   */
  readonly path: string;
  /**
   * Whether the directory is the repository itself.
   *
   * @default {false}
   */
  readonly bare?: boolean;
  /**
   * URLs of other remotes, without credentials.
   *
   * @default {there are no other remotes}
   */
  readonly otherUrls?: readonly string[];
}

/**
 * Describes how to run git on a repository, which may not exist yet.
 *
 * @param url URL of the remote; its credentials are never written to a file.
 */
export function repositoryAt(
  { path, bare = false, otherUrls = [] }: RepositoryPlace,
  url: GitUrl,
  context: GitContext,
): Repository {
  const { publicUrl, ...login } = splitLogin(url.href);
  const gitDirectory = bare ? path : `${path}/.git`;
  // With explicit paths, git does not search the parent directories.
  const place = [`--git-dir=${gitDirectory}`];
  if (!bare) place.push(`--work-tree=${path}`);
  let resolved: Promise<Access> | undefined;
  const resolveAccess = (namesHosts: boolean) =>
    accessTo(
      [publicUrl, ...otherUrls],
      { login, cwd: path, namesHosts },
      context,
    );
  const access = (namesHosts = false) =>
    namesHosts ? resolveAccess(true) : resolved ??= resolveAccess(false);
  const repository: Repository = {
    gitDirectory,
    url,
    publicUrl,
    access,
    async git(args, variables) {
      const { config, variables: logins } = await access();
      return await runGit([...place, ...args], path, {
        ...context,
        config: [...ownerConfig(url), ...config, ...context.config ?? []],
        variables: { ...logins, ...context.variables, ...variables },
      });
    },
    async make(objectFormat) {
      await removeTree(gitDirectory);
      if (bare) await Deno.mkdir(path);
      await runOrThrow(repository, [
        "init",
        "--quiet",
        "--initial-branch=main",
        `--object-format=${objectFormat}`,
        ...bare ? ["--bare"] : [],
      ]);
      // Writes what `git remote add` would write, which is faster than starting
      // git.
      const text = configText([
        ["remote.origin.url", publicUrl],
        ["remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"],
      ]);
      await Deno.writeTextFile(`${gitDirectory}/config`, text, {
        append: true,
      });
    },
  };
  return repository;
}

/**
 * Resolves a name to a commit.
 *
 * @param name Unambiguous name.
 * @returns ID of the commit; `undefined` if there is none.
 */
export async function resolveCommit(
  repository: Repository,
  name: string,
): Promise<string | undefined> {
  const { exitCode, stdout } = await repository.git([
    "rev-parse",
    "--verify",
    "--quiet",
    "--end-of-options",
    `${name}^{commit}`,
  ]);
  return exitCode === 0 ? stdout.trim() : undefined;
}

async function runOrThrow(
  repository: Repository,
  args: readonly string[],
): Promise<void> {
  const result = await repository.git(args);
  if (result.exitCode === 0) return;
  throw sourceError(
    `create the repository "${repository.gitDirectory}"`,
    gitReason(result, repository.url.href),
  );
}
