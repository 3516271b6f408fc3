import { resolve } from "@std/path/posix/resolve";
import { Variable } from "../../environment/variables.ts";
import { getDefault } from "../../options/options.ts";
import {
  createStageTimer,
  type FillDirectory,
  type GitOptions,
  type SourceContext,
  sourceError,
} from "../source.ts";
import { createRetry, gitReason, type Retry } from "./run_git.ts";
import {
  fetchCommit,
  type FetchCommitOptions,
  fetchFrom,
  type FoundCommit,
} from "./fetch.ts";
import { configText } from "./git_config.ts";
import { lfsFailure, type LfsMode, lfsSettings } from "./lfs.ts";
import { checkGitRef, gitRefProblem, isFullCommitId } from "./ref.ts";
import {
  guessObjectFormat,
  type Repository,
  repositoryAt,
  resolveCommit,
} from "./repository.ts";
import { type GitUrl, resolveGitUrl } from "./url.ts";

/** Options whose defaults have been applied. */
type WithDefaults = "fetchDepth" | "submodules" | "lfs";

/** A validated source. */
interface GitSource
  extends
    Omit<GitOptions, WithDefaults>,
    Required<Pick<GitOptions, WithDefaults>> {
  readonly url: GitUrl;
  /** Ref to check out; `undefined` for the default branch. */
  readonly ref: string | undefined;
}

/**
 * Validates a git URL, ref and options. Nothing runs yet.
 *
 * @param url URL, scp-like address such as `host:path`, or local path.
 * @param ref Branch, tag, commit ID or full ref name; the default branch if
 * empty.
 * @returns Function that checks out a branch by name, and everything else with
 * a detached `HEAD`.
 * @throws {RunnerError} With code `source-failed`, if an argument is invalid.
 * The returned function throws the same if git fails.
 */
export function gitSource(
  url: string,
  ref: string | undefined,
  context: SourceContext,
  options: GitOptions = {},
): FillDirectory {
  const location = resolveGitUrl(url, context.cwd);
  if (ref) checkGitRef(ref);
  checkGitOptions(options);
  const {
    fetchDepth = Number(getDefault("fetch_depth")),
    submodules = getDefault("submodules"),
    lfs = getDefault("git_lfs"),
  } = options;
  const source = {
    ...options,
    fetchDepth,
    submodules,
    lfs,
    mirror: options.mirror && resolve(context.cwd, options.mirror),
    url: location,
    ref: ref || undefined,
  };
  return async (target) => {
    if (location.isPath) await checkDirectory(url, location);
    return await cloneInto(source, target, context);
  };
}

/** A path such as `example.com/repository`, which lacks the scheme of a URL. */
const HOST_AND_PATH = /^[\w-]+(?:\.[\w-]+)+\/./;

/**
 * Reports a missing repository on this machine, which git calls "not a
 * repository".
 */
async function checkDirectory(
  path: string,
  { href, shown }: GitUrl,
): Promise<void> {
  try {
    await Deno.stat(href);
  } catch (cause) {
    // Git reports all other reasons itself.
    if (!(cause instanceof Deno.errors.NotFound)) return;
    const hint = HOST_AND_PATH.test(path)
      ? "; a URL starts with a scheme, such as https://"
      : "";
    throw sourceError(
      `clone ${JSON.stringify(shown)}`,
      `no such file or directory${hint}`,
      cause,
    );
  }
}

/** Filters whose objects can be fetched later. */
const FILTER = /^(?:blob:none|blob:limit=\d+[kmg]?|tree:\d+)$/;

/**
 * Rejects values that git could misinterpret.
 *
 * @throws {RunnerError} With code `source-failed`, if the filter is unknown or
 * a path leads out of the tree.
 */
function checkGitOptions(options: GitOptions): void {
  const { filter, sparsePaths = [] } = options;
  if (filter !== undefined && !FILTER.test(filter)) {
    throw sourceError(
      `fetch with the filter ${JSON.stringify(filter)}`,
      "it is not blob:none, blob:limit=SIZE or tree:DEPTH",
    );
  }
  for (const path of sparsePaths) {
    const problem = pathProblem(path);
    if (problem !== undefined) {
      throw sourceError(`check out the path ${JSON.stringify(path)}`, problem);
    }
  }
}

