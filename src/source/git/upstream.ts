import { Variable } from "../../environment/variables.ts";
import { messageOf } from "../../errors.ts";
import type { SourceContext } from "../source_request.ts";
import { fetchFrom } from "./fetch.ts";
import { ownerConfig } from "./local_owner.ts";
import { splitLogin } from "./login.ts";
import { checkGitRef } from "./ref.ts";
import { type Repository, repositoryAt } from "./repository.ts";
import type { Retry } from "./retry.ts";
import { isSameRepository } from "./same_repository.ts";
import { gitLocation } from "./url.ts";

/**
 * Adds the remote `upstream` to the clone of a fork, and fetches the branch
 * into which it is to be merged.
 *
 * Both are named by `REACTORCIDE_BASE_URL` and `REACTORCIDE_BASE_REF`. What
 * goes wrong is a warning: the code of the job is there without it.
 *
 * @param repository Clone.
 * @param depth Commits of history; 0 for all.
 * @param retry Does what connects.
 * @param context What the run offers.
 */
export async function addUpstream(
  repository: Repository,
  depth: number,
  retry: Retry,
  context: SourceContext,
): Promise<void> {
  const { env, cwd, log, cancellation } = context;
  const base = env[Variable.baseUrl];
  const ref = env[Variable.baseRef];
  if (!base || isSameRepository(base, repository.url)) return;
  try {
    const url = gitLocation(base, cwd);
    const { publicUrl } = splitLogin(url);
    await repository.git(["remote", "add", "--", "upstream", publicUrl]);
    if (!ref) return;
    checkGitRef(ref);
    const branch = ref.replace(/^refs\/heads\//, "");
    const upstream = repositoryAt(
      { path: repository.gitDirectory, bare: true },
      url,
      { ...context, config: ownerConfig(url, "upstream") },
    );
    const outcome = await fetchFrom(upstream, {
      remote: "upstream",
      refspecs: [`+refs/heads/${branch}:refs/remotes/upstream/${branch}`],
      depth,
      filter: undefined,
    }, retry);
    if (!outcome.isFetched) throw new Error(outcome.reason);
  } catch (error) {
    cancellation.asked.throwIfAborted();
    log.warn("source", "Cannot fetch the branch to merge into", {
      reason: messageOf(error),
    });
  }
}
