import {
  type FetchFailure,
  fetchFailure,
  gitReason,
  type Retry,
  serverFormat,
} from "./failure.ts";
import {
  gitRefProblem,
  isFullCommitId,
  localNames,
  remoteNames,
  trackingName,
} from "./ref.ts";
import { commitOf, type Repository } from "./repository.ts";
import { sourceError } from "../source_error.ts";

/** What {@linkcode fetchCommit} works with. */
export interface FetchCommitOptions {
  /** Commits of history; 0 for all. */
  readonly depth: number;
  /** Whether every branch and tag is fetched, too. */
  readonly everything: boolean;
  /** Filter of a partial clone, if there is one. */
  readonly filter?: string;
  /** Number of the pull request to which the commit belongs, if it does. */
  readonly pullRequest?: string;
  /** Does what connects. */
  readonly retry: Retry;
  /**
   * Name of the remote.
   *
   * @default {"origin"}
   */
  readonly remote?: string;
  /**
   * Returns the local name of what is fetched.
   *
   * @default {trackingName}
   */
  readonly nameHere?: typeof trackingName;
}

/** A commit that was fetched. */
export interface FoundCommit {
  /** Its id, or that of a tag which names it. */
  readonly id: string;
  /** Name at the remote by which it was found; `undefined` for a part of an id. */
  readonly name?: string;
  /** Full name of the default branch of the remote, if it was asked for. */
  readonly defaultBranch?: string;
  /**
   * Whether a part of the id was all that it was found by.
   *
   * @default {false}
   */
  readonly isAbbreviated?: boolean;
}

/** Every branch and every tag. */
const EVERYTHING = [
  "+refs/heads/*:refs/remotes/origin/*",
  "+refs/tags/*:refs/tags/*",
];

/** Where the large hosts keep what is to be merged. */
const PULL_REQUEST_FOLDERS = ["pull", "merge-requests"];

/**
 * Fetches a commit by the shortest way, and resolves its name:
 * a file that bears the name cannot win.
 *
 * Where a server does not give a commit away by its id, it is looked for in
 * the pull request of the job, then in the history of every branch and tag.
 *
 * @param repository Repository.
 * @param ref Validated name; `undefined` for the default branch.
 * @param options Additional options.
 * @returns The commit.
 * @throws {RunnerError} With code `source-failed`, if there is none.
 */
export async function fetchCommit(
  repository: Repository,
  ref: string | undefined,
  options: FetchCommitOptions,
): Promise<FoundCommit> {
  const isDefault = ref === undefined || ref === "HEAD";
  const branch = isDefault || options.everything
    ? await defaultBranch(repository, options.retry)
    : undefined;
  const name = isDefault ? branch ?? "HEAD" : ref;
  const search: Search = { ...options, repository, ref: name };
  const found = options.everything ? await fetchEverything(search) : undefined;
  const commit = found ?? await fetchByName(search) ??
    await fetchFromHistory(search) ?? giveUp(search);
  return branch === undefined ? commit : { ...commit, defaultBranch: branch };
}

/** A commit that is looked for. */
interface Search extends FetchCommitOptions {
  readonly repository: Repository;
  readonly ref: string;
  /** Why the server did not give it away, if that was not for want of it. */
  refusal?: string;
}

async function fetchEverything(
  search: Search,
): Promise<FoundCommit | undefined> {
  const refspecs = search.ref === "HEAD"
    ? [...EVERYTHING, "+HEAD:refs/remotes/origin/HEAD"]
    : EVERYTHING;
  const outcome = await fetch({ ...search, depth: 0 }, refspecs);
  if (!outcome.isFetched && outcome.failure !== "missing") {
    search.refusal = outcome.reason;
  }
  for (const name of localNames(search.ref)) {
    const id = await commitOf(search.repository, name);
    if (id !== undefined) return foundIn(id, name);
  }
  return undefined;
}

async function fetchByName(search: Search): Promise<FoundCommit | undefined> {
  const { repository, ref, nameHere = trackingName } = search;
  for (const name of remoteNames(ref)) {
    const here = nameHere(name);
    const outcome = await fetch(search, [
      // With a plus of our own, the one of a ref is part of its name.
      here === undefined ? `+${name}` : `+${name}:${here}`,
    ]);
    if (outcome.isFetched) {
      // What was asked for by its id is that, whatever the server says.
      const id = isFullCommitId(name) ? name : await fetchedId(repository);
      return { id, name };
    }
    if (outcome.failure !== "missing") {
      search.refusal = outcome.reason;
      return undefined;
    }
  }
  return undefined;
}

async function fetchedId({ gitDirectory }: Repository): Promise<string> {
  const text = await Deno.readTextFile(`${gitDirectory}/FETCH_HEAD`);
  return text.split("\t", 1)[0];
}

/** The long way, for what looks like an id. */
async function fetchFromHistory(
  search: Search,
): Promise<FoundCommit | undefined> {
  const { repository, ref, pullRequest = "", everything } = search;
  if (!/^[0-9a-f]{4,64}$/i.test(ref)) return undefined;
  if (/^\d+$/.test(pullRequest)) {
    for (const folder of PULL_REQUEST_FOLDERS) {
      const name = `refs/${folder}/${pullRequest}/head`;
      await fetch({ ...search, depth: 0 }, [
        `+${name}:refs/remotes/origin/pr-head`,
      ]);
      const id = await commitOf(repository, ref);
      if (id !== undefined) return foundIn(id, ref);
    }
  }
  return everything ? undefined : await fetchEverything(search);
}

/** A commit of the history, by its name in this repository. */
function foundIn(id: string, name: string): FoundCommit {
  if (name.startsWith("refs/")) {
    return {
      id,
      name: name.replace(/^refs\/remotes\/origin\//, "refs/heads/"),
    };
  }
  return isFullCommitId(name) ? { id } : { id, isAbbreviated: true };
}

function fetch(
  { repository, remote = "origin", depth, filter, retry }: Search,
  refspecs: readonly string[],
): Promise<FetchOutcome> {
  const request = { remote, refspecs, depth, filter };
  return fetchFrom(repository, request, retry);
}

function giveUp({ repository, ref, refusal }: Search): never {
  const what = isFullCommitId(ref) ? "commit" : "branch or tag";
  const absence = ref === "HEAD"
    ? "it does not name a commit"
    : `the repository has no such ${what}`;
  throw sourceError(
    `check out "${ref}" of "${repository.shownUrl}"`,
    refusal ?? absence,
  );
}

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
 * reached or denies access.
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
      ...request.refspecs.some((refspec) => refspec.includes("*"))
        ? ["--prune"]
        : [],
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
  throw sourceError(`clone "${shownUrl}"`, reason);
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
