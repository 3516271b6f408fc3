import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { resolve } from "@std/path/posix/resolve";
import type { Environment } from "../../../environment/variables.ts";
import { osReason } from "../../../errors.ts";
import { isMissing, lstatIfThere, writeAll } from "../../../fs/files.ts";
import {
  type PrivateDirectory,
  temporaryDirectory,
} from "../../../fs/temporary_directory.ts";
import { openUntrusted, readUntrusted } from "../../../fs/untrusted_file.ts";
import { isInside } from "../../../job_path.ts";
import { openWorkspace } from "../../../workspace/layout.ts";
import { sourceError } from "../../source.ts";
import { type ConfigEntry, configText, quotePath } from "../git_config.ts";

/** Maximum size of a file that is copied from a repository, in bytes. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** Size of the chunks in which a file is copied, in bytes. */
const CHUNK_BYTES = 1024 * 1024;

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
  const refStorage = all.get("extensions.refstorage");
  if (refStorage !== undefined && refStorage !== "files") {
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
  const objects = await checkObjects(commonDirectory, action);
  await Deno.writeTextFile(
    `${privatePath}/objects/info/alternates`,
    `${quotePath(objects)}\n`,
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
async function checkObjects(
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
    for (const name of await listRefs(directory)) {
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

async function listRefs(directory: string): Promise<string[]> {
  const names = await listPlainFiles(`${directory}/refs`, () => {});
  return names.map((name) => `refs/${name}`).filter((name) => NAME.test(name));
}

/** Paths of a repository. */
export interface RepositoryParts {
  /** Absolute path of the work tree. */
  readonly workTree: string;
  /** Absolute path of the data of this work tree only, such as its index. */
  readonly gitDirectory: string;
  /**
   * Absolute path of the data that all work trees share: objects, refs,
   * configuration.
   */
  readonly commonDirectory: string;
}

/** Reads a git configuration file without its includes. */
export type ReadConfig = (path: string) => Promise<ReadonlyMap<string, string>>;

/**
 * Finds the repository in exactly this directory. A repository in a parent
 * directory does not count.
 *
 * The directory may come from an archive or a step, so its `.git` file alone is
 * not trusted. A repository elsewhere, as for submodules and `git worktree`, is
 * used only if it names this directory as its work tree.
 *
 * @throws {RunnerError} With code `source-failed`, if no repository is found.
 */
export async function findRepository(
  path: string,
  readConfig: ReadConfig,
): Promise<RepositoryParts> {
  const action = `read "${path}"`;
  const info = await Deno.stat(path).catch(() => undefined);
  if (!info?.isDirectory) throw sourceError(action, "no such directory");
  const workTree = await Deno.realPath(path);
  const dotGit = `${workTree}/.git`;
  const entry = await lstatIfThere(dotGit);
  if (entry === undefined) throw sourceError(action, "not a git repository");
  if (entry.isDirectory) {
    return { workTree, ...await findCommonDirectory(dotGit, dotGit) };
  }
  const target = entry.isSymlink ? dotGit : await readGitFile(dotGit);
  const gitDirectory = await realPath(target, action);
  const parts = {
    workTree,
    ...await findCommonDirectory(gitDirectory, dotGit),
  };
  const isOwn = isInside(workTree, gitDirectory) &&
    isInside(workTree, parts.commonDirectory);
  if (!isOwn && !await namesWorkTree(parts, readConfig)) {
    throw sourceError(
      action,
      `its repository "${gitDirectory}" is elsewhere and belongs to another directory`,
    );
  }
  return parts;
}

async function readGitFile(dotGit: string): Promise<string> {
  const [, target] =
    /^gitdir: ([^\n]+)\n*$/.exec(await readPlainText(dotGit)) ??
      [];
  if (target === undefined) {
    throw sourceError(`read "${dotGit}"`, "not a git repository");
  }
  return resolve(dirname(dotGit), target);
}

/** The repository of a linked work tree is in `worktrees` of the shared one. */
async function findCommonDirectory(
  gitDirectory: string,
  dotGit: string,
): Promise<Omit<RepositoryParts, "workTree">> {
  const action = `read "${dotGit}"`;
  const text = (await readPlainText(`${gitDirectory}/commondir`)).trim();
  if (text === "") return { gitDirectory, commonDirectory: gitDirectory };
  const commonDirectory = await realPath(resolve(gitDirectory, text), action);
  const folder = dirname(gitDirectory);
  if (
    basename(folder) !== "worktrees" || dirname(folder) !== commonDirectory
  ) {
    throw sourceError(
      action,
      "its common directory is not its parent directory",
    );
  }
  return { gitDirectory, commonDirectory };
}

async function namesWorkTree(
  { workTree, gitDirectory, commonDirectory }: RepositoryParts,
  readConfig: ReadConfig,
): Promise<boolean> {
  if (gitDirectory !== commonDirectory) {
    const text = (await readPlainText(`${gitDirectory}/gitdir`)).trim();
    return text !== "" && resolve(gitDirectory, text) === `${workTree}/.git`;
  }
  const config = await readConfig(`${gitDirectory}/config`);
  const named = config.get("core.worktree");
  if (named === undefined) return false;
  const real = await Deno.realPath(resolve(gitDirectory, named))
    .catch(() => undefined);
  return real === workTree;
}

async function realPath(path: string, action: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (cause) {
    throw sourceError(action, "not a git repository", cause);
  }
}

/**
 * Reads an untrusted file only if it is a regular file of limited size. Opening
 * anything else could block, never end, or lead elsewhere.
 *
 * @returns The bytes; `undefined` if the file does not exist.
 * @throws {RunnerError} With code `source-failed`, if it is not a regular file,
 * or is too large.
 */
export async function readPlainFile(
  path: string,
  maxBytes = MAX_FILE_BYTES,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await readUntrusted(path, { maxBytes });
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw sourceError(`read "${path}"`, osReason(cause), cause);
  }
}

/**
 * Copies a file with the checks of {@linkcode readPlainFile}, in chunks.
 *
 * @param from Absolute path. A missing file is not copied.
 * @throws {RunnerError} With code `source-failed`, if it is not a regular file,
 * or is too large.
 */
export async function copyPlainFile(
  from: string,
  to: string,
  maxBytes: number,
): Promise<void> {
  try {
    await using file = await openUntrusted(from);
    if (file.size > maxBytes) {
      throw new Error(`it is larger than ${maxBytes} bytes`);
    }
    using copy = await Deno.open(to, { write: true, createNew: true });
    const buffer = new Uint8Array(Math.min(file.size, CHUNK_BYTES));
    for (let left = file.size; left > 0;) {
      const count = await file.read(buffer.subarray(0, left));
      if (count === 0) throw new Error("it changed while it was being read");
      await writeAll(copy, buffer.subarray(0, count));
      left -= count;
    }
  } catch (cause) {
    if (isMissing(cause)) return;
    throw sourceError(`read "${from}"`, osReason(cause), cause);
  }
}

/**
 * Reads text with the checks of {@linkcode readPlainFile}.
 *
 * @returns The text; empty if the file does not exist.
 * @throws {RunnerError} With code `source-failed`, if it is not a regular file,
 * or is too large.
 */
async function readPlainText(path: string): Promise<string> {
  return new TextDecoder().decode(await readPlainFile(path));
}

/**
 * Lists the regular files in an untrusted directory and its subdirectories.
 *
 * @param directory Absolute path. A missing directory has no files.
 * @param onOther Called with the absolute path of everything that is neither a
 * regular file nor a directory.
 * @returns Paths relative to the directory.
 * @throws {RunnerError} With code `source-failed`, if it is not a directory.
 */
async function listPlainFiles(
  directory: string,
  onOther: (path: string) => void,
): Promise<string[]> {
  const info = await lstatIfThere(directory);
  if (info === undefined) return [];
  if (!info.isDirectory) {
    throw sourceError(`read "${directory}"`, "not a directory");
  }
  const files: string[] = [];
  const visit = async (prefix: string) => {
    for await (const entry of Deno.readDir(`${directory}/${prefix}`)) {
      const path = `${prefix}${entry.name}`;
      if (entry.isDirectory) await visit(`${path}/`);
      else if (entry.isFile) files.push(path);
      else onOther(`${directory}/${path}`);
    }
  };
  await visit("");
  return files;
}
