import { dirname } from "@std/path/posix/dirname";
import type { SourceContext } from "../source_request.ts";
import { fetchFailure, gitError } from "./failure.ts";
import type { GitOptions } from "./options.ts";
import { gitReason } from "./reason.ts";
import type { Repository } from "./repository.ts";
import type { Retry } from "./retry.ts";
import { allowedProtocols, runGit } from "./run_git.ts";
import { isLocalPath } from "./url.ts";

/** Options for {@linkcode updateSubmodules}. */
export type SubmoduleOptions =
  & Required<Pick<GitOptions, "depth">>
  & Pick<GitOptions, "submodules">;

/**
 * Checks out the submodules of the commit that is checked out.
 *
 * Their locations were chosen by the repository. So they get no secret of its
 * own location, and none of them may be a directory of this machine, unless the
 * repository is one itself.
 *
 * @param repository Repository.
 * @param options Which submodules, and how much of their history.
 * @param retry Does what connects.
 * @param context What the run offers.
 * @throws {RunnerError} With code `source-failed`, if git fails.
 */
export async function updateSubmodules(
  repository: Repository,
  options: SubmoduleOptions,
  retry: Retry,
  context: SourceContext,
): Promise<void> {
  const { url, shownUrl, gitDirectory } = repository;
  const isLocal = isLocalPath(url) || url.startsWith("file:");
  const protocols = allowedProtocols(context.env.GIT_ALLOW_PROTOCOL)
    .filter((protocol) => isLocal || protocol !== "file");
  const update = (depth: number) =>
    retry(() =>
      runGit(
        [
          ...["submodule", "--quiet", "update", "--init", "--checkout"],
          ...options.submodules === "recursive" ? ["--recursive"] : [],
          ...depth > 0 ? [`--depth=${depth}`] : [],
        ],
        dirname(gitDirectory),
        {
          ...context,
          variables: {
            GIT_ALLOW_PROTOCOL: protocols.join(":"),
            // Git itself would go up to the repository around this one.
            GIT_CEILING_DIRECTORIES: dirname(dirname(gitDirectory)),
          },
        },
      )
    );
  let result = await update(options.depth);
  if (
    result.exitCode !== 0 && options.depth > 0 &&
    ["missing", "refused"].includes(fetchFailure(result))
  ) result = await update(0);
  if (result.exitCode === 0) return;
  throw gitError(
    `check out the submodules of "${shownUrl}"`,
    gitReason(result, url),
  );
}
