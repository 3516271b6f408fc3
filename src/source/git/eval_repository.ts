import { join } from "@std/path/posix/join";
import { Variable } from "../../environment/variables.ts";
import { messageOf } from "../../errors.ts";
import { OWN_DIRECTORY } from "../../job_path.ts";
import { removeTree } from "../../workspace/remove.ts";
import {
  type FillDirectory,
  type SourceContext,
  sourceError,
} from "../source.ts";
import { createRetry, gitReason, type Retry } from "./run_git.ts";
import { fetchCommit, type FetchCommitOptions } from "./fetch.ts";
import { ownerConfig } from "./git_config.ts";
import { splitLogin } from "./login.ts";
import { completeOutput } from "./queries/open_query.ts";
import { checkGitRef, trackingName } from "./ref.ts";
import { type Repository, repositoryAt, resolveCommit } from "./repository.ts";
import { type GitUrl, resolveGitUrl } from "./url.ts";

/** A revision of a repository. */
export interface Revision {
  /** URL, scp-like address such as `host:path`, or local path. */
  readonly url: string;
  /** Branch, tag, commit ID or full ref name. */
  readonly ref: string;
}

/** Functions that fetch both sources of an evaluation into one repository. */
export interface EvalRepository {
  /** Creates the repository without a work tree and fetches both revisions. */
  readonly fillRepository: FillDirectory;
  /**
   * Writes the job definitions of both into `base` and `head`. Definitions of
   * the head cannot make this fail: if they cannot be written, `head` is empty.
   */
  readonly fillDefinitions: FillDirectory;
}

/** Full history, but files only when they are needed. */
const WHOLE_HISTORY = { depth: 0, everything: false, filter: "blob:none" };

/**
 * Validates the two sources of an evaluation, which share one repository.
 * Nothing runs yet.
 *
 * @param head Source that may be untrusted.
 * @param base Trusted CI source.
 * @returns Functions to call one after the other.
 * @throws {RunnerError} With code `source-failed`, if an argument is invalid.
 * The functions throw the same if git fails.
 */
export function evalRepository(
  head: Revision,
  base: Revision,
  context: SourceContext,
): EvalRepository {
  const urls = [head, base].map(({ url, ref }) => {
    checkGitRef(ref);
    return resolveGitUrl(url, context.cwd);
  });
  // Repositories on the same host have separate credentials.
  const { publicUrl, config, variables } = splitLogin(urls[1].href, {
    scope: "repository",
  });
  const upstream = urls[0].identity === urls[1].identity
    ? undefined
    : { url: urls[1], publicUrl };
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
        upstream,
      });
      await repository.git(["update-ref", "--no-deref", "HEAD", commits.head]);
      return commits.head;
    },
    async fillDefinitions(target) {
      const { cancellation, log } = context;
      const write = (side: "base" | "head", url: GitUrl) =>
        writeDefinitions(
          repository,
          commits[side],
          join(target, side),
          createRetry(url.href, context),
        );
      await write("base", urls[1]);
      try {
        await write("head", urls[0]);
      } catch (error) {
        cancellation.graceful.throwIfAborted();
        log.warn("source", "Ignoring the job definitions of the pull request", {
          reason: messageOf(error),
        });
        await createEmptyDefinitions(join(target, "head"));
      }
      return commits.base;
    },
  };
}

/** Options for {@linkcode fetchOne}. */
interface FetchOneOptions {
  readonly fallback: string | undefined;
  readonly pullRequest?: string;
  /** The remote, if it is not `origin`. */
  readonly upstream?: { readonly url: GitUrl; readonly publicUrl: string };
}

