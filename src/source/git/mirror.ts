import { sha256Hex } from "../../fs/checksum.ts";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { messageOf, osReason } from "../../errors.ts";
import { showUrlsIn } from "../../url_secrets.ts";
import { emptyDirectory, removeTree } from "../../workspace/remove.ts";
import { type SourceContext, sourceError } from "../source.ts";
import { quotedPath } from "./git_config.ts";
import {
  fetchCommit,
  type FetchCommitOptions,
  fetchFrom,
  type FoundCommit,
} from "./fetch.ts";
import { lockMirror, openMirrorStore, writeTips } from "./mirror_store.ts";
import { isFullCommitId, trackingName } from "./ref.ts";
import {
  commitOf,
  type ObjectFormat,
  objectFormatOf,
  type Repository,
  repositoryAt,
} from "./repository.ts";
import type { GitUrl } from "./url.ts";

/** Namespace of the tips that the mirror had before. */
const TIPS = "refs/tips";

/** Paths of a repository in the shared directory. */
interface MirrorPaths {
  /** Absolute path of the mirror. */
  readonly path: string;
  /** Absolute path of its lock file. */
  readonly lock: string;
}

/**
 * Fetches a commit into a mirror that runs share, and from there into a clone.
 * The clone copies the objects, so it does not depend on the mirror.
 *
 * A commit ID that the mirror already has needs no connection. So everyone who
 * can read the directory can read its contents, and everyone who can write to
 * it can make it useless, but nothing more: without a usable mirror, the clone
 * fetches from the server.
 *
 * @param directory Absolute path of the directory with all mirrors.
 * @param clone Empty clone.
 * @param ref Validated ref; `undefined` for the default branch.
 * @throws {RunnerError} With code `source-failed`, if the commit cannot be
 * fetched without the mirror either.
 */
export async function fetchThroughMirror(
  directory: string,
  clone: Repository,
  ref: string | undefined,
  options: FetchCommitOptions,
  context: SourceContext,
): Promise<FoundCommit> {
  const { log, cancellation } = context;
  const warn = (error: unknown) => {
    cancellation.graceful.throwIfAborted();
    const reason = showUrlsIn(messageOf(error), clone.url.href);
    log.warn("source", "Cannot use the mirror", { reason });
  };
  try {
    return await useMirror(directory, clone, ref, options, context);
  } catch (error) {
    warn(error);
  }
  await clone.make(objectFormatOf(ref));
  const found = await fetchCommit(clone, ref, options);
  // The repository itself can be fetched, so the mirror was the problem.
  await removeMirror(directory, clone.url, context).catch(warn);
  return found;
}

async function useMirror(
  directory: string,
  clone: Repository,
  ref: string | undefined,
  options: FetchCommitOptions,
  context: SourceContext,
): Promise<FoundCommit> {
  const paths = await mirrorPaths(directory, clone.url);
  let lock: Disposable | undefined = await lockMirror(
    paths.lock,
    context.cancellation.graceful,
  );
  try {
    await using mirror = await openMirror(paths, clone, ref, context);
    const found = await updateMirror(paths, mirror, ref, options);
    lock[Symbol.dispose]();
    lock = undefined;
    return await copyToClone(
      mirror.repository,
      clone,
      found,
      ref,
      options,
      context,
    );
  } finally {
    lock?.[Symbol.dispose]();
  }
}

/**
 * Removes a mirror, so that the next run creates a new one. A full disk or a
 * job may have damaged it.
 */
async function removeMirror(
  directory: string,
  url: GitUrl,
  context: SourceContext,
): Promise<void> {
  const { path, lock } = await mirrorPaths(directory, url);
  using _ = await lockMirror(lock, context.cancellation.graceful);
  await removeTree(path);
}

async function mirrorPaths(
  directory: string,
  { identity }: GitUrl,
): Promise<MirrorPaths> {
  const folder = identity.replace(/[^A-Za-z0-9]+/g, "-").slice(-60)
    .replace(/^-/, "");
  const name = `${folder}-${(await sha256Hex(identity)).slice(0, 16)}`;
  try {
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw sourceError(`create the directory "${directory}"`, osReason(cause));
  }
  return {
    path: join(directory, `${name}.git`),
    lock: join(directory, `${name}.lock`),
  };
}

/** A private repository that uses the objects of a mirror. */
interface OpenMirror extends AsyncDisposable {
  readonly repository: Repository;
  /** Tips recorded in the mirror, by number. */
  readonly tips: ReadonlyMap<string, string>;
}

