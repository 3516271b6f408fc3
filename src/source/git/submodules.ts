import { dirname } from "@std/path/posix/dirname";
import { type GitOptions, type SourceContext, sourceError } from "../source.ts";
import {
  allowedProtocols,
  fetchFailure,
  gitReason,
  type Retry,
  runGit,
} from "./run_git.ts";
import { trustOwners } from "./git_config.ts";
import { lfsFailure, lfsSettings } from "./lfs.ts";
import type { Repository } from "./repository.ts";

/** Options for {@linkcode updateSubmodules}. */
export type SubmoduleOptions = Required<
  Pick<GitOptions, "fetchDepth" | "submodules" | "lfs">
>;

/**
 * Checks out the submodules of the current commit.
 *
 * The repository chose their URLs. Submodules on the host of the repository get
 * its credentials, HTTP headers and credential helpers. Submodules on other
 * hosts get only what is configured for these hosts. A submodule can be a local
 * directory only if the repository itself is local.
 *
 * @throws {RunnerError} With code `source-failed`, if git fails.
 */
export async function updateSubmodules(
  repository: Repository,
  options: SubmoduleOptions,
  retry: Retry,
  context: SourceContext,
): Promise<void> {
  const { url, gitDirectory } = repository;
  const protocols = allowedProtocols(context.env.GIT_ALLOW_PROTOCOL)
    .filter((protocol) => url.isLocal || protocol !== "file");
  const access = await submoduleAccess(repository);
  const hasLfs = options.lfs === "auto" &&
    (await repository.git(["lfs", "version"])).exitCode === 0;
  const lfs = lfsSettings(hasLfs ? "auto" : "off");
  await using owners = url.isLocal
    ? await trustOwners(gitDirectory, context.env, context.cwd)
    : undefined;
  const update = (depth: number) =>
    retry(() =>
      runGit(
        [
          ...access.options,
          ...lfs.options,
          ...["submodule", "--quiet", "update", "--init", "--checkout"],
          ...options.submodules === "recursive" ? ["--recursive"] : [],
          ...depth > 0 ? [`--depth=${depth}`] : [],
        ],
        dirname(gitDirectory),
        {
          ...context,
          variables: {
            ...access.variables,
            ...lfs.variables,
            ...owners?.variables,
            GIT_ALLOW_PROTOCOL: protocols.join(":"),
            // Otherwise, git would search for a repository in the parent
            // directories.
            GIT_CEILING_DIRECTORIES: dirname(dirname(gitDirectory)),
          },
        },
      )
    );
  let result = await update(options.fetchDepth);
  if (
    result.exitCode !== 0 && options.fetchDepth > 0 &&
    ["missing", "refused"].includes(fetchFailure(result))
  ) result = await update(0);
  if (result.exitCode === 0) return;
  throw sourceError(
    `check out the submodules of "${url.shown}"`,
    gitReason(lfsFailure(result) ?? result, url.href),
  );
}

/** Returns the settings of submodules on the host of the repository. */
async function submoduleAccess(
  repository: Repository,
): Promise<{ options: string[]; variables: Record<string, string> }> {
  const { config, variables } = await repository.access(true);
  // Git passes only its command line settings on to submodules.
  const values = config.map(([, value], index) => [
    `RUNNERLIB_GIT_CONFIG_${index}`,
    value,
  ]);
  return {
    options: config.map(([key], index) =>
      `--config-env=${key}=RUNNERLIB_GIT_CONFIG_${index}`
    ),
    variables: { ...variables, ...Object.fromEntries(values) },
  };
}
