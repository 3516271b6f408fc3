import { sourceError } from "../source.ts";
import {
  type FetchFailure,
  fetchFailure,
  gitReason,
  type Retry,
  serverFormat,
} from "./run_git.ts";
import {
  gitRefProblem,
  isFullCommitId,
  localNames,
  remoteNames,
  trackingName,
} from "./ref.ts";
import { type Repository, resolveCommit } from "./repository.ts";

/** Options for {@linkcode fetchCommit}. */
export interface FetchCommitOptions {
  /** Number of commits to fetch from the history; 0 for all. */
  readonly depth: number;
  /** Whether to fetch all branches and tags as well. */
  readonly everything: boolean;
  /** Filter of a partial clone. */
  readonly filter?: string;
  /** Number of the pull request that contains the commit. */
  readonly pullRequest?: string;
  /** Retries commands that connect to the server. */
  readonly retry: Retry;
  /**
   * Name of the remote.
   *
   * @default {"origin"}
   */
  readonly remote?: string;
  /**
   * Returns the local name of a fetched ref.
   *
   * @default {trackingName}
   */
  readonly nameHere?: typeof trackingName;
}

/** A commit that was fetched. */
export interface FoundCommit {
  /** ID of the commit, or of a tag that points to it. */
  readonly id: string;
  /** Name on the remote; `undefined` if it was found by an abbreviated ID. */
  readonly name?: string;
  /** Full name of the remote's default branch, if it was needed. */
  readonly defaultBranch?: string;
  /**
   * Whether it was found by an abbreviated ID.
   *
   * @default {false}
   */
  readonly isAbbreviated?: boolean;
}

/** Refspecs of all branches and tags. */
const EVERYTHING = [
  "+refs/heads/*:refs/remotes/origin/*",
  "+refs/tags/*:refs/tags/*",
];

/** Namespaces of pull requests on common hosts. */
const PULL_REQUEST_FOLDERS = ["pull", "merge-requests"];

/**
 * Fetches a commit in the fastest way that the server supports, and resolves
 * its ref. A file with the name of the ref does not interfere.
 *
 * If the server does not serve a commit by ID, it is searched in the job's pull
 * request, then in the history of all branches and tags.
 *
 * @param ref Validated ref; `undefined` for the default branch.
 * @throws {RunnerError} With code `source-failed`, if the ref does not exist.
 */
export async function fetchCommit(
  repository: Repository,
  ref: string | undefined,
  options: FetchCommitOptions,
): Promise<FoundCommit> {
  const isDefault = ref === undefined || ref === "HEAD";
  const branch = isDefault || options.everything
    ? await findDefaultBranch(repository, options.retry)
    : undefined;
  const name = isDefault ? branch ?? "HEAD" : ref;
  const search: Search = { ...options, repository, ref: name };
  const found = options.everything ? await fetchEverything(search) : undefined;
  const commit = found ?? await fetchByName(search) ??
    await fetchFromHistory(search) ?? throwNotFound(search);
  return branch === undefined ? commit : { ...commit, defaultBranch: branch };
}

/** State of the search for a commit. */
interface Search extends FetchCommitOptions {
  readonly repository: Repository;
  readonly ref: string;
  /** Why the server did not serve the commit, unless it does not have it. */
  refusal?: string;
}

async function fetchEverything(
  search: Search,
): Promise<FoundCommit | undefined> {
  const refspecs = search.ref === "HEAD"
    ? [...EVERYTHING, "+HEAD:refs/remotes/origin/HEAD"]
    : EVERYTHING;
  const outcome = await fetchRefspecs({ ...search, depth: 0 }, refspecs);
  if (!outcome.isFetched && outcome.failure !== "missing") {
    search.refusal = outcome.reason;
  }
  for (const name of localNames(search.ref)) {
    const id = await resolveCommit(search.repository, name);
    if (id !== undefined) return describeFound(id, name);
  }
  return undefined;
}

async function fetchByName(search: Search): Promise<FoundCommit | undefined> {
  const { repository, ref, nameHere = trackingName } = search;
  for (const name of remoteNames(ref)) {
    const here = nameHere(name);
    const outcome = await fetchRefspecs(search, [
      // The plus sign is ours, so a plus sign in the ref is part of its name.
      here === undefined ? `+${name}` : `+${name}:${here}`,
    ]);
    if (outcome.isFetched) {
      // A commit fetched by ID has this ID, regardless of what the server says.
      const id = isFullCommitId(name) ? name : await readFetchedId(repository);
      return { id, name };
    }
    if (outcome.failure !== "missing") {
      search.refusal = outcome.reason;
      return undefined;
    }
  }
  return undefined;
}

async function readFetchedId({ gitDirectory }: Repository): Promise<string> {
  const text = await Deno.readTextFile(`${gitDirectory}/FETCH_HEAD`);
  return text.split("\t", 1)[0];
}