async function openMirror(
  { path }: MirrorPaths,
  clone: Repository,
  ref: string | undefined,
  context: SourceContext,
): Promise<OpenMirror> {
  const { objects, tips, format } = await openMirrorStore(path);
  await using cleanup = new AsyncDisposableStack();
  const own = await Deno.makeTempDir({
    dir: dirname(clone.gitDirectory),
    prefix: ".mirror-",
  });
  cleanup.defer(async () => void await removeTree(own));
  const inner = repositoryAt({ path: own, bare: true }, clone.url, {
    ...context,
    variables: { GIT_OBJECT_DIRECTORY: objects },
  });
  const make = async (format: ObjectFormat) => {
    await inner.make(format);
    // For clients that are configured to use an old protocol version.
    await Deno.writeTextFile(
      `${own}/config`,
      "[uploadpack]\n\tallowAnySHA1InWant = true\n",
      { append: true },
    );
    await Deno.mkdir(`${own}/objects/info`, { recursive: true });
    await Deno.writeTextFile(
      `${own}/objects/info/alternates`,
      `${quotedPath(objects)}\n`,
    );
  };
  const repository: Repository = {
    ...inner,
    // Objects of another format are useless.
    async make(format) {
      await emptyDirectory(objects);
      await make(format);
    },
  };
  await make(format ?? objectFormatOf(ref));
  const lines = [...tips.values()].map((id, index) =>
    `${id} ${TIPS}/${index}\n`
  );
  await Deno.writeTextFile(`${own}/packed-refs`, lines.join(""));
  const disposable = cleanup.move();
  return {
    repository,
    tips,
    [Symbol.asyncDispose]: () => disposable.disposeAsync(),
  };
}

async function updateMirror(
  paths: MirrorPaths,
  { repository, tips }: OpenMirror,
  ref: string | undefined,
  options: FetchCommitOptions,
): Promise<FoundCommit> {
  if (ref !== undefined && isFullCommitId(ref) && !options.everything) {
    const id = await commitOf(repository, ref);
    if (id !== undefined) return { id };
  }
  const found = await fetchCommit(repository, ref, {
    ...options,
    depth: 0,
    filter: undefined,
    nameHere: nameInMirror,
  });
  if (await isShallow(repository)) {
    throw sourceError(
      "keep the repository in a mirror",
      "its own history is incomplete",
    );
  }
  await writeTips(paths.path, await newTips(repository, tips));
  // This is safe for concurrent readers: git keeps objects that are new or in
  // use.
  await repository.git([
    ...["-c", "gc.auto=6700", "-c", "gc.autoDetach=false"],
    ...["-c", "gc.writeCommitGraph=false", "-c", "repack.writeBitmaps=false"],
    ...["gc", "--auto", "--quiet"],
  ]);
  return found;
}

/** Returns the fetched tips together with all other existing tips. */
async function newTips(
  { git }: Repository,
  tips: ReadonlyMap<string, string>,
): Promise<Map<string, string>> {
  const { stdout } = await git(
    ["for-each-ref", "--format=%(objectname) %(refname)"],
  );
  const fetched = stdout.split("\n").slice(0, -1)
    .map((line) => line.split(" "))
    .filter(([, name]) => !name.startsWith(`${TIPS}/`))
    .map(([id, name]) => [name, id] as const);
  return new Map([...tips, ...fetched]);
}

async function isShallow({ gitDirectory }: Repository): Promise<boolean> {
  const path = `${gitDirectory}/shallow`;
  return await Deno.lstat(path).then(({ size }) => size > 0, () => false);
}

/**
 * The name has no slashes, since a branch may have the name of a deleted
 * directory of branches.
 */
function nameInMirror(name: string): string {
  const short = isFullCommitId(name) ? "id" : encodeURIComponent(name);
  return `refs/mirror/${short}`;
}

/**
 * Copies a commit into a clone, which verifies the IDs of all objects. An
 * abbreviated ID is resolved in the clone, since the mirror may contain other
 * objects.
 */
async function copyToClone(
  mirror: Repository,
  clone: Repository,
  found: FoundCommit,
  ref: string | undefined,
  { depth, everything, retry }: FetchCommitOptions,
  context: SourceContext,
): Promise<FoundCommit> {
  const { id, name = id, isAbbreviated = false } = found;
  if (objectFormatOf(id) !== objectFormatOf(ref)) {
    await clone.make(objectFormatOf(id));
  }
  // When everything is fetched, it has its name anyway.
  const here = everything ? undefined : trackingName(name);
  const nearby = repositoryAt(
    { path: dirname(clone.gitDirectory) },
    clone.url,
    { ...context, variables: { GIT_ALLOW_PROTOCOL: "file" } },
  );
  const outcome = await fetchFrom(nearby, {
    remote: mirror.gitDirectory,
    refspecs: [
      ...isAbbreviated ? [] : [here === undefined ? id : `+${id}:${here}`],
      ...everything || isAbbreviated
        ? [
          "+refs/remotes/origin/*:refs/remotes/origin/*",
          "+refs/tags/*:refs/tags/*",
        ]
        : [],
    ],
    depth: isAbbreviated ? 0 : depth,
    filter: undefined,
  }, retry);
  if (!outcome.isFetched) {
    throw sourceError("copy the commit from the mirror", outcome.reason);
  }
  if (!isAbbreviated || ref === undefined) return found;
  const commit = await commitOf(clone, ref);
  if (commit !== undefined) return { id: commit };
  throw sourceError(`find "${ref}" in the mirror`, "no fetched branch has it");
}
