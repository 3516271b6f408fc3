import { join } from "@std/path/posix/join";
import { osReason, RunnerError } from "../../errors.ts";
import { lockFile } from "../../fs/file_lock.ts";
import { lstatIfThere } from "../../fs/files.ts";
import { readUntrusted } from "../../fs/untrusted_file.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import { emptyDirectory, removeTree } from "../../workspace/remove.ts";
import { sourceError } from "../source.ts";
import type { ObjectFormat } from "./repository.ts";

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
export async function lockMirror(
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
export async function openMirrorStore(path: string): Promise<MirrorStore> {
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
export async function writeTips(
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
