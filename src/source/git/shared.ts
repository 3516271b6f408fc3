import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { Variable } from "../../environment/variables.ts";
import { messageOf } from "../../errors.ts";
import type { FillDirectory, SourceContext } from "../source_request.ts";
import { gitError } from "./failure.ts";
import { fetchCommit, type FetchCommitOptions } from "./fetch_commit.ts";
import { ownerConfig } from "./local_owner.ts";
import { splitLogin } from "./login.ts";
import { checkGitRef, trackingName } from "./ref.ts";
import { commitOf, type Repository, repositoryAt } from "./repository.ts";
import { retrying } from "./retry.ts";
import { isSameRepository } from "./same_repository.ts";
import { makeNoDefinitions, stageDefinitions } from "./stage_definitions.ts";
import { gitLocation } from "./url.ts";

/** A repository and a revision in it. */
export interface Revision {
  /** URL, `host:path` of ssh, or local path. */
  readonly url: string;
  /** Branch, tag, commit id or full name of a reference. */
  readonly ref: string;
}

/** How one repository is filled for both sources of an evaluation. */
export interface SharedSource {
  /** Makes the repository, without a work tree, and fetches both revisions. */
  readonly fillRepository: FillDirectory;
  /**
   * Puts the job definitions of both into `base` and `head`. Nothing in those of
   * the head can make it fail: where they cannot be written, there are none.
   */
  readonly fillDefinitions: FillDirectory;
}

/** All of the history, but files only when they are needed. */
const WHOLE_HISTORY = { depth: 0, everything: false, filter: "blob:none" };

/**
 * Checks the two sources of an evaluation that share one repository; runs
 * nothing yet.
 *
 * @param head The possibly untrusted source.
 * @param base The trusted CI source.
 * @param context What the run offers.
 * @returns Functions that fill the two places, to be called one after the other.
 * @throws {RunnerError} With code `source-failed`, if something is wrong with
 * what was given; the functions throw the same when git fails.
 */
export function sharedSource(
  head: Revision,
  base: Revision,
  context: SourceContext,
): SharedSource {
  const urls = [head, base].map(({ url, ref }) => {
    checkGitRef(ref);
    return gitLocation(url, context.cwd);
  });
  // On the same host, each repository has its own login.
  const { publicUrl, config, variables } = splitLogin(urls[1], {
    scope: "repository",
  });
  const open = (path: string) =>
    repositoryAt({ path, otherUrls: [publicUrl] }, urls[0], {
      ...context,
      config: [
        ["core.fsync", "none"],
        ...ownerConfig(urls[1], "upstream"),
        ...config,
      ],
      variables,
    });
  const commits = { head: "", base: "" };
  let repository: Repository;
  return {
    async fillRepository(target) {
      repository = open(target);
      await repository.make("sha1");
      const { env } = context;
      commits.head = await fetchOne(repository, head.ref, context, {
        fallback: env[Variable.headRef],
        pullRequest: env[Variable.prNumber],
      });
      commits.base = await fetchOne(repository, base.ref, context, {
        fallback: env[Variable.baseRef],
        ...isSameRepository(urls[0], urls[1]) ? {} : { upstream: urls[1] },
      });
      await repository.git(["update-ref", "--no-deref", "HEAD", commits.head]);
      return commits.head;
    },
    async fillDefinitions(target) {
      const { cancellation, log } = context;
      const stage = (side: "base" | "head", url: string) =>
        stageDefinitions(
          repository,
          commits[side],
          join(target, side),
          retrying(url, context),
        );
      await stage("base", urls[1]);
      try {
        await stage("head", urls[0]);
      } catch (error) {
        cancellation.asked.throwIfAborted();
        log.warn("source", "The definitions of the pull request do not count", {
          reason: messageOf(error),
        });
        await makeNoDefinitions(join(target, "head"));
      }
      return commits.base;
    },
  };
}

/** What {@linkcode fetchOne} may fall back upon, and where it asks. */
interface FetchOneOptions {
  readonly fallback: string | undefined;
  readonly pullRequest?: string;
  /** Location of another repository than `origin`. */
  readonly upstream?: string;
}

async function fetchOne(
  repository: Repository,
  ref: string,
  context: SourceContext,
  { fallback, pullRequest, upstream }: FetchOneOptions,
): Promise<string> {
  const url = upstream ?? repository.url;
  const options: FetchCommitOptions = {
    ...WHOLE_HISTORY,
    ...pullRequest === undefined ? {} : { pullRequest },
    ...upstream === undefined ? {} : {
      remote: "upstream",
      nameHere: (name) => trackingName(name)?.replace("/origin/", "/upstream/"),
    },
    retry: retrying(url, context),
  };
  if (upstream !== undefined) {
    const { publicUrl } = splitLogin(upstream);
    await repository.git(["remote", "add", "--", "upstream", publicUrl]);
  }
  let id: string;
  try {
    ({ id } = await fetchCommit(repository, ref, options));
  } catch (error) {
    context.cancellation.asked.throwIfAborted();
    if (!fallback) throw error;
    checkGitRef(fallback);
    await fetchCommit(repository, fallback, options);
    id = ref;
  }
  const commit = await commitOf(repository, id);
  if (commit !== undefined) return commit;
  const { shownUrl } = repositoryAt(
    { path: dirname(repository.gitDirectory) },
    url,
    context,
  );
  throw gitError(`find "${ref}" in "${shownUrl}"`, "it does not name a commit");
}
