import { RunnerError } from "../../../errors.ts";
import { showUrl } from "../../../url_secrets.ts";
import { isCleanTree } from "./is_clean_tree.ts";
import { type GitQueryOptions, openQuery } from "./open_query.ts";

/** What {@linkcode gitInfo} finds; `null` stands for what is absent, or not known. */
export interface GitInfo {
  /** Branch that is checked out; `null` if none is. */
  readonly branch: string | null;
  /** Id of the commit that is checked out. */
  readonly commit: string | null;
  /** Its first seven digits. */
  readonly shortCommit: string | null;
  /** A tag of just that commit. */
  readonly tag: string | null;
  /** Location of the remote `origin`, without user and password. */
  readonly remoteUrl: string | null;
  /** Names of all remotes. */
  readonly remotes: readonly string[] | null;
  /** Whether the work tree is as the commit is, and has no files beside it. */
  readonly isClean: boolean | null;
}

const NOTHING: GitInfo = {
  branch: null,
  commit: null,
  shortCommit: null,
  tag: null,
  remoteUrl: null,
  remotes: null,
  isClean: null,
};

/**
 * Describes what is checked out.
 *
 * Nothing that the repository configures is run.
 *
 * @param options Additional options.
 * @returns What is known; nothing of a directory that is not a repository.
 * @throws {RunnerError} With code `source-failed`, if git is not installed.
 */
export async function gitInfo(options: GitQueryOptions = {}): Promise<GitInfo> {
  try {
    return await infoOf(options);
  } catch (error) {
    if (!(error instanceof RunnerError) || isMissing(error)) throw error;
    return NOTHING;
  }
}

function isMissing({ cause }: RunnerError): boolean {
  return cause instanceof RunnerError && cause.code === "command-not-found";
}

async function infoOf(options: GitQueryOptions): Promise<GitInfo> {
  using query = await openQuery(options);
  const answer = async (...args: string[]) => {
    const { exitCode, stdout } = await query.git(...args);
    return exitCode === 0 ? stdout.trimEnd() : null;
  };
  const [branch, commit, tags, isClean] = await Promise.all([
    answer("symbolic-ref", "--quiet", "--short", "HEAD"),
    answer("rev-parse", "--verify", "--quiet", "HEAD^{commit}"),
    answer("tag", "--points-at", "HEAD"),
    isCleanTree(query, options),
  ]);
  const url = query.settings.findLast(([key]) => key === "remote.origin.url");
  return {
    branch,
    commit,
    shortCommit: commit && commit.slice(0, 7),
    tag: tags ? tags.split("\n")[0] : null,
    remoteUrl: url === undefined ? null : showUrl(url[1]),
    remotes: query.remotes,
    isClean,
  };
}
