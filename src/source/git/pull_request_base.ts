import { Variable } from "../../environment/variables.ts";
import { messageOf } from "../../errors.ts";
import { showUrl } from "../../url_secrets.ts";
import type { SourceContext } from "../source.ts";
import type { Retry } from "./run_git.ts";
import type { FoundCommit } from "./fetch.ts";
import { ownerConfig } from "./git_config.ts";
import {
  createFetcher,
  deepen,
  isHistoryBetweenKnown,
  WHOLE_HISTORY_OPTION,
} from "./history.ts";
import { checkGitRef, isFullCommitId } from "./ref.ts";
import { type Repository, repositoryAt, resolveCommit } from "./repository.ts";
import { type GitUrl, resolveGitUrl } from "./url.ts";

const NO_COMMIT = "the repository has no such commit";

/** The checkout whose base is fetched. */
export interface BaseRequest {
  /** The commit found for the ref. */
  readonly found: FoundCommit;
  /** ID of the commit that is checked out. */
  readonly commit: string;
  /** Number of commits fetched from its history; 0 for all. */
  readonly depth: number;
}

/** Base of a pull request. */
interface Base {
  /** Name of its remote. */
  readonly remote: "origin" | "upstream";
  /** URL of the remote. */
  readonly url: GitUrl;
  /** ID of the base commit, if it is known. */
  readonly id: string | undefined;
  /** Target branch of the pull request, if it is known. */
  readonly branch: string | undefined;
}

/**
 * Fetches the base of the pull request that is checked out, and the commits in
 * between, so that `git diff`, `git log` and `git merge-base` give the same
 * results as in a full clone.
 *
 * `REACTORCIDE_DIFF_BASE` names the base, and `REACTORCIDE_BASE_REF` or
 * `REACTORCIDE_PR_BASE_REF` its branch. `REACTORCIDE_BASE_URL` names the
 * repository of the base, if it is another one; it becomes the remote
 * `upstream`. A failure is only a warning, since the job's own code does not
 * depend on the base.
 */
export async function fetchBase(
  repository: Repository,
  request: BaseRequest,
  retry: Retry,
  context: SourceContext,
): Promise<void> {
  const { env, log, cancellation } = context;
  let base: Base | undefined;
  try {
    base = findBase(repository.url, context);
    if (base === undefined) return;
    await reachBase(repository, base, request, retry, context);
  } catch (error) {
    cancellation.graceful.throwIfAborted();
    log.warn("source", "Cannot fetch the base of the pull request", {
      base: base?.id ?? base?.branch ?? "",
      url: base?.url.shown ?? showUrl(env[Variable.baseUrl] ?? ""),
      reason: messageOf(error),
      effect: "git diff, git log and git merge-base with it may fail",
      ...env[Variable.isForkPr] === "true" && base?.remote === "origin"
        ? { hint: `${Variable.baseUrl} can name the repository that has it` }
        : {},
    });
  }
}

/**
 * Finds the base of the pull request that an environment describes.
 *
 * @param url URL of the repository that is checked out.
 * @returns The base; `undefined` if the environment describes none.
 * @throws {RunnerError} With code `source-failed`, if its URL is invalid.
 */
function findBase(
  url: GitUrl,
  { env, cwd }: Pick<SourceContext, "env" | "cwd">,
): Base | undefined {
  const diffBase = env[Variable.diffBase] ?? "";
  const baseUrl = env[Variable.baseUrl]
    ? resolveGitUrl(env[Variable.baseUrl], cwd)
    : url;
  const isFork = baseUrl.identity !== url.identity;
  if (!isFork && diffBase === "" && !env[Variable.prNumber]) return undefined;
  const names = [env[Variable.baseRef], env[Variable.prBaseRef], diffBase]
    .filter((name) => name !== undefined && name !== "");
  return {
    remote: isFork ? "upstream" : "origin",
    url: isFork ? baseUrl : url,
    id: names.findLast(isFullCommitId)?.toLowerCase(),
    branch: names.find((name) => !isFullCommitId(name))
      ?.replace(/^refs\/heads\//, ""),
  };
}

async function reachBase(
  repository: Repository,
  base: Base,
  { found, commit, depth }: BaseRequest,
  retry: Retry,
  context: SourceContext,
): Promise<void> {
  const { remote, id, branch } = base;
  const holder = remote === "origin"
    ? repository
    : await addUpstream(repository, base.url, context);
  if (branch !== undefined) checkGitRef(branch);
  const tracking = `refs/remotes/${remote}/${branch}`;
  if (id === undefined && branch === undefined) return;
  const isKnown = async (name: string) => {
    const baseCommit = await resolveCommit(repository, name);
    return baseCommit &&
      await isHistoryBetweenKnown(repository, commit, baseCommit);
  };
  const isEnough = async () => {
    if (id !== undefined && !await isKnown(id)) return false;
    // The branch may have been deleted.
    const isOptional = branch === undefined || id !== undefined &&
        await resolveCommit(repository, tracking) === undefined;
    return isOptional || await isKnown(tracking) === true;
  };
  const isFetched = branch === undefined ||
    await resolveCommit(repository, tracking) !== undefined;
  if (isFetched && await isEnough()) return;
  const branchRefspec = branch && `+refs/heads/${branch}:${tracking}`;
  const head = remote === "origin" && depth > 0 ? commit : undefined;
  const fetchBases = createFetcher(holder, remote, retry, [
    [head, id, branchRefspec],
    [head, id],
    // Some servers do not serve commits by ID.
    [head && found.name, branchRefspec],
  ]);
  const fetchHead = createFetcher(
    repository,
    "origin",
    retry,
    head === undefined ? [[commit], [found.name]] : [],
  );
  if (depth === 0) {
    await fetchBases(0);
    if (await isEnough()) return;
    throw new Error(NO_COMMIT);
  }
  const { gitDirectory } = repository;
  const isReached = await deepen(gitDirectory, depth, async (depth) => {
    const refusal = await fetchBases(depth);
    const isRefused = refusal !== undefined && !/unadvertised/.test(refusal);
    if (isRefused && id && await resolveCommit(repository, id) === undefined) {
      throw new Error(NO_COMMIT);
    }
    await fetchHead(depth);
  }, isEnough);
  if (!isReached) {
    throw new Error(
      `it is too far back in the history; ${WHOLE_HISTORY_OPTION}`,
    );
  }
}

/** Adds the repository that a fork's pull request targets. */
async function addUpstream(
  repository: Repository,
  url: GitUrl,
  context: SourceContext,
): Promise<Repository> {
  const upstream = repositoryAt(
    { path: repository.gitDirectory, bare: true },
    url,
    { ...context, config: ownerConfig(url, "upstream") },
  );
  const { publicUrl } = upstream;
  await repository.git(["remote", "add", "--", "upstream", publicUrl]);
  return upstream;
}
