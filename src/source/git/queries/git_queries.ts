import { quoteWord } from "../../../command_text.ts";
import { childEnvironment } from "../../../environment/child_environment.ts";
import { Variable } from "../../../environment/variables.ts";
import { messageOf, RunnerError } from "../../../errors.ts";
import { processHost } from "../../../host.ts";
import { isInside } from "../../../job_path.ts";
import type { Logger } from "../../../output/logger.ts";
import { Cancellation, onAbort } from "../../../process/cancellation.ts";
import { CAPTURE_LIMIT_BYTES } from "../../../process/capture.ts";
import { openWorkspace } from "../../../workspace/layout.ts";
import { sourceError } from "../../source.ts";
import { type ConfigEntry, configText } from "../git_config.ts";
import {
  createFetcher,
  deepen,
  isHistoryBetweenKnown,
  type PartialHistory,
  shallowBoundary,
  WHOLE_HISTORY_OPTION,
} from "../history.ts";
import { isFullCommitId, remoteNames, trackingName } from "../ref.ts";
import { repositoryAt } from "../repository.ts";
import { allowedProtocols, createRetry } from "../run_git.ts";
import { type GitUrl, resolveGitUrl } from "../url.ts";
import { type GitInfo, gitInfo } from "./git_info.ts";
import {
  completeOutput,
  type GitQuery,
  type GitQueryOptions,
  missingHistory,
  MissingHistoryError,
  openQuery,
  queryDirectory,
  resolveRevision,
} from "./open_query.ts";

/**
 * Variables with programs and settings of the user, which a step may have
 * changed.
 */
const PROGRAMS =
  /^GIT_(?:ASKPASS|SSH|SSH_COMMAND|PROXY_COMMAND|CONFIG_GLOBAL)$/;

const SILENT: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  flush: () => Promise.resolve(),
};

/**
 * Queries of a git repository. They never run or follow anything that the
 * repository configures.
 */
export interface Git {
  /**
   * Lists the files that differ between two revisions; a renamed file with both
   * names. An empty list means that nothing differs: if history is missing, an
   * error is thrown instead.
   *
   * @param base Revision to compare with. @default {"HEAD^"}
   * @param options Additional options.
   * @returns Paths relative to the top of the repository.
   * @throws {RunnerError} `source-failed`, if a revision or the history between
   * the two was not fetched.
   */
  changedFiles(base?: string, options?: ChangedFilesOptions): Promise<string[]>;
  /**
   * Lists the commits that one revision has and another one does not, newest
   * first.
   *
   * @param base Revision whose commits are excluded.
   * @param options Additional options.
   * @returns The commits.
   * @throws {RunnerError} `source-failed`, if a revision or part of the history
   * was not fetched.
   */
  commitsBetween(
    base: string,
    options?: CommitsBetweenOptions,
  ): Promise<CommitInfo[]>;
  /**
   * Reads a file at a revision.
   *
   * @param ref Revision.
   * @param path Path relative to the top of the repository.
   * @param options Additional options.
   * @returns Text of the file, or the target of a symbolic link; `undefined` if
   * the revision has no such file.
   * @throws {RunnerError} `source-failed`, if the revision was not fetched or
   * the file is larger than 16 MiB.
   */
  fileAtRef(
    ref: string,
    path: string,
    options?: FileAtRefOptions,
  ): Promise<string | undefined>;
  /**
   * Describes the current checkout.
   *
   * @param options Additional options.
   * @returns The checkout; every field is `null` outside a repository.
   * @throws {RunnerError} `source-failed`, if git is not installed.
   */
  info(options?: GitQueryOptions): Promise<GitInfo>;
}