function pathProblem(path: string): string | undefined {
  if (path.startsWith("-")) return 'it starts with "-"';
  if (path.startsWith("/")) return "it is absolute";
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f"\\]/.test(path)) {
    return "it contains a quote, a backslash or a control character";
  }
  return path.split("/").includes("..") ? 'it contains ".."' : undefined;
}

async function cloneInto(
  source: GitSource,
  target: string,
  context: SourceContext,
): Promise<string> {
  const { url, ref, fetchDepth: depth, submodules, lfs } = source;
  const { log } = context;
  const start = performance.now();
  log.info("source", "Cloning", {
    url: url.shown,
    ref: ref ?? "default branch",
  });
  const stage = createStageTimer(context);
  const repository = repositoryAt({ path: target }, url, {
    ...context,
    // The workspace does not outlive the machine, so it need not wait
    // for the disk.
    config: [["core.fsync", "none"]],
  });
  const retry = createRetry(url.href, context, source.retry);
  await stage("init", () => repository.make(guessObjectFormat(ref)));
  const found = await stage(
    "fetch",
    () => fetchSource(source, repository, retry, context),
  );
  // An abbreviated ID was resolved with all branches and tags.
  if (depth > 0 && !found.isAbbreviated) await recordDepth(repository, depth);
  if (depth > 0 && ref !== undefined && isFullCommitId(ref)) {
    await fetchEventTag(repository, depth, retry, context);
  }
  const commit = await stage(
    "checkout",
    () => checkOut(repository, { ...source, ...found, retry }),
  );
  if (submodules !== "off") {
    const { updateSubmodules } = await import("./submodules.ts");
    const options = { fetchDepth: depth, submodules, lfs };
    await stage(
      "submodules",
      () => updateSubmodules(repository, options, retry, context),
    );
  }
  if (ref !== undefined && source.pullRequestBase !== false) {
    const isPullRequest = [
      ...[Variable.baseUrl, Variable.diffBase, Variable.prNumber],
    ].some((name) => context.env[name]);
    if (isPullRequest) {
      const { fetchBase } = await import("./pull_request_base.ts");
      const request = { found, commit, depth };
      await stage(
        "base",
        () => fetchBase(repository, request, retry, context),
      );
    }
  }
  context.measure?.bytes(await objectBytes(repository));
  log.info("source", "Checked out", {
    commit,
    ms: Math.round(performance.now() - start),
  });
  return commit;
}

/**
 * Measures the objects of a repository. A new one has few files: packs, and at
 * most a hundred objects that git unpacked.
 */
async function objectBytes({ gitDirectory }: Repository): Promise<number> {
  let total = 0;
  const visit = async (directory: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(directory)) {
      const path = `${directory}/${name}`;
      if (isDirectory) await visit(path);
      else total += (await Deno.lstat(path)).size;
    }
  };
  try {
    await visit(`${gitDirectory}/objects`);
  } catch {
    // Git may be packing them; the source is complete all the same.
  }
  return total;
}

/**
 * For a pushed tag, the coordinator passes the commit, but jobs expect the tag.
 */
