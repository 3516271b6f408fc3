import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { osReason } from "../../os_reason.ts";
import { emptyDirectory } from "../../workspace/remove.ts";
import type { SourceContext } from "../source_request.ts";
import { gitError } from "./failure.ts";
import { fetchFrom } from "./fetch.ts";
import {
  fetchCommit,
  type FetchCommitOptions,
  type FoundCommit,
} from "./fetch_commit.ts";
import { splitLogin } from "./login.ts";
import { lockMirror } from "./mirror_lock.ts";
import { isFullCommitId, trackingName } from "./ref.ts";
import { commitOf, type Repository, repositoryAt } from "./repository.ts";
import { plainLocation } from "./same_repository.ts";

/** The place of one repository among those that runs share. */
interface Place {
  /** Absolute path of the bare repository. */
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
 * connection. So those who may read the directory may read what is in it.
 *
 * @param directory Absolute path of the directory of mirrors.
 * @param clone Clone that holds nothing yet.
 * @param ref Name that was judged; `undefined` for the default branch.
 * @param options How much of the history, and who connects.
 * @param context What the run offers.
 * @returns Id of the commit, or of a tag that names it.
 * @throws {RunnerError} With code `source-failed`, if that fails.
 */
export async function fetchThroughMirror(
  directory: string,
  clone: Repository,
  ref: string | undefined,
  options: FetchCommitOptions,
  context: SourceContext,
): Promise<string> {
  const place = await placeOf(directory, clone.url);
  const found = await update(place, clone.url, ref, options, context);
  await copy(place, clone, found, options, context);
  return found.id;
}

/**
 * Empties the mirror of a repository, so that the next run finds a sound one:
 * an interrupted git leaves locks behind, a full disk half an object.
 *
 * @param directory Absolute path of the directory of mirrors.
 * @param url Location of the repository.
 * @param context What the run offers.
 * @throws {unknown} Whatever keeps it from being emptied.
 */
export async function emptyMirror(
  directory: string,
  url: string,
  context: SourceContext,
): Promise<void> {
  const { path, lock } = await placeOf(directory, url);
  using _ = await lockMirror(lock, context.cancellation.asked);
  await emptyDirectory(path);
}

async function placeOf(directory: string, url: string): Promise<Place> {
  const location = plainLocation(url);
  const folder = location.replace(/[^A-Za-z0-9]+/g, "-").slice(-60)
    .replace(/^-/, "");
  const name = `${folder}-${(await digest(location)).slice(0, 16)}`;
  try {
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw gitError(`make the directory "${directory}"`, osReason(cause));
  }
  return {
    path: join(directory, `${name}.git`),
    lock: join(directory, `${name}.lock`),
  };
}

async function update(
  { path, lock }: Place,
  url: string,
  ref: string | undefined,
  options: FetchCommitOptions,
  context: SourceContext,
): Promise<FoundCommit> {
  using _ = await lockMirror(lock, context.cancellation.asked);
  await Deno.mkdir(path, { recursive: true });
  const mirror = repositoryAt({ path, bare: true }, url, context);
  await open(mirror);
  if (ref !== undefined && isFullCommitId(ref) && !options.everything) {
    const id = await commitOf(mirror, ref);
    if (id !== undefined) return { id };
  }
  const found = await fetchCommit(mirror, ref, {
    ...options,
    depth: 0,
    filter: undefined,
    nameHere: nameInMirror,
  });
  // Whoever reads meanwhile is not disturbed: what is in use, or new, stays.
  await mirror.git([
    ...["-c", "gc.auto=6700", "-c", "gc.autoDetach=false"],
    ...["gc", "--auto", "--quiet"],
  ]);
  return found;
}

/** What an interrupted run began is made anew; the location may be spelled otherwise. */
async function open(mirror: Repository): Promise<void> {
  const { stdout } = await mirror.git(["config", "remote.origin.url"]);
  if (stdout === "") await mirror.make("sha1");
  const { publicUrl } = splitLogin(mirror.url);
  if (stdout.trim() !== publicUrl) {
    await mirror.git(["config", "remote.origin.url", publicUrl]);
  }
  // For clients that are told to speak an old protocol.
  await mirror.git(["config", "uploadpack.allowAnySHA1InWant", "true"]);
}

/** A name without folders: a branch may be called like a folder that is gone. */
function nameInMirror(name: string): string {
  const short = isFullCommitId(name) ? "id" : encodeURIComponent(name);
  return `refs/mirror/${short}`;
}

async function copy(
  { path }: Place,
  clone: Repository,
  { id, name = id }: FoundCommit,
  { depth, everything, retry }: FetchCommitOptions,
  context: SourceContext,
): Promise<void> {
  const here = trackingName(name);
  const nearby = repositoryAt(
    { path: dirname(clone.gitDirectory) },
    clone.url,
    { ...context, variables: { GIT_ALLOW_PROTOCOL: "file" } },
  );
  const outcome = await fetchFrom(nearby, {
    remote: path,
    refspecs: [
      here === undefined ? id : `+${id}:${here}`,
      ...everything
        ? [
          "+refs/remotes/origin/*:refs/remotes/origin/*",
          "+refs/tags/*:refs/tags/*",
        ]
        : [],
    ],
    depth,
    filter: undefined,
  }, retry);
  if (!outcome.isFetched) {
    throw gitError(`copy from the mirror "${path}"`, outcome.reason);
  }
}

async function digest(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
