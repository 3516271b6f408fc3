import { resolve } from "@std/path/posix/resolve";
import type { CheckoutConfig } from "../config/job_config.ts";
import type { GitOptions } from "../source/git/options.ts";

/**
 * Returns how a git source is checked out.
 *
 * @param checkout Configuration.
 * @param isTrusted Whether it is the CI source, whose tree is another one than
 * that of which a part was asked for.
 * @param cwd Absolute path of the directory against which paths are read.
 * @returns Options.
 */
export function gitOptions(
  checkout: CheckoutConfig,
  isTrusted: boolean,
  cwd: string,
): GitOptions {
  const { fetchDepth, filter, sparsePaths, submodules, lfs, mirror } = checkout;
  return {
    depth: fetchDepth,
    pullRequestBase: !isTrusted,
    submodules,
    lfs,
    ...filter === undefined ? {} : { filter },
    ...sparsePaths === undefined || isTrusted ? {} : { sparsePaths },
    ...mirror === undefined ? {} : { mirrorDirectory: resolve(cwd, mirror) },
  };
}
