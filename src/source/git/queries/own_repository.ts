import type { PrivateDirectory } from "../../../fs/temporary_directory.ts";
import { openWorkspace } from "../../../workspace/layout.ts";
import { temporaryDirectory } from "../../../workspace/temporary.ts";
import type { ConfigEntry } from "../config_entries.ts";
import { quotedPath } from "../quoted_path.ts";
import { copyFiles, copyReferences } from "./copy_references.ts";
import type { RepositoryParts } from "./find_repository.ts";
import { listPlainFiles, lstatIfThere, readPlainText } from "./plain_files.ts";
import { queryError } from "./query_error.ts";
import { configText } from "./repository_config.ts";

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
    throw queryError(action, "its references are not stored as files");
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
    throw queryError(action, "not a git repository");
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
  if (!info?.isDirectory) throw queryError(action, "not a git repository");
  await listPlainFiles(objects, (path) => {
    throw queryError(action, `"${path}" is not a regular file`);
  });
  const alternates = await readPlainText(`${objects}/info/alternates`);
  for (const line of alternates.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    throw queryError(
      action,
      `it borrows objects of ${JSON.stringify(line)}, outside of it`,
    );
  }
  return objects;
}
