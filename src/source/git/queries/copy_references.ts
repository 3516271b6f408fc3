import { dirname } from "@std/path/posix/dirname";
import { listPlainFiles, readPlainFile, readPlainText } from "./plain_files.ts";
import type { RepositoryParts } from "./find_repository.ts";

/** References outside `refs/` by which people name a commit. */
const PSEUDO_REFERENCES = [
  "FETCH_HEAD",
  "ORIG_HEAD",
  "MERGE_HEAD",
  "CHERRY_PICK_HEAD",
  "REVERT_HEAD",
  "REBASE_HEAD",
];

/** A name without what git and its files cannot hold. */
// deno-lint-ignore no-control-regex
const NAME = /^refs\/(?!replace\/)[^\x00-\x20\x7f\ufffd]+$/;

const ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * Copies what names commits into another repository, as data: nothing of it is
 * followed. References that replace objects are left out.
 *
 * @param parts The repository.
 * @param target Absolute path of the other one.
 * @returns Whether `HEAD` is one of a repository.
 */
export async function copyReferences(
  { gitDirectory, commonDirectory }: RepositoryParts,
  target: string,
): Promise<boolean> {
  const head = (await readPlainText(`${gitDirectory}/HEAD`)).trim();
  const isHead = ID.test(head) || NAME.test(head.replace(/^ref: */, ""));
  if (!isHead) return false;
  await Deno.writeTextFile(`${target}/HEAD`, `${head}\n`);
  const ids = new Map<string, string>();
  const packed = await readPlainText(`${commonDirectory}/packed-refs`);
  for (const line of packed.split("\n")) {
    const [id, name = ""] = line.split(" ");
    if (ID.test(id) && NAME.test(name)) ids.set(name, id);
  }
  for (const directory of new Set([commonDirectory, gitDirectory])) {
    for (const name of await namesIn(directory)) {
      const text = (await readPlainText(`${directory}/${name}`)).trim();
      if (ID.test(text)) ids.set(name, text);
      else if (NAME.test(text.replace(/^ref: */, ""))) {
        ids.delete(name);
        await Deno.mkdir(dirname(`${target}/${name}`), { recursive: true });
        await Deno.writeTextFile(`${target}/${name}`, `${text}\n`);
      }
    }
  }
  const lines = [...ids].map(([name, id]) => `${id} ${name}\n`);
  await Deno.writeTextFile(`${target}/packed-refs`, lines.join(""));
  await copyFiles(gitDirectory, target, PSEUDO_REFERENCES);
  return true;
}

/**
 * Copies the earlier values of references, which `@{…}` asks for.
 *
 * @param parts The repository.
 * @param target Absolute path of the other one.
 */
export async function copyReflogs(
  { gitDirectory, commonDirectory }: RepositoryParts,
  target: string,
): Promise<void> {
  for (const directory of new Set([commonDirectory, gitDirectory])) {
    const logs = await listPlainFiles(`${directory}/logs`, () => {});
    const names = logs.filter((name) => name === "HEAD" || NAME.test(name));
    await copyFiles(`${directory}/logs`, `${target}/logs`, names);
  }
}

/**
 * Copies files of a repository that are there; others are left out.
 *
 * @param from Absolute path of a directory.
 * @param to Absolute path of another one.
 * @param names Paths relative to both.
 */
export async function copyFiles(
  from: string,
  to: string,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    const bytes = await readPlainFile(`${from}/${name}`);
    if (bytes === undefined) continue;
    await Deno.mkdir(dirname(`${to}/${name}`), { recursive: true });
    await Deno.writeFile(`${to}/${name}`, bytes);
  }
}

async function namesIn(directory: string): Promise<string[]> {
  const names = await listPlainFiles(`${directory}/refs`, () => {});
  return names.map((name) => `refs/${name}`).filter((name) => NAME.test(name));
}