async function fetchEventTag(
  repository: Repository,
  depth: number,
  retry: Retry,
  { env }: SourceContext,
): Promise<void> {
  const tag = env[Variable.branch]?.replace(/^refs\/tags\//, "");
  if (env[Variable.eventType] !== "tag_created" || !tag) return;
  const name = `refs/tags/${tag}`;
  if (gitRefProblem(tag) !== undefined) return;
  const refspecs = [`+${name}:${name}`];
  // If the tag has been deleted, the commit still exists.
  await fetchFrom(
    repository,
    { remote: "origin", refspecs, depth, filter: undefined },
    retry,
  );
}

/**
 * Records the depth, because nothing else in a shallow clone shows that tags
 * are missing.
 */
async function recordDepth(
  { gitDirectory }: Repository,
  depth: number,
): Promise<void> {
  const text = `[runnerlib]\n\tfetchDepth = ${depth}\n`;
  await Deno.writeTextFile(`${gitDirectory}/config`, text, { append: true });
}

async function fetchSource(
  { ref, fetchDepth: depth, filter, mirror }: GitSource,
  repository: Repository,
  retry: Retry,
  context: SourceContext,
): Promise<FoundCommit> {
  const options: FetchCommitOptions = {
    depth,
    everything: depth === 0,
    filter,
    pullRequest: context.env[Variable.prNumber],
    retry,
  };
  if (mirror === undefined) {
    return await fetchCommit(repository, ref, options);
  }
  const { fetchThroughMirror } = await import("./mirror.ts");
  return await fetchThroughMirror(mirror, repository, ref, options, context);
}

/** Options for {@linkcode checkOut}. */
interface CheckOutRequest extends FoundCommit {
  /** Ref that the user requested. */
  readonly ref: string | undefined;
  /**
   * Directories to check out.
   *
   * @default {all of them}
   */
  readonly sparsePaths?: readonly string[];
  /** Whether to fetch Git LFS files. */
  readonly lfs: LfsMode;
  /** Retries commands that connect to the server. */
  readonly retry: Retry;
}

/**
 * Checks out a commit and verifies `HEAD`.
 *
 * Like in a clone, a branch is checked out by name and tracks the branch of
 * `origin`. For a tag or a commit, `HEAD` is detached.
 *
 * @returns ID of the commit.
 * @throws {RunnerError} With code `source-failed`, if git fails.
 */
async function checkOut(
  repository: Repository,
  request: CheckOutRequest,
): Promise<string> {
  const { git, url, gitDirectory } = repository;
  const { id, ref = "HEAD", sparsePaths, lfs, retry } = request;
  const branch = branchToCheckOut(request);
  const action = `check out "${ref}" of "${url.shown}"`;
  // In a partial clone, git fetches missing files now.
  const run = async (
    args: readonly string[],
    variables?: Readonly<Record<string, string>>,
  ) => {
    const result = await retry(() => git(args, variables));
    if (result.exitCode === 0) return;
    const failure = lfsFailure(result);
    if (failure !== undefined) {
      const action = `fetch the Git LFS files of "${url.shown}"`;
      throw sourceError(action, gitReason(failure, url.href));
    }
    const isCommit = await resolveCommit(repository, id) !== undefined;
    throw sourceError(
      action,
      isCommit ? gitReason(result, url.href) : "it does not name a commit",
    );
  };
  if (sparsePaths !== undefined) {
    await run(["sparse-checkout", "set", "--cone", ...sparsePaths]);
  }
  const { options, variables } = lfsSettings(lfs);
  await run([
    ...[...options, "checkout", "--quiet", "--force"],
    ...branch === undefined
      ? ["--detach", id]
      : ["-B", branch, "--no-track", id],
    "--",
  ], variables);
  if (branch !== undefined) await writeUpstream(repository, branch);
  await writeDefaultBranch(repository, request);
  const file = branch === undefined ? "HEAD" : `refs/heads/${branch}`;
  const head = (await Deno.readTextFile(`${gitDirectory}/${file}`)).trim();
  // This call is needed only if `id` is that of a tag.
  if (head !== id && head !== await resolveCommit(repository, id)) {
    throw sourceError(action, `git left HEAD at ${head}`);
  }
  return head;
}

/**
 * Returns the branch to check out. Git rejects some names that servers accept.
 */
function branchToCheckOut({ name }: FoundCommit): string | undefined {
  const [, branch] = /^refs\/heads\/(.+)$/.exec(name ?? "") ?? [];
  return branch === undefined || /^(?:-.*|@|HEAD)$/.test(branch)
    ? undefined
    : branch;
}

/**
 * Written directly, it does not depend on other remotes in the user's
 * configuration.
 */
async function writeUpstream(
  { gitDirectory }: Repository,
  branch: string,
): Promise<void> {
  const text = configText([
    [`branch.${branch}.remote`, "origin"],
    [`branch.${branch}.merge`, `refs/heads/${branch}`],
  ]);
  await Deno.writeTextFile(`${gitDirectory}/config`, text, { append: true });
}

/** Like in a clone, `origin/HEAD` points to the default branch. */
async function writeDefaultBranch(
  { gitDirectory }: Repository,
  { defaultBranch }: FoundCommit,
): Promise<void> {
  const [, branch] = /^refs\/heads\/(.+)$/.exec(defaultBranch ?? "") ?? [];
  if (branch === undefined || branch === "HEAD") return;
  await Deno.writeTextFile(
    `${gitDirectory}/refs/remotes/origin/HEAD`,
    `ref: refs/remotes/origin/${branch}\n`,
  );
}