/**
 * Queries of a git repository.
 *
 * @example Build the documentation only if it changed
 * ```ts
 * import { git } from "@reactorcide/runnerlib";
 * import { assertEquals } from "@std/assert";
 *
 * const files = await git.changedFiles("origin/main", { directory: "/nowhere" })
 *   .catch(() => undefined);
 *
 * // Build it as well if it is unknown what changed.
 * const isBuilt = files?.some((file) => file.startsWith("docs/")) ?? true;
 * assertEquals(isBuilt, true);
 * ```
 */
export const git: Git = {
  changedFiles,
  commitsBetween,
  fileAtRef,
  info: gitInfo,
};

/** Options for {@linkcode changedFiles}. */
export interface ChangedFilesOptions extends GitQueryOptions {
  /**
   * Revision to compare with the base.
   *
   * @default {"HEAD"}
   */
  head?: string;
  /**
   * Whether to compare with the merge base, which excludes later changes of the
   * base branch.
   *
   * @default {true}
   */
  mergeBase?: boolean;
}

/** Implements {@linkcode Git.changedFiles}. */
export async function changedFiles(
  base = "HEAD^",
  options: ChangedFilesOptions = {},
): Promise<string[]> {
  const { head = "HEAD", mergeBase = true } = options;
  using query = await openQuery(options);
  const action = `compare "${base}" with "${head}"`;
  const [from, to] = await withHistory(
    query,
    options,
    [head, base],
    async () => {
      const to = await resolveRevision(query, head);
      const from = await resolveRevision(query, base);
      return mergeBase
        ? [await findCommonCommit(query, from, to, action), to]
        : [from, to];
    },
  );
  const result = await query.git(
    ...["diff-tree", "-r", "-z", "--name-only", "--no-renames"],
    // A submodule's own configuration could hide it.
    ...["--no-ext-diff", "--ignore-submodules=none"],
    from,
    to,
  );
  const names = completeOutput(result, action);
  return names.split("\0").slice(0, -1);
}

async function findCommonCommit(
  query: GitQuery,
  base: string,
  head: string,
  action: string,
): Promise<string> {
  const { exitCode, stdout } = await query.git("merge-base", base, head);
  const isKnown = await isHistoryBetweenKnown(
    partialHistory(query),
    base,
    head,
  );
  if (exitCode === 0 && isKnown) return stdout.trim();
  throw missingHistory(
    action,
    "their common ancestor was not fetched",
  );
}

/** Options for {@linkcode commitsBetween}. */
export interface CommitsBetweenOptions extends GitQueryOptions {
  /**
   * Revision whose commits are listed.
   *
   * @default {"HEAD"}
   */
  head?: string;
}

/** A commit that {@linkcode commitsBetween} lists. */
export interface CommitInfo {
  /** ID of the commit. */
  readonly id: string;
  /** IDs of the parents; a merge has several. */
  readonly parents: readonly string[];
  /** Name of the author. */
  readonly author: string;
  /** Email address of the author. */
  readonly email: string;
  /** Time of the commit, in milliseconds since 1970. */
  readonly committedAt: number;
  /** First line of the message. */
  readonly subject: string;
}

/** Implements {@linkcode Git.commitsBetween}. */
async function commitsBetween(
  base: string,
  options: CommitsBetweenOptions = {},
): Promise<CommitInfo[]> {
  const { head = "HEAD" } = options;
  using query = await openQuery(options);
  const action = `list the commits from "${base}" to "${head}"`;
  const [from, to] = await withHistory(
    query,
    options,
    [head, base],
    async () => {
      const from = await resolveRevision(query, base);
      const to = await resolveRevision(query, head);
      if (await isHistoryBetweenKnown(partialHistory(query), from, to)) {
        return [from, to];
      }
      throw missingHistory(action, "part of the history was not fetched");
    },
  );
  const result = await query.git(
    ...["log", "-z", "--no-show-signature", "--encoding=UTF-8", "--no-mailmap"],
    ...["--format=%H%n%P%n%an%n%ae%n%ct%n%s", `^${from}`, to, "--"],
  );
  return completeOutput(result, action).split("\0")
    .filter((text) => text !== "").map(readCommit);
}

