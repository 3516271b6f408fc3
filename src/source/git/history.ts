import { Variable } from "../../environment/variables.ts";
import { readUntrusted } from "../../fs/read_untrusted.ts";
import {
  CAPTURE_LIMIT_BYTES,
  type CaptureResult,
} from "../../process/capture.ts";
import type { Retry } from "./failure.ts";
import { fetchFrom } from "./fetch.ts";
import type { Repository } from "./repository.ts";

/** Option that fetches all of the history, as messages name it. */
export const WHOLE_HISTORY_OPTION =
  `--fetch-depth 0, or ${Variable.fetchDepth}=0, fetches all of it`;

/** Numbers of commits that are fetched one after the other, until they suffice. */
const DEPTHS = [16, 128, 1_024, 8_192];

/** Runs git on a repository. */
type Git = (args: readonly string[]) => Promise<CaptureResult>;

/** A repository of which a part of the history may be missing. */
export interface PartialHistory {
  /** Absolute path of the repository. */
  readonly gitDirectory: string;
  /** Runs git on it. */
  readonly git: Git;
}

/**
 * Reads where a history is cut off.
 *
 * @param gitDirectory Absolute path of the repository.
 * @returns Ids of the commits without whose parents it was fetched.
 */
export async function endsOfHistory(
  gitDirectory: string,
): Promise<ReadonlySet<string>> {
  const text = await Deno.readTextFile(`${gitDirectory}/shallow`)
    .catch(() => "");
  return new Set(text.split("\n").filter(Boolean));
}

/**
 * Checks whether a shallow repository knows all that lies between two
 * commits: which commits belong to the history of one of them alone, and where
 * they have parted. Only then do `git log A..B`, `git diff A...B` and
 * `git merge-base A B` answer as in a whole clone.
 *
 * 1. None of the commits of one side alone may be an end of the history: what
 *    is behind it may belong to that side, too.
 * 2. An end that both sides share may hide that a commit of one side belongs to
 *    the other one as well: it may be behind the end. It is not if it descends
 *    from the end, as all do that descend from where the sides have parted, or
 *    if it is newer. Git, too, expects that no commit is older than its parents.
 *
 * @param history Repository, with what is cut off of it.
 * @param one Id of a commit that is there.
 * @param other Id of another one.
 * @returns Whether it does.
 */
export async function isHistoryBetweenKnown(
  history: PartialHistory,
  one: string,
  other: string,
): Promise<boolean> {
  const { git } = history;
  const ends = await endsOfHistory(history.gitDirectory);
  if (ends.size === 0) return true;
  const listed = await git([
    ...["rev-list", "--parents", "--timestamp", "--topo-order", "--reverse"],
    ...["--end-of-options", `${one}...${other}`, "--"],
  ]);
  if (listed.exitCode !== 0 || isCut(listed)) return false;
  const commits = listed.stdout.split("\n").slice(0, -1).map((line) => {
    const [time, id, ...parents] = line.split(" ");
    return { time: Number(time), id, parents };
  });
  if (commits.some(({ id }) => ends.has(id))) return false;
  const bases = (await git(["merge-base", "--all", one, other])).stdout
    .split("\n").slice(0, -1);
  // Without a common commit, both histories are complete.
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
  if (shared.exitCode !== 0 || isCut(shared)) return false;
  let newestEnd = -Infinity;
  for (const line of shared.stdout.split("\n").slice(0, -1)) {
    const [time, id] = line.split(" ");
    if (ends.has(id)) newestEnd = Math.max(newestEnd, Number(time));
  }
  const times = new Map(commits.map(({ id, time }) => [id, time]));
  // One place at which the sides have parted may be behind the other one.
  return newestEnd === -Infinity ||
    [...doubtful].every((id) => (times.get(id) ?? -Infinity) > newestEnd);
}

function isCut({ stdout }: CaptureResult): boolean {
  return stdout.length >= CAPTURE_LIMIT_BYTES;
}

/**
 * Fetches more and more of a history, until enough is known or the server has no
 * more.
 *
 * @param gitDirectory Absolute path of the repository.
 * @param depth Number of commits that were fetched.
 * @param fetch Fetches a number of commits of each side.
 * @param isEnough Checks what is known.
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
    const ends = [...await endsOfHistory(gitDirectory)].sort().join();
    if (ends === before) return false;
    before = ends;
  }
  return false;
}

/**
 * Creates a function that fetches the first of several lists which the server
 * serves, and returns why it refused the one before. A longer history is fetched by the same list.
 *
 * @param repository Repository.
 * @param remote Name of the remote.
 * @param retry Does what connects.
 * @param lists Lists of what is fetched, best first; nothing is fetched without one.
 * @returns Function that fetches a number of commits of each, 0 for all.
 */
export function fetcher(
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

/** Largest configuration that is read, in bytes. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/** What a clone says of itself that has one branch or tag, and no others. */
const NARROW = /^\[runnerlib\]\s+fetchDepth = [1-9]/m;

/** What a failure that a shallow history may explain is told. */
export const MISSING_HISTORY =
  `Only a part of the history, its branches and tags was fetched, which may be why git failed; ${WHOLE_HISTORY_OPTION}`;

/** What git says of a revision, tag or ancestor that it does not know. */
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

/** What git says without a prefix, and programs that call it. */
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
 * Checks whether a clone lacks a part of the history, or branches and tags.
 *
 * @param path Absolute path of its work tree.
 * @returns Whether it does.
 */
export async function isPartial(path: string): Promise<boolean> {
  const git = `${path}/.git`;
  try {
    const config = await readUntrusted(`${git}/config`, {
      maxBytes: MAX_CONFIG_BYTES,
    });
    return NARROW.test(new TextDecoder().decode(config)) ||
      (await endsOfHistory(git)).size > 0;
  } catch {
    // It is not a clone.
    return false;
  }
}

/**
 * Checks whether git, or a program that calls it, says that it misses a
 * revision, a tag or a common ancestor.
 *
 * @param lines Output of a command that failed.
 * @returns Whether it does.
 */
export function missesHistory(lines: readonly string[]): boolean {
  return lines.some((line) => MESSAGE.test(line));
}
