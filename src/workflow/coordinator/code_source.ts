import { RunnerError } from "../../errors.ts";
import type { Environment } from "../../environment/variables.ts";
import type { Logger } from "../../output/logger.ts";
import { isCleanTree } from "../../source/git/queries/git_info.ts";
import {
  type GitQuery,
  openQuery,
} from "../../source/git/queries/open_query.ts";
import { splitCredentials } from "../../source/source_url.ts";
import { quote } from "../../terminal/text.ts";

/** Code that jobs get from a git repository. */
export interface CodeSource {
  /** URL without a user and a password. */
  readonly url: string;
  /** Branch, tag or commit. */
  readonly ref: string;
}

/** Options for {@linkcode findCodeSource}. */
export interface CodeSourceOptions {
  /** Absolute path of the CI root. */
  readonly root: string;
  /** Environment of git. */
  readonly env: Environment;
  /** Logger for warnings. */
  readonly logger: Logger;
  /**
   * URL of the repository.
   *
   * @default {the remote `origin` of the CI root}
   */
  readonly url?: string;
  /**
   * Branch, tag or commit.
   *
   * @default {the commit that is checked out}
   */
  readonly ref?: string;
}

/** Advice if the code cannot be found. */
const ADVICE =
  "use --source-url and --source-ref, or --source none for jobs without code";

/**
 * Finds the repository and commit from which remote jobs get their code: the commit
 * that is checked out in the CI root, if a remote has it.
 *
 * @throws {RunnerError} `source-failed` if the code cannot be found, or is only
 * on this machine.
 */
export async function findCodeSource(
  options: CodeSourceOptions,
): Promise<CodeSource> {
  const { url, ref } = options;
  if (url !== undefined && ref !== undefined) {
    return { url: withoutUserInfo(url), ref };
  }
  using query = await openRepository(options);
  return {
    url: withoutUserInfo(url ?? originUrl(query, options.root)),
    ref: ref ?? await pushedCommit(query, options),
  };
}

async function openRepository({ root, env }: CodeSourceOptions) {
  try {
    return await openQuery({ directory: root, env });
  } catch (cause) {
    if (!(cause instanceof RunnerError)) throw cause;
    throw unknownCode(root, "it is not a git repository", cause);
  }
}

function originUrl({ settings }: GitQuery, root: string): string {
  const [, url] = settings.findLast(([key]) => key === "remote.origin.url") ??
    [];
  if (url !== undefined) return url;
  throw unknownCode(root, 'its repository has no remote "origin"');
}

async function pushedCommit(
  query: GitQuery,
  { root, env, logger }: CodeSourceOptions,
): Promise<string> {
  const head = await query.git(
    ...["rev-parse", "--verify", "--quiet", "HEAD^{commit}"],
  );
  const commit = head.stdout.trim();
  if (head.exitCode !== 0 || commit === "") {
    throw unknownCode(root, "its repository has no commit");
  }
  const { exitCode, stdout } = await query.git(
    ...["for-each-ref", "--count=1", `--contains=${commit}`, "refs/remotes"],
  );
  if (exitCode !== 0 || stdout.trim() === "") {
    throw unknownCode(
      root,
      `commit ${
        commit.slice(0, 12)
      } is on no branch of a remote; push it first`,
    );
  }
  if (await isCleanTree(query, { directory: root, env }) === false) {
    logger.warn(
      "workflow",
      `Jobs get commit ${
        commit.slice(0, 12)
      }, without the uncommitted changes in ${quote(root)}`,
    );
  }
  return commit;
}

/** Removes credentials from a URL, because workers have their own. */
function withoutUserInfo(url: string): string {
  return splitCredentials(url).url;
}

function unknownCode(
  root: string,
  reason: string,
  cause?: unknown,
): RunnerError {
  return new RunnerError(
    `Cannot find the code for the jobs in ${
      quote(root)
    }: ${reason}, or ${ADVICE}`,
    { code: "source-failed", cause },
  );
}
