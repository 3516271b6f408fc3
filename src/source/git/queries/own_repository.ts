import { dirname } from "@std/path/posix/dirname";
import type { PrivateDirectory } from "../../../fs/temporary_directory.ts";
import { openWorkspace } from "../../../workspace/layout.ts";
import { temporaryDirectory } from "../../../workspace/temporary.ts";
import { type ConfigEntry, configText, quotedPath } from "../config.ts";
import type { RepositoryParts } from "./find_repository.ts";
import {
  listPlainFiles,
  lstatIfThere,
  readPlainFile,
  readPlainText,
} from "./plain_files.ts";
import { sourceError } from "../../source_error.ts";

/**
 * Creates the directory of a repository that the runner writes anew.
 *
 * @param env Environment, which says where the workspace is.
 * @param cwd Absolute path of the current directory.
 * @returns The directory; it is removed when disposed.
 * @throws {RunnerError} With code `workspace`, if there is no place for it.
 */
export async function makeOwnDirectory(
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<PrivateDirectory> {
  const workspace = openWorkspace({ cwd, env });
  using stack = new DisposableStack();
  const directory = stack.use(temporaryDirectory({ env, workspace }));
  for (const name of ["objects/info", "refs", "info"]) {
    await Deno.mkdir(`${directory.path}/${name}`, { recursive: true });
  }
  await Deno.writeTextFile(
    `${directory.path}/HEAD`,
    "ref: refs/heads/none\n",
  );
  stack.move();
  return directory;
}

/**
 * Fills it with what questions need of another repository: a way to its objects,
 * and copies of its references and of a few settings.
 *
 * @param ownDirectory Absolute path of the directory.
 * @param path Path of the other one, for errors.
 * @param parts Where the other one is.
 * @param all All of its settings.
 * @param settings Those that are taken over.
 * @returns Settings that say how it is stored.
 * @throws {RunnerError} With code `source-failed`, if it is not a repository, or
 * leads out of itself.
 */
export async function fillOwnDirectory(
  ownDirectory: string,
  path: string,
  parts: RepositoryParts,
  all: ReadonlyMap<string, string>,
  settings: readonly ConfigEntry[],
): Promise<readonly ConfigEntry[]> {
  const action = `read "${path}"`;
  const { commonDirectory, gitDirectory } = parts;
  const references = all.get("extensions.refstorage");
  if (references !== undefined && references !== "files") {
    throw sourceError(action, "its references are not stored as files");
  }
  const format = all.get("extensions.objectformat") ?? "sha1";
  const isSha256 = /^sha256$/i.test(format);
  const extensions: ConfigEntry[] = [
    ["core.repositoryformatversion", isSha256 ? "1" : "0"],
    ...isSha256
      ? [["extensions.objectformat", "sha256"] satisfies ConfigEntry]
      : [],
    ["core.bare", "false"],
  ];
  await Deno.writeTextFile(
    `${ownDirectory}/config`,
    configText([...extensions, ...settings]),
  );
  const objects = await plainObjects(commonDirectory, action);
  await Deno.writeTextFile(
    `${ownDirectory}/objects/info/alternates`,
    `${quotedPath(objects)}\n`,
  );
  if (!await copyReferences(parts, ownDirectory)) {
    throw sourceError(action, "not a git repository");
  }
  await copyFiles(commonDirectory, ownDirectory, [
    "shallow",
    "info/exclude",
    "info/attributes",
  ]);
  await copyFiles(gitDirectory, ownDirectory, ["info/sparse-checkout"]);
  return extensions;
}

/** Makes sure that the objects are in their directory, and lead nowhere. */
async function plainObjects(
  commonDirectory: string,
  action: string,
): Promise<string> {
  const objects = `${commonDirectory}/objects`;
  const info = await lstatIfThere(objects);
  if (!info?.isDirectory) throw sourceError(action, "not a git repository");
  await listPlainFiles(objects, (path) => {
    throw sourceError(action, `"${path}" is not a regular file`);
  });
  const alternates = await readPlainText(`${objects}/info/alternates`);
  for (const line of alternates.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    throw sourceError(
      action,
      `it borrows objects of ${JSON.stringify(line)}, outside of it`,
    );
  }
  return objects;
}

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