/** Searches the history for an ID that could not be fetched directly. */
async function fetchFromHistory(
  search: Search,
): Promise<FoundCommit | undefined> {
  const { repository, ref, pullRequest = "", everything } = search;
  if (!/^[0-9a-f]{4,64}$/i.test(ref)) return undefined;
  if (/^\d+$/.test(pullRequest)) {
    for (const folder of PULL_REQUEST_FOLDERS) {
      const name = `refs/${folder}/${pullRequest}/head`;
      await fetchRefspecs({ ...search, depth: 0 }, [
        `+${name}:refs/remotes/origin/pr-head`,
      ]);
      const id = await resolveCommit(repository, ref);
      if (id !== undefined) return describeFound(id, ref);
    }
  }
  return everything ? undefined : await fetchEverything(search);
}

/** Describes a commit by its local name. */
function describeFound(id: string, name: string): FoundCommit {
  if (name.startsWith("refs/")) {
    return {
      id,
      name: name.replace(/^refs\/remotes\/origin\//, "refs/heads/"),
    };
  }
  return isFullCommitId(name) ? { id } : { id, isAbbreviated: true };
}

function fetchRefspecs(
  { repository, remote = "origin", depth, filter, retry }: Search,
  refspecs: readonly string[],
): Promise<FetchOutcome> {
  const request = { remote, refspecs, depth, filter };
  return fetchFrom(repository, request, retry);
}

function throwNotFound({ repository, ref, refusal }: Search): never {
  const what = isFullCommitId(ref) ? "commit" : "branch or tag";
  const absence = ref === "HEAD"
    ? "it does not name a commit"
    : `the repository has no such ${what}`;
  throw sourceError(
    `check out "${ref}" of "${repository.url.shown}"`,
    refusal ?? absence,
  );
}

/** Options for {@linkcode fetchFrom}. */
export interface FetchRequest {
  /** Name or URL of the remote. */
  readonly remote: string;
  /** Refs to fetch, and their local names. */
  readonly refspecs: readonly string[];
  /** Number of commits to fetch from the history; 0 for all. */
  readonly depth: number;
  /** Filter of a partial clone. */
  readonly filter: string | undefined;
}

/** Result of {@linkcode fetchFrom}. */
export type FetchOutcome =
  | {
    readonly isFetched: true;
    /** Standard output of git. */
    readonly stdout: string;
  }
  | {
    readonly isFetched: false;
    /** Kind of the failure; all other failures are thrown. */
    readonly failure: Extract<FetchFailure, "missing" | "dropped" | "refused">;
    /** Message of git. */
    readonly reason: string;
  };

/**
 * Fetches as requested; if the server refuses, without the filter, then with
 * the full history.
 *
 * @throws {RunnerError} With code `source-failed`, if the server cannot be
 * reached or denies access.
 */
export async function fetchFrom(
  repository: Repository,
  request: FetchRequest,
  retry: Retry,
): Promise<FetchOutcome> {
  let outcome: FetchOutcome | undefined;
  for (const { depth, filter } of fetchVariants(request)) {
    const isPlain = request.filter !== undefined && filter === undefined;
    const args = [
      "fetch",
      "--quiet",
      "--no-tags",
      "--no-recurse-submodules",
      // Git must write only the refs named here.
      "--refmap=",
      depth > 0 ? `--depth=${depth}` : "--update-shallow",
      ...filter === undefined ? [] : [`--filter=${filter}`],
      ...isPlain ? ["--no-filter"] : [],
      // A branch may have the name of a directory of deleted branches.
      ...request.refspecs.some((refspec) => refspec.includes("*"))
        ? ["--prune"]
        : [],
      "--end-of-options",
      request.remote,
      ...request.refspecs,
    ];
    outcome = await connect(repository, args, retry);
    if (outcome.isFetched && isPlain) await removeFilter(repository);
    if (outcome.isFetched || outcome.failure === "missing") return outcome;
  }
  return outcome!;
}

function fetchVariants(
  { depth, filter }: FetchRequest,
): Pick<FetchRequest, "depth" | "filter">[] {
  const variants = [{ depth, filter }];
  if (filter !== undefined) variants.push({ depth, filter: undefined });
  if (depth > 0) variants.push({ depth: 0, filter: undefined });
  return variants;
}

/**
 * Finds the default branch of the remote `origin`.
 *
 * @returns Full name of the branch; `undefined` if the remote has none.
 * @throws {RunnerError} With code `source-failed`, if the server cannot be
 * reached or denies access.
 */
async function findDefaultBranch(
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
  const { git, make, url } = repository;
  const attempt = () => retry(() => git(args));
  let result = await attempt();
  const format = result.exitCode === 0 ? undefined : serverFormat(result);
  if (format !== undefined) {
    // A fetch that failed like this has stored nothing, so nothing is lost.
    await make(format);
    result = await attempt();
  }
  if (result.exitCode === 0) return { isFetched: true, stdout: result.stdout };
  const failure = fetchFailure(result);
  const reason = gitReason(result, url.href);
  if (
    failure === "missing" || failure === "dropped" || failure === "refused"
  ) return { isFetched: false, failure, reason };
  throw sourceError(`clone "${url.shown}"`, reason);
}

/** Git stores the filter before it knows whether the server supports it. */
async function removeFilter({ git }: Repository): Promise<void> {
  for (
    const key of [
      "remote.origin.promisor",
      "remote.origin.partialCloneFilter",
      "extensions.partialClone",
    ]
  ) await git(["config", "--unset-all", key]);
}
