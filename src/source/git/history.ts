import { Variable } from "../../environment/variables.ts";
import { readUntrusted } from "../../fs/untrusted_file.ts";
import {
  CAPTURE_LIMIT_BYTES,
  type CaptureResult,
} from "../../process/capture.ts";
import type { Retry } from "./run_git.ts";
import { fetchFrom } from "./fetch.ts";
import type { Repository } from "./repository.ts";

/** How to fetch the full history, for messages. */
export const WHOLE_HISTORY_OPTION =
  `--fetch-depth 0, or ${Variable.fetchDepth}=0, fetches all of it`;

/** Depths to try, in this order. */
const DEPTHS = [16, 128, 1_024, 8_192];

/** Runs git on a repository. */
type Git = (args: readonly string[]) => Promise<CaptureResult>;

/** A repository that may lack part of its history. */
export interface PartialHistory {
  /** Absolute path of the repository. */
  readonly gitDirectory: string;
  readonly git: Git;
}

/**
 * Reads the boundary of a shallow history.
 *
 * @returns IDs of the commits whose parents were not fetched.
 */
export async function shallowBoundary(
  gitDirectory: string,
): Promise<ReadonlySet<string>> {
  const text = await Deno.readTextFile(`${gitDirectory}/shallow`)
    .catch(() => "");
  return new Set(text.split("\n").filter(Boolean));
}

/**
 * Checks whether a shallow repository has all commits between two commits, so
 * that `git log A..B`, `git diff A...B` and `git merge-base A B` give the same
 * results as in a full clone. This requires two conditions:
 *
 * 1. No commit that only one side has is on the boundary, because its missing
 *    ancestors could belong to that side as well.
 * 2. If a boundary commit is shared by both sides, its missing ancestors could
 *    include commits that seem to belong to one side. A commit cannot be among
 *    them if it descends from the boundary, as all descendants of the merge
 *    base do, or if it is newer. Git itself assumes that no commit is older
 *    than its parents.
 *
 * @param one ID of a commit in the repository.
 * @param other ID of another commit in the repository.
 */
export async function isHistoryBetweenKnown(
  history: PartialHistory,
  one: string,
  other: string,
): Promise<boolean> {
  const { git } = history;
  const ends = await shallowBoundary(history.gitDirectory);
  if (ends.size === 0) return true;
  const listed = await git([
    ...["rev-list", "--parents", "--timestamp", "--topo-order", "--reverse"],
    ...["--end-of-options", `${one}...${other}`, "--"],
  ]);
  if (listed.exitCode !== 0 || isTruncated(listed)) return false;
  const commits = listed.stdout.split("\n").slice(0, -1).map((line) => {
    const [time, id, ...parents] = line.split(" ");
    return { time: Number(time), id, parents };
  });
  if (commits.some(({ id }) => ends.has(id))) return false;
  const bases = (await git(["merge-base", "--all", one, other])).stdout
    .split("\n").slice(0, -1);
  // Without a common ancestor, both histories are complete.
  if (bases.length === 0) return true;
  const doubtful = new Set(bases.length > 1 ? bases : []);
  for (const base of bases) {
    const descendants = new Set([base]);
    for (const { id, parents } of commits) {
      if (parents.some((parent) => descendants.has(parent))) {
        descendants.add(id);
      } else doubtful.add(id);
    }
  }
  if (doubtful.size === 0) return true;
  const shared = await git(["rev-list", "--timestamp", ...bases, "--"]);
  if (shared.exitCode !== 0 || isTruncated(shared)) return false;
  let newestEnd = -Infinity;
  for (const line of shared.stdout.split("\n").slice(0, -1)) {
    const [time, id] = line.split(" ");
    if (ends.has(id)) newestEnd = Math.max(newestEnd, Number(time));
  }
  const times = new Map(commits.map(({ id, time }) => [id, time]));
  // One merge base may be an ancestor of another one.
  return newestEnd === -Infinity ||
    [...doubtful].every((id) => (times.get(id) ?? -Infinity) > newestEnd);
}

function isTruncated({ stdout }: CaptureResult): boolean {
  return stdout.length >= CAPTURE_LIMIT_BYTES;
}

/**
 * Deepens a history until enough is known, or the server has no more commits.
 *
 * @param depth Number of commits fetched so far.
 * @param fetch Fetches the given number of commits of each side.
 * @param isEnough Checks whether enough is known.
 * @returns Whether enough is known now.
 */
