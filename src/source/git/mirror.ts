import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { messageOf, osReason } from "../../errors.ts";
import { sha256Hex } from "../../fs/files.ts";
import { showUrlsIn } from "../../url_secrets.ts";
import { removeTree } from "../../workspace/remove.ts";
import { type SourceContext, sourceError } from "../source.ts";
import {
  fetchCommit,
  type FetchCommitOptions,
  fetchFrom,
  type FoundCommit,
} from "./fetch.ts";
import { lockMirror, MirrorStore } from "./mirror_store.ts";
import { isFullCommitId, trackingName } from "./ref.ts";
import {
  guessObjectFormat,
  type Repository,
  repositoryAt,
  resolveCommit,
} from "./repository.ts";
import type { GitUrl } from "./url.ts";

/** Maximum number of packs in a mirror; more are merged. */
const MAX_PACKS = 20;

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
  await clone.make(guessObjectFormat(ref));
  const found = await fetchCommit(clone, ref, options);
  // The repository itself can be fetched, so the mirror was the problem.
  await clearMirror(directory, clone.url, context).catch(warn);
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
  let lock: Disposable | undefined = await lockMirror(paths.lock, {
    signal: context.cancellation.graceful,
  });
  try {
    await using mirror = await openMirror(paths, clone, ref, context);
    const found = await updateMirror(mirror, ref, options);
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
 * Empties a mirror, so that the next run creates a new one. A full disk or a
 * job may have damaged it. A mirror that another run uses is left.
 */
async function clearMirror(
  directory: string,
  url: GitUrl,
  context: SourceContext,
): Promise<void> {
  const { path, lock } = await mirrorPaths(directory, url);
  const { graceful: signal } = context.cancellation;
  using _ = await lockMirror(lock, { signal, timeoutMs: 0 });
  using store = await MirrorStore.open(path);
  await store.clear();
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
  readonly store: MirrorStore;
}

async function openMirror(
  { path }: MirrorPaths,
  clone: Repository,
  ref: string | undefined,
  context: SourceContext,
): Promise<OpenMirror> {
  await using cleanup = new AsyncDisposableStack();
  const store = cleanup.use(await MirrorStore.open(path));
  const own = await Deno.makeTempDir({
    dir: dirname(clone.gitDirectory),
    prefix: ".mirror-",
  });
  cleanup.defer(async () => void await removeTree(own));
  const inner = repositoryAt({ path: own, bare: true }, clone.url, {
    ...context,
    // The mirror consists of packs.
    config: [["fetch.unpackLimit", "1"]],
  });
  const repository: Repository = {
    ...inner,
    // Objects of another format are useless.
    async make(format) {
      await inner.make(format);
      // For clients that are configured to use an old protocol version.
      await Deno.writeTextFile(
        `${own}/config`,
        "[uploadpack]\n\tallowAnySHA1InWant = true\n",
        { append: true },
      );
    },
  };
  await repository.make(store.format ?? guessObjectFormat(ref));
  await store.addPacksTo(`${own}/objects/pack`);
  const lines = [...store.tips.values()].map((id, index) =>
    `${id} ${TIPS}/${index}\n`
  );
  await Deno.writeTextFile(`${own}/packed-refs`, lines.join(""));
  const disposable = cleanup.move();
  return {
    repository,
    store,
    [Symbol.asyncDispose]: () => disposable.disposeAsync(),
  };
}

async function updateMirror(
  { repository, store }: OpenMirror,
  ref: string | undefined,
  options: FetchCommitOptions,
): Promise<FoundCommit> {
  if (ref !== undefined && isFullCommitId(ref) && !options.everything) {
    const id = await resolveCommit(repository, ref);
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
  await mergePacks(repository);
  await store.save(
    `${repository.gitDirectory}/objects/pack`,
    await newTips(repository, store.tips),
  );
  return found;
}

/** Merges small packs if there are many, which slow git down. */
async function mergePacks({ git, gitDirectory }: Repository): Promise<void> {
  const files = await Array.fromAsync(
    Deno.readDir(`${gitDirectory}/objects/pack`),
  );
  const packs = files.filter(({ name }) => name.endsWith(".pack"));
  if (packs.length <= MAX_PACKS) return;
  const repack = (how: string) =>
    git(["-c", "repack.writeBitmaps=false", "repack", how, "-d", "-n", "-q"]);
  // Versions before 2.32 can only merge all packs.
  if ((await repack("--geometric=2")).exitCode !== 0) await repack("-a");
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
  const [[, first] = []] = fetched;
  // The object format of the server may have changed.
  const isUsable = (id: string) => id.length === (first ?? id).length;
  return new Map([
    ...[...tips].filter(([, id]) => isUsable(id)),
    ...fetched,
  ]);
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
  if (guessObjectFormat(id) !== guessObjectFormat(ref)) {
    await clone.make(guessObjectFormat(id));
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
  const commit = await resolveCommit(clone, ref);
  if (commit !== undefined) return { id: commit };
  throw sourceError(`find "${ref}" in the mirror`, "no fetched branch has it");
}
