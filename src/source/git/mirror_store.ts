import { join } from "@std/path/posix/join";
import { readUntrusted } from "../../fs/read_untrusted.ts";
import { emptyDirectory, removeTree } from "../../workspace/remove.ts";
import { writeAtomic } from "../../fs/write_atomic.ts";
import type { ObjectFormat } from "./repository.ts";

/**
 * What a mirror keeps: objects, and the tips of what was fetched.
 *
 * Every job that runs with the directory can write to it. So nothing in it is
 * configuration, and nothing is believed:
 *
 * 1. Of the objects, packs and loose objects stay that are regular files in
 *    their places. Everything else goes before git looks at it: alternates,
 *    graphs and indexes beside the packs, links, pipes, unfinished files.
 * 2. The tips are ids and names. The server learns from them what it need not send;
 *    no name is resolved by them.
 * 3. Git works on the objects from a repository of the run's own.
 * 4. What leaves the mirror is sent as a pack, and the clone computes the id of
 *    each object from its content. An object that is not what its name says is
 *    missing there, and the clone is fetched without the mirror.
 */
export interface MirrorStore {
  /** Absolute path of the objects. */
  readonly objects: string;
  /** Id of each tip, by the name that it has at the remote. */
  readonly tips: ReadonlyMap<string, string>;
  /** Kind of the ids; `undefined` if there are none. */
  readonly format: ObjectFormat | undefined;
}

/** Maximum size of a file with tips, in bytes: it holds 200,000 of them. */
const MAX_TIPS_BYTES = 16 * 1024 * 1024;

const TIP = /^([0-9a-f]{40}|[0-9a-f]{64}) ([^\s\ufffd]+)$/;
const PACK = /^pack-[0-9a-f]+\.(?:pack|idx)$/;
const FOLDER = /^[0-9a-f]{2}$/;
const OBJECT = /^(?:[0-9a-f]{38}|[0-9a-f]{62})$/;

/**
 * Opens the store of a mirror, and removes what is not part of one.
 *
 * @param path Absolute path of its directory, on which the caller has the lock.
 * @returns The store.
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
  // Without tips, git would not know of any object.
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
 * Writes down the tips of a store.
 *
 * @param path Absolute path of its directory, on which the caller has the lock.
 * @param tips Id of each tip, by name.
 * @throws {RunnerError} With code `output-failed`, if that cannot be done.
 */
export async function writeTips(
  path: string,
  tips: ReadonlyMap<string, string>,
): Promise<void> {
  const lines = [...tips].map(([name, id]) => `${id} ${name}\n`);
  await writeAtomic(join(path, "tips"), lines.join(""), { mode: 0o600 });
}

async function readTips(path: string): Promise<Map<string, string>> {
  let text: string;
  try {
    const bytes = await readUntrusted(join(path, "tips"), {
      maxBytes: MAX_TIPS_BYTES,
    });
    text = new TextDecoder().decode(bytes);
  } catch {
    // A mirror that cannot be read starts anew.
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

/** Removes the other entries of a directory; links are removed, not followed. */
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

/** Something else of that name, such as a link, is replaced. */
async function makeDirectory(path: string): Promise<void> {
  const info = await Deno.lstat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (info?.isDirectory) return;
  if (info !== undefined) await Deno.remove(path);
  await Deno.mkdir(path);
}