export async function deepen(
  gitDirectory: string,
  depth: number,
  fetch: (depth: number) => Promise<void>,
  isEnough: () => Promise<boolean>,
): Promise<boolean> {
  let before: string | undefined;
  const larger = DEPTHS.filter((next) => next > depth);
  for (const next of larger.length === 0 ? [depth] : larger) {
    await fetch(next);
    if (await isEnough()) return true;
    const ends = [...await shallowBoundary(gitDirectory)].sort().join();
    if (ends === before) return false;
    before = ends;
  }
  return false;
}

/**
 * Creates a function that fetches the first list of refspecs that the server
 * serves, and returns why it refused the list before. Later calls continue with
 * the same list.
 *
 * @param lists Lists of refspecs, best first. Without any, nothing is fetched.
 * @returns Function that fetches the given number of commits, or all for 0.
 */
export function createFetcher(
  repository: Repository,
  remote: string,
  retry: Retry,
  lists: readonly (readonly (string | undefined)[])[],
): (depth: number) => Promise<string | undefined> {
  let left = lists
    .map((list) => list.filter((refspec) => refspec !== undefined))
    .filter((list) => list.length > 0);
  return async (depth) => {
    let reason: string | undefined;
    for (const [index, refspecs] of left.entries()) {
      const request = { remote, refspecs, depth, filter: undefined };
      const outcome = await fetchFrom(repository, request, retry);
      if (outcome.isFetched) {
        left = left.slice(index);
        return reason;
      }
      reason = outcome.reason;
      if (outcome.failure !== "missing") break;
    }
    if (reason !== undefined) throw new Error(reason);
    return undefined;
  };
}

/** Maximum size of a configuration file, in bytes. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/** Marks a clone that has only one branch or tag. */
const NARROW = /^\[runnerlib\]\s+fetchDepth = [1-9]/m;

/** Hint for failures that a shallow history can cause. */
export const MISSING_HISTORY =
  `Only part of the history, branches and tags was fetched, which may be why git failed; ${WHOLE_HISTORY_OPTION}`;

/** Messages of git about missing revisions, tags and ancestors. */
const GIT_MESSAGES = [
  "unknown revision",
  "bad (?:default )?revision",
  "bad object",
  "cannot describe",
  "no names found",
  "no (?:annotated )?tags? (?:can describe|exactly matches)",
  "malformed object name",
  "not a valid (?:object|commit|branch) name",
  "(?:reference is )?not a tree",
  "invalid (?:reference|upstream|object name|revision range|symmetric difference)",
  "needed a single revision",
  "no merge base",
  "refusing to merge unrelated histories",
  "did not match any file\\(s\\) known to git",
  "is not a commit",
  "not a commit object",
  "could not (?:parse|resolve (?!host)|read (?!username|password|from remote))",
  "unable to (?:read|find) (?:tree|object|[0-9a-f]{7})",
  "failed to traverse parents",
  "revision walk setup failed",
  "no such (?:ref|branch|tag|commit)",
  "(?:tag|branch) '.{1,200}' not found",
  "src refspec .{1,200} does not match any",
];

/** Messages of git without a prefix, and of programs that call git. */
const OTHER_MESSAGES = [
  "not something we can merge",
  "bad rev input",
  "shallow (?:clone|repository|checkout|update not allowed|fetch|copy)",
  "is shallow and may cause errors",
  "(?:find|determine|get) (?:a |the )?merge[- ]base",
  "merge[- ]base not found",
  "fetch-depth",
  "git history is incomplete",
];

const MESSAGE = new RegExp(
  `(?:fatal|error): .{0,400}?(?:${GIT_MESSAGES.join("|")})|${
    OTHER_MESSAGES.join("|")
  }`,
  "i",
);

/**
 * Checks whether a clone lacks part of its history, or branches and tags.
 *
 * @param path Absolute path of its work tree.
 */
export async function isPartial(path: string): Promise<boolean> {
  const git = `${path}/.git`;
  try {
    const config = await readUntrusted(`${git}/config`, {
      maxBytes: MAX_CONFIG_BYTES,
    });
    return NARROW.test(new TextDecoder().decode(config)) ||
      (await shallowBoundary(git)).size > 0;
  } catch {
    // It is not a clone.
    return false;
  }
}

/**
 * Checks whether the output of git, or of a program that calls it, reports a
 * missing revision, tag or common ancestor.
 *
 * @param lines Output of a failed command.
 */
export function missesHistory(lines: readonly string[]): boolean {
  return lines.some((line) => MESSAGE.test(line));
}