async function fetchOne(
  repository: Repository,
  ref: string,
  context: SourceContext,
  { fallback, pullRequest, upstream }: FetchOneOptions,
): Promise<string> {
  const { url } = upstream ?? repository;
  const options: FetchCommitOptions = {
    ...WHOLE_HISTORY,
    ...pullRequest === undefined ? {} : { pullRequest },
    ...upstream === undefined ? {} : {
      remote: "upstream",
      nameHere: (name) => trackingName(name)?.replace("/origin/", "/upstream/"),
    },
    retry: createRetry(url.href, context),
  };
  if (upstream !== undefined) {
    const { publicUrl } = upstream;
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
  const commit = await resolveCommit(repository, id);
  if (commit !== undefined) return commit;
  throw sourceError(
    `find "${ref}" in "${url.shown}"`,
    "it does not name a commit",
  );
}

/**
 * Attributes that override those of the tree, so that files are written as they
 * are stored. Otherwise a tree could choose a filter such as Git LFS, which
 * contacts a server that the tree names.
 */
const PLAIN_ATTRIBUTES = "* -filter -text -ident !working-tree-encoding\n";

/** An entry as listed by `git ls-tree`: mode, type, ID, path. */
const ENTRY = /^(\d+) (\w+) [0-9a-f]+\t(.*)$/s;

/**
 * Writes only the job definitions of a commit into a directory. Without any,
 * the directory is empty.
 *
 * @param directory Absolute path of the directory, which does not exist after
 * an error.
 * @throws {RunnerError} With code `source-failed`, if the definitions contain
 * anything other than files and directories, or git fails.
 */
async function writeDefinitions(
  repository: Repository,
  commit: string,
  directory: string,
  retry: Retry,
): Promise<void> {
  const { git, gitDirectory, url } = repository;
  const action = `read the job definitions of "${commit}"`;
  const listed = completeOutput(
    await git([
      "ls-tree",
      "-r",
      "-z",
      "--full-tree",
      commit,
      "--",
      OWN_DIRECTORY,
    ]),
    action,
  );
  const entries = listed.split("\0").filter((entry) => entry !== "");
  for (const entry of entries) {
    const problem = entryProblem(entry);
    if (problem !== undefined) throw sourceError(action, problem);
  }
  // The index of the repository belongs to the job, so this uses a separate
  // one.
  const variables = { GIT_INDEX_FILE: `${gitDirectory}/staged` };
  const attributes = `${gitDirectory}/info/attributes`;
  await using cleanup = new AsyncDisposableStack();
  const undo = cleanup.use(new AsyncDisposableStack());
  undo.defer(async () => void await removeTree(directory));
  try {
    await createEmptyDefinitions(directory);
    await Deno.mkdir(`${gitDirectory}/info`, { recursive: true });
    await Deno.writeTextFile(attributes, PLAIN_ATTRIBUTES);
  } catch (cause) {
    throw sourceError(action, messageOf(cause));
  }
  for (const path of [attributes, variables.GIT_INDEX_FILE]) {
    cleanup.defer(async () => void await removeTree(path));
  }
  const commands = entries.length === 0 ? [] : [
    ["read-tree", `--prefix=${OWN_DIRECTORY}/`, `${commit}:${OWN_DIRECTORY}`],
    // In a partial clone, git fetches missing files now.
    ["checkout-index", "--all", "--force", `--prefix=${directory}/`],
  ];
  for (const command of commands) {
    const result = await retry(() => git(command, variables));
    if (result.exitCode !== 0) {
      throw sourceError(action, gitReason(result, url.href));
    }
  }
  undo.move();
}

/** Creates the directory of a commit without job definitions. */
async function createEmptyDefinitions(directory: string): Promise<void> {
  await Deno.mkdir(`${directory}/${OWN_DIRECTORY}`, { recursive: true });
}

function entryProblem(entry: string): string | undefined {
  const [, mode, , path = entry] = ENTRY.exec(entry) ?? [];
  const isInside = path.startsWith(`${OWN_DIRECTORY}/`) &&
    !path.split("/").includes("..");
  if (isInside && (mode === "100644" || mode === "100755")) return undefined;
  return `${JSON.stringify(path)} is not a regular file`;
}
