import { RunnerError } from "../../../errors.ts";
import { showUrl } from "../../../shown_url.ts";
import {
  type GitQuery,
  type GitQueryOptions,
  openQuery,
} from "./open_query.ts";

/** What {@linkcode gitInfo} tells; `null` stands for what is not so, or not known. */
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
 * Tells what is checked out.
 *
 * @param options Additional options.
 * @returns What is known; nothing of a directory that is no repository.
 * @throws {RunnerError} With code `source-failed`, if git is not installed.
 */
export async function gitInfo(options: GitQueryOptions = {}): Promise<GitInfo> {
  let query: GitQuery;
  try {
    query = await openQuery(options);
  } catch (error) {
    if (error instanceof RunnerError) return NOTHING;
    throw error;
  }
  const answer = async (...args: string[]) => {
    const { exitCode, stdout } = await query.git(...args);
    return exitCode === 0 ? stdout.trimEnd() : null;
  };
  const [branch, commit, tags, url, remotes, changes] = await Promise.all([
    answer("symbolic-ref", "--quiet", "--short", "HEAD"),
    answer("rev-parse", "--verify", "--quiet", "HEAD^{commit}"),
    answer("tag", "--points-at", "HEAD"),
    answer("config", "--get", "remote.origin.url"),
    answer("remote"),
    answer("status", "--porcelain", "--ignore-submodules=none"),
  ]);
  return {
    branch,
    commit,
    shortCommit: commit && commit.slice(0, 7),
    tag: tags ? tags.split("\n")[0] : null,
    remoteUrl: url && showUrl(url),
    remotes: remotes === null ? null : remotes.split("\n").filter(Boolean),
    isClean: changes === null ? null : changes === "",
  };
}
