import type { CaptureResult } from "../../process/capture.ts";

/** Whether files in Git LFS are fetched as git checks them out. */
export type LfsMode = "auto" | "off";

/**
 * The filter that git starts at the first file whose attributes say that it is
 * in Git LFS.
 *
 * `git-lfs` works for an empty repository that holds nothing but the location of
 * the remote. So it does not see the tree that is being checked out: neither
 * `.lfsconfig` nor any other file of it can name a server. It asks the server of
 * the remote, and those that the configuration of the operator names.
 *
 * `git-lfs` retries an object eight times, twice over, also if the server has
 * said that there is none, which takes 36 seconds; four retries take four.
 *
 * The clone is configured as by `git lfs install --local`, so that its files
 * count as unchanged for the job as well.
 */
const FILTER = `
trap 'test $? = 0 || echo "Git LFS failed" >&2' EXIT
command -v git-lfs >/dev/null || { echo "git-lfs is not installed" >&2; exit 1; }
directory=$(git rev-parse --absolute-git-dir) || exit
url=$(git config --get remote.origin.url) || exit
client=$directory/lfs-client
rm -rf "$client" && mkdir -p "$client/.git/objects" "$client/.git/refs" || exit
echo "ref: refs/heads/none" > "$client/.git/HEAD"
git config --file "$client/.git/config" core.repositoryFormatVersion 0
git config --file "$client/.git/config" remote.origin.url "$url"
git config --file "$client/.git/config" lfs.storage "$directory/lfs"
git config --get lfs.transfer.maxRetries >/dev/null ||
  git config --file "$client/.git/config" lfs.transfer.maxRetries 4
git config --file "$directory/config" filter.lfs.clean "git-lfs clean -- %f"
git config --file "$directory/config" filter.lfs.smudge "git-lfs smudge -- %f"
git config --file "$directory/config" filter.lfs.process "git-lfs filter-process"
git config --file "$directory/config" filter.lfs.required true
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX GIT_LFS_SKIP_SMUDGE
cd "$client" || exit
git-lfs filter-process
status=$?
cd / && rm -rf "$client"
exit $status
`;

/** Leaves pointers where files in Git LFS belong. */
const WITHOUT_LFS = [
  "filter.lfs.smudge=",
  "filter.lfs.process=",
  "filter.lfs.required=false",
];

const WITH_LFS = [
  "filter.lfs.smudge=",
  // The variable keeps the text of the filter out of git's messages.
  'filter.lfs.process=eval "$RUNNERLIB_LFS_FILTER"',
  "filter.lfs.required=true",
];

/** What git and `git-lfs` say beside the reason. */
const NOISE =
  /^(?:Downloading |Errors logged to |Use `git lfs |Git LFS failed|error: external filter |fatal: (?:.*smudge filter lfs failed|the remote end hung up))/;

/** What a git that checks out is given because of Git LFS. */
export interface LfsSettings {
  /** Options of git. */
  readonly options: readonly string[];
  /** Variables to which they refer. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Lets git check out files in Git LFS, or the pointers to them.
 *
 * @param mode Whether the files are fetched.
 * @returns What git is given.
 */
export function lfsSettings(mode: LfsMode): LfsSettings {
  const config = mode === "auto" ? WITH_LFS : WITHOUT_LFS;
  return {
    options: config.flatMap((entry) => ["-c", entry]),
    variables: mode === "auto" ? { RUNNERLIB_LFS_FILTER: FILTER } : {},
  };
}

/**
 * Checks whether git failed because of Git LFS.
 *
 * @param result Exit status and output of git.
 * @returns What `git-lfs` said; `undefined` if it did not fail.
 */
export function lfsFailure(result: CaptureResult): CaptureResult | undefined {
  const { stderr } = result;
  if (!/^Git LFS failed$|smudge filter lfs failed/m.test(stderr)) {
    return undefined;
  }
  const lines = stderr.split("\n").filter((line) => !NOISE.test(line));
  return { ...result, stderr: lines.join("\n") };
}
