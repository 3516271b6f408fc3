import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { osReason, RunnerError } from "../../errors.ts";
import { lockFile } from "../../fs/lock.ts";
import { emptyDirectory, removeTree } from "../../workspace/remove.ts";
import { sourceError } from "../source_error.ts";
import type { SourceContext } from "../source_request.ts";
import {
  fetchCommit,
  type FetchCommitOptions,
  fetchFrom,
  type FoundCommit,
} from "./fetch.ts";
import { openMirrorStore, writeTips } from "./mirror_store.ts";
import { quotedPath } from "./config.ts";
import { isFullCommitId, trackingName } from "./ref.ts";
import {
  commitOf,
  formatOf,
  type ObjectFormat,
  type Repository,
  repositoryAt,
} from "./repository.ts";
import { plainLocation } from "./url.ts";

/** Names of the tips that a mirror had before. */
const TIPS = "refs/tips";

/** The place of one repository among those that runs share. */
interface Place {
  /** Absolute path of what is kept of it. */
  readonly path: string;
  /** Absolute path of the file on which the lock stands. */
  readonly lock: string;
}

/**
 * Fetches a commit into a repository that runs share, and from there into a
 * clone. The clone gets the objects themselves: it does not miss the mirror
 * once that is gone.
 *
 * A commit that the mirror has and that is asked for by its id needs no
 * connection. So those who may read the directory may read what is in it. Those
 * who may write to it can make it useless, and nothing else.
 *
 * @param directory Absolute path of the directory of mirrors.
 * @param clone Clone that holds nothing yet.
 * @param ref Name that was validated; `undefined` for the default branch.
 * @param options How much of the history, and who connects.
 * @param context What the run offers.
 * @returns The commit.
 * @throws {RunnerError} With code `source-failed`, if that fails.
 */
export async function fetchThroughMirror(
  directory: string,
  clone: Repository,
  ref: string | undefined,
  options: FetchCommitOptions,
  context: SourceContext,
): Promise<FoundCommit> {
  const place = await placeOf(directory, clone.url);
  let lock: Disposable | undefined = await lockMirror(
    place.lock,
    context.cancellation.graceful,
  );
  try {
    await using mirror = await openMirror(place, clone, ref, context);
    const found = await update(place, mirror, ref, options);
    lock[Symbol.dispose]();
    lock = undefined;
    return await copy(mirror.repository, clone, found, ref, options, context);
  } finally {
    lock?.[Symbol.dispose]();
  }
}

/**
 * Removes the mirror of a repository, so that the next run starts with a sound
 * one: a full disk leaves half an object, and a job anything.
 *
 * @param directory Absolute path of the directory of mirrors.
 * @param url Location of the repository.
 * @param context What the run offers.
 * @throws {unknown} Whatever keeps it from being removed.
 */
export async function emptyMirror(
  directory: string,
  url: string,
  context: SourceContext,
): Promise<void> {
  const { path, lock } = await placeOf(directory, url);
  using _ = await lockMirror(lock, context.cancellation.graceful);
  await removeTree(path);
}

async function placeOf(directory: string, url: string): Promise<Place> {
  const location = plainLocation(url);
  const folder = location.replace(/[^A-Za-z0-9]+/g, "-").slice(-60)
    .replace(/^-/, "");
  const name = `${folder}-${(await digest(location)).slice(0, 16)}`;
  try {
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw sourceError(`make the directory "${directory}"`, osReason(cause));
  }
  return {
    path: join(directory, `${name}.git`),
    lock: join(directory, `${name}.lock`),
  };
}

/** A repository of the run's own on the objects of a mirror. */
interface OpenMirror extends AsyncDisposable {
  readonly repository: Repository;
  /** Tips that the store had, by number. */
  readonly tips: ReadonlyMap<string, string>;
}

async function openMirror(
  { path }: Place,
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
    // For clients that are configured to speak an old protocol.
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
    // Ids of another kind have no use for the objects that are there.
    async make(format) {
      await emptyDirectory(objects);
      await make(format);
    },
  };
  await make(format ?? formatOf(ref));
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

async function update(
  place: Place,
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
      "its own history is not complete",
    );
  }
  await writeTips(place.path, await newTips(repository, tips));
  // Concurrent readers are safe: objects that are in use, or new, are kept.
  await repository.git([
    ...["-c", "gc.auto=6700", "-c", "gc.autoDetach=false"],
    ...["-c", "gc.writeCommitGraph=false", "-c", "repack.writeBitmaps=false"],
    ...["gc", "--auto", "--quiet"],
  ]);
  return found;
}

/** Returns the fetched tips, with the existing tips of all other names. */
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

/** A name without folders: a branch may be called like a folder that is gone. */
function nameInMirror(name: string): string {
  const short = isFullCommitId(name) ? "id" : encodeURIComponent(name);
  return `refs/mirror/${short}`;
}

/**
 * Copies a commit into a clone, which computes the ids of what it gets. Only
 * there can a part of an id be resolved: the mirror may hold other objects.
 */
async function copy(
  mirror: Repository,
  clone: Repository,
  found: FoundCommit,
  ref: string | undefined,
  { depth, everything, retry }: FetchCommitOptions,
  context: SourceContext,
): Promise<FoundCommit> {
  const { id, name = id, isAbbreviated = false } = found;
  if (formatOf(id) !== formatOf(ref)) await clone.make(formatOf(id));
  // Among all of the references, it has its name anyway.
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
  if (!outcome.isFetched) throw sourceError("copy from it", outcome.reason);
  if (!isAbbreviated || ref === undefined) return found;
  const commit = await commitOf(clone, ref);
  if (commit !== undefined) return { id: commit };
  throw sourceError(`find "${ref}" in the mirror`, "no fetched branch has it");
}

async function digest(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** Maximum time to wait for others, in milliseconds: they may fetch a large repository. */
const TIMEOUT_MS = 10 * 60_000;

/**
 * Waits until no other run works on a mirror, and takes it.
 *
 * The lock ends with the process; its file stays.
 *
 * @param path Absolute path of the file that stands for the mirror.
 * @param graceful Stops the wait.
 * @returns The lock, which ends when disposed.
 * @throws {RunnerError} With code `source-failed`, if another run keeps it, or the
 * file cannot be opened.
 * @throws {unknown} The reason of the signal once it is aborted.
 */
export async function lockMirror(
  path: string,
  graceful: AbortSignal,
): Promise<Disposable> {
  return await lockFile(await openFile(path), {
    timeoutMs: TIMEOUT_MS,
    busyError: () => sourceError(`lock "${path}"`, "another run holds it"),
    signal: graceful,
  });
}

async function openFile(path: string): Promise<Deno.FsFile> {
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
