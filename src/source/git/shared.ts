import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { Variable } from "../../environment/variables.ts";
import { messageOf } from "../../errors.ts";
import { removeTree } from "../../workspace/remove.ts";
import { sourceError } from "../source_error.ts";
import type { FillDirectory, SourceContext } from "../source_request.ts";
import { gitReason, type Retry, retrying } from "./failure.ts";
import { fetchCommit, type FetchCommitOptions } from "./fetch.ts";
import { ownerConfig } from "./local_owner.ts";
import { splitLogin } from "./login.ts";
import { wholeOutput } from "./queries/run_query.ts";
import { checkGitRef, trackingName } from "./ref.ts";
import { commitOf, type Repository, repositoryAt } from "./repository.ts";
import { gitLocation, isSameRepository } from "./url.ts";

/** A repository and a revision in it. */
export interface Revision {
  /** URL, `host:path` of ssh, or local path. */
  readonly url: string;
  /** Branch, tag, commit id or full name of a reference. */
  readonly ref: string;
}

/** How one repository is filled for both sources of an evaluation. */
export interface SharedSource {
  /** Creates the repository, without a work tree, and fetches both revisions. */
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
        cancellation.graceful.throwIfAborted();
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
    context.cancellation.graceful.throwIfAborted();
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
  throw sourceError(
    `find "${ref}" in "${shownUrl}"`,
    "it does not name a commit",
  );
}

/** Folder of the job definitions in a repository. */
const FOLDER = ".reactorcide";

/**
 * Attributes that win over those of the tree: files are written as they are
 * stored. So no tree can choose a filter, such as that of Git LFS, which asks
 * the server that the tree names.
 */
const PLAIN_ATTRIBUTES = "* -filter -text -ident !working-tree-encoding\n";

/** An entry as `git ls-tree` lists it: mode, type, id, path. */
const ENTRY = /^(\d+) (\w+) [0-9a-f]+\t(.*)$/s;

/**
 * Writes the job definitions of a commit into a directory, and nothing else of
 * it. A commit without any gives an empty folder.
 *
 * @param repository Repository that has the commit.
 * @param commit Id of the commit.
 * @param directory Absolute path of the directory; it is absent after an error.
 * @param retry Does what connects.
 * @throws {RunnerError} With code `source-failed`, if there is anything but
 * files and folders among them, or git fails.
 */
export async function stageDefinitions(
  repository: Repository,
  commit: string,
  directory: string,
  retry: Retry,
): Promise<void> {
  const { git, gitDirectory, url } = repository;
  const action = `take the job definitions from "${commit}"`;
  const listed = wholeOutput(
    await git(["ls-tree", "-r", "-z", "--full-tree", commit, "--", FOLDER]),
    action,
  );
  const entries = listed.split("\0").filter((entry) => entry !== "");
  for (const entry of entries) {
    const problem = problemOf(entry);
    if (problem !== undefined) throw sourceError(action, problem);
  }
  // An index of its own, since the one of the repository is the job's.
  const variables = { GIT_INDEX_FILE: `${gitDirectory}/staged` };
  const attributes = `${gitDirectory}/info/attributes`;
  await using cleanup = new AsyncDisposableStack();
  const undo = cleanup.use(new AsyncDisposableStack());
  undo.defer(async () => void await removeTree(directory));
  try {
    await makeNoDefinitions(directory);
    await Deno.mkdir(`${gitDirectory}/info`, { recursive: true });
    await Deno.writeTextFile(attributes, PLAIN_ATTRIBUTES);
  } catch (cause) {
    throw sourceError(action, messageOf(cause));
  }
  for (const path of [attributes, variables.GIT_INDEX_FILE]) {
    cleanup.defer(async () => void await removeTree(path));
  }
  const commands = entries.length === 0 ? [] : [
    ["read-tree", `--prefix=${FOLDER}/`, `${commit}:${FOLDER}`],
    // Files that are missing in a partial clone are fetched now.
    ["checkout-index", "--all", "--force", `--prefix=${directory}/`],
  ];
  for (const command of commands) {
    const result = await retry(() => git(command, variables));
    if (result.exitCode !== 0) {
      throw sourceError(action, gitReason(result, url));
    }
  }
  undo.move();
}

/**
 * Creates a directory as that of a commit without job definitions.
 *
 * @param directory Absolute path of the directory.
 */
export async function makeNoDefinitions(directory: string): Promise<void> {
  await Deno.mkdir(`${directory}/${FOLDER}`, { recursive: true });
}

function problemOf(entry: string): string | undefined {
  const [, mode, , path = entry] = ENTRY.exec(entry) ?? [];
  const isInside = path.startsWith(`${FOLDER}/`) &&
    !path.split("/").includes("..");
  if (isInside && (mode === "100644" || mode === "100755")) return undefined;
  return `${JSON.stringify(path)} is not a regular file`;
}
