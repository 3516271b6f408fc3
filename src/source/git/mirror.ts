import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { messageOf, osReason, RunnerError } from "../../errors.ts";
import { lockFile } from "../../fs/file_lock.ts";
import { lstatIfThere, sha256Hex } from "../../fs/files.ts";
import { readUntrusted } from "../../fs/untrusted_file.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import { showUrlsIn } from "../../url_secrets.ts";
import { emptyDirectory, removeTree } from "../../workspace/remove.ts";
import { type SourceContext, sourceError } from "../source.ts";
import {
  fetchCommit,
  type FetchCommitOptions,
  fetchFrom,
  type FoundCommit,
} from "./fetch.ts";
import { quotedPath } from "./git_config.ts";
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

/**
 * Contents of a mirror: objects, and the tips of fetched refs.
 *
 * Every job that has access to the directory can write to it, so nothing in it
 * is trusted:
 *
 * 1. Only packs and loose objects that are regular files at their proper paths
 *    are kept. Everything else is removed before git sees it, such as
 *    alternates, commit graphs, indexes, links, pipes and incomplete files.
 * 2. Tips are only IDs and names. They show the server which objects need not
 *    be sent, and are never used to resolve a name.
 * 3. Git uses the objects from a private repository.
 * 4. The clone gets objects from the mirror as a pack and computes their IDs
 *    from their contents. An object with a wrong ID is missing there, and the
 *    commit is fetched without the mirror.
 */
export interface MirrorStore {
  /** Absolute path of the objects. */
  readonly objects: string;
  /** ID of each tip, by its name on the remote. */
  readonly tips: ReadonlyMap<string, string>;
  /** Object format; `undefined` if there are no tips. */
  readonly format: ObjectFormat | undefined;
}

/**
 * Maximum size of the file of tips, in bytes, which is enough for 200,000 tips.
 */
const MAX_TIPS_BYTES = 16 * 1024 * 1024;

/**
 * Maximum time to wait for other runs, in milliseconds: they may be fetching a
 * large repository.
 */
const LOCK_TIMEOUT_MS = 10 * 60_000;

const TIP = /^([0-9a-f]{40}|[0-9a-f]{64}) ([^\s\ufffd]+)$/;

const PACK = /^pack-[0-9a-f]+\.(?:pack|idx)$/;

const FOLDER = /^[0-9a-f]{2}$/;

const OBJECT = /^(?:[0-9a-f]{38}|[0-9a-f]{62})$/;

/**
 * Locks a mirror, and waits while another run uses it.
 *
 * The lock ends with the process. Its file stays.
 *
 * @param path Absolute path of the lock file.
 * @param graceful Stops waiting.
 * @returns Handle that releases the lock when disposed.
 * @throws {RunnerError} With code `source-failed`, if another run keeps the
 * lock or the file cannot be opened.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
async function lockMirror(
  path: string,
  graceful: AbortSignal,
): Promise<Disposable> {
  return await lockFile(await openLockFile(path), {
    timeoutMs: LOCK_TIMEOUT_MS,
    busyError: () => sourceError(`lock "${path}"`, "another run holds it"),
    signal: graceful,
  });
}

/**
 * Opens a mirror, and removes everything that does not belong to one.
 *
 * @param path Absolute path of its directory, which the caller has locked.
 * @throws {unknown} If it cannot be read or written.
 */
async function openMirrorStore(path: string): Promise<MirrorStore> {
  const objects = join(path, "objects");
  await makeDirectory(path);
  await keepOnly(
    path,
    (name, { isDirectory, isFile }) =>
      name === "objects" && isDirectory || name === "tips" && isFile,
  );
  await makeDirectory(objects);
  const tips = await readTips(path);
  // Without tips, git would not use any objects.
  if (tips.size === 0) await emptyDirectory(objects);
  else await keepObjects(objects);
  const [id] = tips.values();
  const format = id === undefined
    ? undefined
    : id.length === 64
    ? "sha256"
    : "sha1";
  return { objects, tips, format };
}

/**
 * Writes the tips of a mirror.
 *
 * @param path Absolute path of its directory, which the caller has locked.
 * @param tips ID of each tip, by name.
 * @throws {RunnerError} With code `output-failed`, if the file cannot be
 * written.
 */
async function writeTips(
  path: string,
  tips: ReadonlyMap<string, string>,
): Promise<void> {
  const lines = [...tips].map(([name, id]) => `${id} ${name}\n`);
  await writeAtomic(join(path, "tips"), lines.join(""), { mode: 0o600 });
}

async function openLockFile(path: string): Promise<Deno.FsFile> {
  try {
    const info = await Deno.lstat(path).catch(() => undefined);
    // A link would create a file elsewhere, and a pipe would block.
    if (info !== undefined && !info.isFile) {
      throw sourceError(`lock "${path}"`, "not a regular file");
    }
    return await Deno.open(path, { write: true, create: true });
  } catch (cause) {
    if (cause instanceof RunnerError) throw cause;
    throw sourceError(`lock "${path}"`, osReason(cause));
  }
}

async function readTips(path: string): Promise<Map<string, string>> {
  let text: string;
  try {
    const bytes = await readUntrusted(join(path, "tips"), {
      maxBytes: MAX_TIPS_BYTES,
    });
    text = new TextDecoder().decode(bytes);
  } catch {
    // A mirror that cannot be read starts empty.
    return new Map();
  }
  const tips = new Map<string, string>();
  for (const line of text.split("\n").slice(0, -1)) {
    const [, id, name] = TIP.exec(line) ?? [];
    const [first = id] = tips.values();
    if (id === undefined || id.length !== first.length) return new Map();
    tips.set(name, id);
  }
  return tips;
}

async function keepObjects(objects: string): Promise<void> {
  await keepOnly(
    objects,
    (name, { isDirectory }) =>
      isDirectory && (name === "pack" || FOLDER.test(name)),
  );
  for await (const { name } of Deno.readDir(objects)) {
    const pattern = name === "pack" ? PACK : OBJECT;
    await keepOnly(
      join(objects, name),
      (name, { isFile }) => isFile && pattern.test(name),
    );
  }
}

/**
 * Removes all other entries of a directory. Links are removed and not followed.
 */
async function keepOnly(
  directory: string,
  isKept: (name: string, entry: Deno.DirEntry) => boolean,
): Promise<void> {
  const others: string[] = [];
  for await (const entry of Deno.readDir(directory)) {
    if (!isKept(entry.name, entry)) others.push(entry.name);
  }
  for (const name of others) await removeTree(join(directory, name));
}

/** Replaces anything else with this name, such as a link. */
async function makeDirectory(path: string): Promise<void> {
  const info = await lstatIfThere(path);
  if (info?.isDirectory) return;
  if (info !== undefined) await Deno.remove(path);
  await Deno.mkdir(path);
}