function readCommit(text: string): CommitInfo {
  const [id, parents, author, email, time, ...subject] = text.split("\n");
  return {
    id,
    parents: parents === "" ? [] : parents.split(" "),
    author,
    email,
    committedAt: Number(time) * 1_000,
    subject: subject.join("\n").trimEnd(),
  };
}

/** Options for {@linkcode fileAtRef}. */
export type FileAtRefOptions = GitQueryOptions;

/** Implements {@linkcode Git.fileAtRef}. */
async function fileAtRef(
  ref: string,
  path: string,
  options: FileAtRefOptions = {},
): Promise<string | undefined> {
  const action = `read ${JSON.stringify(path)} at "${ref}"`;
  if (path === "" || path.includes("\0")) {
    throw sourceError(action, "not a path");
  }
  using query = await openQuery(options);
  const commit = await withHistory(
    query,
    options,
    [ref],
    () => resolveRevision(query, ref),
  );
  const listed = await query.git(
    ...["--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, "--"],
    path.replace(/\/+$/, ""),
  );
  const [, type, id] =
    /^\d+ (\w+) ([0-9a-f]+)\t/.exec(completeOutput(listed, action)) ?? [];
  if (type !== "blob") return undefined;
  const size = await query.git("cat-file", "-s", id);
  if (size.exitCode !== 0) {
    throw sourceError(action, "its contents were not fetched");
  }
  if (Number(size.stdout) > CAPTURE_LIMIT_BYTES) {
    throw sourceError(action, "it is larger than 16 MiB");
  }
  return completeOutput(await query.git("cat-file", "blob", id), action);
}

/** Makes the history checks work on a query. */
function partialHistory(query: GitQuery): PartialHistory {
  return {
    gitDirectory: query.privatePath,
    git: (args) => query.git(...args),
  };
}

/**
 * Answers a query, and fetches more history if necessary.
 *
 * New commits are fetched into the private repository; the actual one does not
 * change. The URL is that of the job's source in the environment, never one
 * that the repository configures. Credentials come only from the environment;
 * settings of the user, and programs that they name, are ignored.
 *
 * @param revisions Revisions that the answer needs.
 * @param answer Computes the answer.
 * @throws {RunnerError} The error of `answer`; if history is missing, it names
 * the option that fetches all of it.
 */
async function withHistory<T>(
  query: GitQuery,
  options: GitQueryOptions,
  revisions: readonly string[],
  answer: () => Promise<T>,
): Promise<T> {
  const first = await attempt(answer);
  if ("value" in first) return first.value;
  const isNarrow = query.settings.some(([key]) =>
    key === "runnerlib.fetchdepth"
  );
  const isPartial = isNarrow ||
    (await shallowBoundary(query.privatePath)).size > 0;
  if (!isPartial) throw first.error;
  const answers: T[] = [];
  let reason = "";
  try {
    const url = findSourceUrl(query, options);
    if (url !== undefined) {
      await fetchMore(query, options, url, revisions, async () => {
        const next = await attempt(answer);
        if ("value" in next) answers.push(next.value);
        return "value" in next;
      });
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof Error)) throw error;
    reason = `; more history cannot be fetched: ${messageOf(error)}`;
  }
  if (answers.length > 0) return answers[0];
  const { message } = first.error;
  throw new RunnerError(`${message}${reason}; ${WHOLE_HISTORY_OPTION}`, {
    code: "source-failed",
  });
}

async function attempt<T>(
  answer: () => Promise<T>,
): Promise<{ readonly value: T } | { readonly error: MissingHistoryError }> {
  try {
    return { value: await answer() };
  } catch (error) {
    if (error instanceof MissingHistoryError) return { error };
    throw error;
  }
}

/**
 * Returns the URL of the source in the directory, if git needs no other program
 * to fetch it.
 */
