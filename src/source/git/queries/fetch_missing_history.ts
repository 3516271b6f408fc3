import { quoteWord } from "../../../command_text.ts";
import { childEnvironment } from "../../../environment/child_environment.ts";
import { Variable } from "../../../environment/variables.ts";
import { messageOf, RunnerError } from "../../../errors.ts";
import { processHost } from "../../../host.ts";
import { isInside } from "../../../job_path.ts";
import type { Logger } from "../../../output/logger.ts";
import { Cancellation, onAbort } from "../../../process/cancellation.ts";
import { openWorkspace } from "../../../workspace/layout.ts";
import { retrying } from "../failure_and_retry.ts";
import { type ConfigEntry, configText } from "../git_config.ts";
import {
  createFetcher,
  deepen,
  type PartialHistory,
  shallowBoundary,
  WHOLE_HISTORY_OPTION,
} from "../history.ts";
import { isFullCommitId, remoteNames, trackingName } from "../ref.ts";
import { repositoryAt } from "../repository.ts";
import { allowedProtocols } from "../run_git.ts";
import { type GitUrl, resolveGitUrl } from "../url.ts";
import {
  type GitQuery,
  type GitQueryOptions,
  queryDirectory,
} from "./open_query.ts";
import { MissingHistoryError } from "./run_query.ts";

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

/** Makes the history checks work on a query. */
export function partialHistory(query: GitQuery): PartialHistory {
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
export async function withHistory<T>(
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
    const url = sourceUrl(query, options);
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
function sourceUrl(
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
  const retry = retrying(url.href, { log: SILENT, cancellation }, {
    attempts: 1,
  });
  const fetches: ((depth: number) => Promise<unknown>)[] = [];
  for (const revision of revisions) {
    const lists = (await refNames(query, revision)).map((name) => [name]);
    fetches.push(createFetcher(repository, "origin", retry, lists));
  }
  await deepen(privatePath, 0, async (depth) => {
    for (const fetch of fetches) await fetch(depth);
  }, isEnough);
}

/**
 * Returns what to fetch for a revision: a known commit, or its possible names.
 */
async function refNames(
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
