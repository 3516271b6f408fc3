import { dirname } from "@std/path/posix/dirname";
import type { Environment } from "../../../environment/variables.ts";
import { lstatIfThere } from "../../../fs/files.ts";
import {
  type PrivateDirectory,
  temporaryDirectory,
} from "../../../fs/temporary_directory.ts";
import { openWorkspace } from "../../../workspace/layout.ts";
import { sourceError } from "../../source.ts";
import { type ConfigEntry, configText, quotedPath } from "../git_config.ts";
import type { RepositoryParts } from "./find_repository.ts";
import {
  listPlainFiles,
  readPlainFile,
  readPlainText,
} from "./untrusted_files.ts";

/**
 * Creates the directory of a private repository.
 *
 * @param env Environment that determines where the workspace is.
 * @returns The directory, which is removed when disposed.
 * @throws {RunnerError} With code `workspace`, if it cannot be created.
 */
export async function createPrivateRepository(
  env: Environment,
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
 * Fills a private repository with everything that queries need of the actual
 * one: a reference to its objects, and copies of its refs and some settings.
 *
 * @param privatePath Absolute path of the private repository.
 * @param path Path of the actual repository, for errors.
 * @param all All settings of the actual repository.
 * @param settings Settings that are copied.
 * @returns Settings that describe the storage format.
 * @throws {RunnerError} With code `source-failed`, if it is not a repository,
 * or refers to files outside it.
 */
export async function fillPrivateRepository(
  privatePath: string,
  path: string,
  parts: RepositoryParts,
  all: ReadonlyMap<string, string>,
  settings: readonly ConfigEntry[],
): Promise<readonly ConfigEntry[]> {
  const action = `read "${path}"`;
  const { commonDirectory, gitDirectory } = parts;
  const references = all.get("extensions.refstorage");
  if (references !== undefined && references !== "files") {
    throw sourceError(action, "its refs are not stored as files");
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
    `${privatePath}/config`,
    configText([...extensions, ...settings]),
  );
  const objects = await plainObjects(commonDirectory, action);
  await Deno.writeTextFile(
    `${privatePath}/objects/info/alternates`,
    `${quotedPath(objects)}\n`,
  );
  if (!await copyReferences(parts, privatePath)) {
    throw sourceError(action, "not a git repository");
  }
  await copyFiles(commonDirectory, privatePath, [
    "shallow",
    "info/exclude",
    "info/attributes",
  ]);
  await copyFiles(gitDirectory, privatePath, ["info/sparse-checkout"]);
  return extensions;
}

/** Verifies that the objects are inside the repository and contain no links. */
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
      `it uses objects of another repository: ${JSON.stringify(line)}`,
    );
  }
  return objects;
}

/** Refs outside `refs/` that users refer to. */
const PSEUDO_REFERENCES = [
  "FETCH_HEAD",
  "ORIG_HEAD",
  "MERGE_HEAD",
  "CHERRY_PICK_HEAD",
  "REVERT_HEAD",
  "REBASE_HEAD",
];

/** A valid ref name, except of replacement refs. */
// deno-lint-ignore no-control-regex
const NAME = /^refs\/(?!replace\/)[^\x00-\x20\x7f\ufffd]+$/;

const ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/**
 * Copies the refs of a repository as data, without following anything.
 * Replacement refs are left out.
 *
 * @param target Absolute path of the private repository.
 * @returns Whether `HEAD` is valid.
 */
async function copyReferences(
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
 * Copies the reflogs, which `@{…}` refers to.
 *
 * @param target Absolute path of the private repository.
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
 * Copies the files that exist.
 *
 * @param from Absolute path of a directory.
 * @param to Absolute path of another directory.
 * @param names Paths relative to both.
 */
async function copyFiles(
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