function findSourceUrl(
  { path }: GitQuery,
  options: GitQueryOptions,
): GitUrl | undefined {
  const { cwd, env: processEnv } = processHost();
  const { env = processEnv } = options;
  const isCi = ["/job/ci", "/job/ci/base"].some((directory) =>
    path === queryDirectory({ env, directory })
  );
  const url = isCi
    ? env[Variable.ciSourceUrl]
    : path === queryDirectory({ env })
    ? env[Variable.sourceUrl]
    : undefined;
  if (!url) return undefined;
  const location = resolveGitUrl(url, cwd);
  return location.isLocal || /^(?:git|https?):/i.test(location.href)
    ? location
    : undefined;
}

async function fetchMore(
  query: GitQuery,
  options: GitQueryOptions,
  url: GitUrl,
  revisions: readonly string[],
  isEnough: () => Promise<boolean>,
): Promise<void> {
  const { privatePath, extensions, settings } = query;
  const { signal } = options;
  const cancellation = new Cancellation();
  using _ = signal && onAbort(signal, () => cancellation.cancel("SIGTERM"));
  const repository = repositoryAt(
    { path: privatePath, bare: true },
    url,
    { cancellation, ...createAccess(options) },
  );
  // No remote of the actual repository may replace this one.
  await Deno.writeTextFile(
    `${privatePath}/config`,
    configText([
      ...extensions,
      ...settings.filter(([key]) => !/^(?:remote|branch)\./.test(key)),
      ["remote.origin.url", repository.publicUrl],
      ["remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"],
    ]),
  );
  const retry = createRetry(url.href, { log: SILENT, cancellation }, {
    attempts: 1,
  });
  const fetches: ((depth: number) => Promise<unknown>)[] = [];
  for (const revision of revisions) {
    const lists = (await listRefNames(query, revision)).map((name) => [name]);
    fetches.push(createFetcher(repository, "origin", retry, lists));
  }
  await deepen(privatePath, 0, async (depth) => {
    for (const fetch of fetches) await fetch(depth);
  }, isEnough);
}

/**
 * Returns what to fetch for a revision: a known commit, or its possible names.
 */
async function listRefNames(
  query: GitQuery,
  revision: string,
): Promise<readonly string[]> {
  const [name = "HEAD"] = /^[^~^:@]+/.exec(revision) ?? [];
  for (const ref of [name, `refs/remotes/origin/${name}`]) {
    const { exitCode, stdout } = await query.git(
      ...["rev-parse", "--verify", "--quiet", "--end-of-options"],
      `${ref}^{commit}`,
    );
    if (exitCode === 0) return [stdout.trim()];
  }
  if (isFullCommitId(name)) return [name];
  return remoteNames(name).map((remote) =>
    `+${remote}:${trackingName(remote)}`
  );
}

/**
 * Returns the environment's credentials, without anything that a step may have
 * changed.
 */
function createAccess(options: GitQueryOptions) {
  const { cwd, env: processEnv } = processHost();
  const { env = processEnv } = options;
  const variables = Object.fromEntries(
    Object.entries(env).filter(([name]) => !PROGRAMS.test(name)),
  );
  const directory = env[Variable.vcsAuthDir];
  const config: ConfigEntry[] = [["core.commitGraph", "false"]];
  if (directory) {
    const path = isInside("/job", directory)
      ? openWorkspace({ cwd, env }).pathOf(directory)
      : directory;
    const file = quoteWord(`${path}/credentials`);
    config.push(
      ["credential.helper", `store --file=${file}`],
      ["credential.useHttpPath", "true"],
    );
  }
  return {
    env: childEnvironment(variables, { kind: "source-client" }),
    config,
    variables: {
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_NO_LAZY_FETCH: "1",
      GIT_ALLOW_PROTOCOL: allowedProtocols(env.GIT_ALLOW_PROTOCOL)
        .filter((protocol) => protocol !== "ssh").join(":"),
    },
  };
}
