import {
  type FetchFailure,
  fetchFailure,
  gitError,
  serverFormat,
} from "./failure.ts";
import { gitReason } from "./reason.ts";
import { gitRefProblem } from "./ref.ts";
import type { Repository } from "./repository.ts";
import type { Retry } from "./retry.ts";

/** What {@linkcode fetchFrom} fetches, and how. */
export interface FetchRequest {
  /** Name or location of the remote. */
  readonly remote: string;
  /** What is fetched, and the names that it gets. */
  readonly refspecs: readonly string[];
  /** Commits of history; 0 for all. */
  readonly depth: number;
  /** Filter of a partial clone, if there is one. */
  readonly filter: string | undefined;
}

/** What became of a {@linkcode FetchRequest}. */
export type FetchOutcome =
  | {
    readonly isFetched: true;
    /** Standard output of git. */
    readonly stdout: string;
  }
  | {
    readonly isFetched: false;
    /** Why not; whatever else goes wrong is thrown. */
    readonly failure: Extract<FetchFailure, "missing" | "dropped" | "refused">;
    /** The same in git's words. */
    readonly reason: string;
  };

/**
 * Fetches by the shortest way that the server allows: as asked, without the
 * filter, with the whole history.
 *
 * @param repository Repository.
 * @param request What to fetch.
 * @param retry Does what connects.
 * @returns What became of it.
 * @throws {RunnerError} With code `source-failed`, if the server cannot be
 * reached or lets nobody in.
 */
export async function fetchFrom(
  repository: Repository,
  request: FetchRequest,
  retry: Retry,
): Promise<FetchOutcome> {
  let outcome: FetchOutcome | undefined;
  for (const { depth, filter } of waysOf(request)) {
    const isPlain = request.filter !== undefined && filter === undefined;
    const args = [
      "fetch",
      "--quiet",
      "--no-tags",
      "--no-recurse-submodules",
      // The names that are given are all that are written.
      "--refmap=",
      depth > 0 ? `--depth=${depth}` : "--update-shallow",
      ...filter === undefined ? [] : [`--filter=${filter}`],
      ...isPlain ? ["--no-filter"] : [],
      // A branch may have the name of a folder of branches that are gone.
      ...request.refspecs.some((it) => it.includes("*")) ? ["--prune"] : [],
      "--end-of-options",
      request.remote,
      ...request.refspecs,
    ];
    outcome = await connect(repository, args, retry);
    if (outcome.isFetched && isPlain) await forgetFilter(repository);
    if (outcome.isFetched || outcome.failure === "missing") return outcome;
  }
  return outcome!;
}

function waysOf(
  { depth, filter }: FetchRequest,
): Pick<FetchRequest, "depth" | "filter">[] {
  const ways = [{ depth, filter }];
  if (filter !== undefined) ways.push({ depth, filter: undefined });
  if (depth > 0) ways.push({ depth: 0, filter: undefined });
  return ways;
}

/**
 * Finds the default branch of the remote `origin`.
 *
 * @param repository Repository.
 * @param retry Does what connects.
 * @returns Full name of the branch; `undefined` if the remote names none.
 * @throws {RunnerError} With code `source-failed`, if the server cannot be
 * reached or refuses access.
 */
export async function defaultBranch(
  repository: Repository,
  retry: Retry,
): Promise<string | undefined> {
  const outcome = await connect(
    repository,
    ["ls-remote", "--symref", "--end-of-options", "origin", "HEAD"],
    retry,
  );
  const [, name] = outcome.isFetched
    ? /^ref: (refs\/heads\/\S+)\tHEAD$/m.exec(outcome.stdout) ?? []
    : [];
  return name !== undefined && gitRefProblem(name) === undefined
    ? name
    : undefined;
}

async function connect(
  repository: Repository,
  args: readonly string[],
  retry: Retry,
): Promise<FetchOutcome> {
  const { git, make, url, shownUrl } = repository;
  const fetch = () => retry(() => git(args));
  let result = await fetch();
  const format = result.exitCode === 0 ? undefined : serverFormat(result);
  if (format !== undefined) {
    // Nothing is lost: what could not be fetched at all has left nothing.
    await make(format);
    result = await fetch();
  }
  if (result.exitCode === 0) return { isFetched: true, stdout: result.stdout };
  const failure = fetchFailure(result);
  const reason = gitReason(result, url);
  if (
    failure === "missing" || failure === "dropped" || failure === "refused"
  ) return { isFetched: false, failure, reason };
  throw gitError(`clone "${shownUrl}"`, reason);
}

/** Git notes the filter before it knows whether the server takes it. */
async function forgetFilter({ git }: Repository): Promise<void> {
  for (
    const key of [
      "remote.origin.promisor",
      "remote.origin.partialCloneFilter",
      "extensions.partialClone",
    ]
  ) await git(["config", "--unset-all", key]);
}
