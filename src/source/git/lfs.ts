import type { CaptureResult } from "../../process/capture.ts";

/** Whether to fetch Git LFS files during a checkout. */
export type LfsMode = "auto" | "off";

/**
 * The filter that git starts when it checks out the first Git LFS file.
 *
 * `git-lfs` runs in an empty repository that contains only the URL of the
 * remote. So it does not see the tree, and no file in it, such as `.lfsconfig`,
 * can name a server. It contacts the server of the remote and those in the
 * operator's configuration.
 *
 * By default, `git-lfs` retries each object eight times, in two passes, even if
 * the server does not have it. That takes 36 seconds; four retries take four.
 *
 * The clone is configured as by `git lfs install --local`, so that its files
 * count as unchanged in the job as well.
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

/** Checks out pointers instead of Git LFS files. */
const WITHOUT_LFS = [
  "filter.lfs.smudge=",
  "filter.lfs.process=",
  "filter.lfs.required=false",
];

const WITH_LFS = [
  "filter.lfs.smudge=",
  // The variable keeps the source of the filter out of git's messages.
  'filter.lfs.process=eval "$RUNNERLIB_LFS_FILTER"',
  "filter.lfs.required=true",
];

/** Output of git and `git-lfs` that does not explain a failure. */
const NOISE =
  /^(?:Downloading |Errors logged to |Use `git lfs |Git LFS failed|error: external filter |fatal: (?:.*smudge filter lfs failed|the remote end hung up))/;

/** Options and variables of a git that checks out files. */
export interface LfsSettings {
  readonly options: readonly string[];
  /** Variables that the options refer to. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Makes git check out either Git LFS files or pointers to them.
 *
 * @param mode Whether to fetch the files.
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
 * @returns The result with the messages of `git-lfs` only; `undefined` if git
 * failed for another reason.
 */
export function lfsFailure(result: CaptureResult): CaptureResult | undefined {
  const { stderr } = result;
  if (!/^Git LFS failed$|smudge filter lfs failed/m.test(stderr)) {
    return undefined;
  }
  const lines = stderr.split("\n").filter((line) => !NOISE.test(line));
  return { ...result, stderr: lines.join("\n") };
}
