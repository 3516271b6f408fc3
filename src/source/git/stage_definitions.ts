import { messageOf } from "../../errors.ts";
import { removeTree } from "../../workspace/remove.ts";
import { gitError } from "./failure.ts";
import { wholeOutput } from "./queries/whole_output.ts";
import { gitReason } from "./reason.ts";
import type { Repository } from "./repository.ts";
import type { Retry } from "./retry.ts";

/** Folder of the job definitions in a repository. */
const FOLDER = ".reactorcide";

/**
 * Attributes that win over those of the tree: files are written as they are
 * stored. So no tree can choose a filter, such as that of Git LFS, which asks
 * the server that the tree names.
 */
const PLAIN_ATTRIBUTES = "* -filter -text -ident !working-tree-encoding\n";

/** An entry as `git ls-tree` lists it: mode, type, id, path. */
const ENTRY = /^(\d+) (\w+) [0-9a-f]+\t(.*)$/s;

/**
 * Writes the job definitions of a commit into a directory, and nothing else of
 * it. A commit without any gives an empty folder.
 *
 * @param repository Repository that has the commit.
 * @param commit Id of the commit.
 * @param directory Absolute path of the directory; it is absent after an error.
 * @param retry Does what connects.
 * @throws {RunnerError} With code `source-failed`, if there is anything but
 * files and folders among them, or git fails.
 */
export async function stageDefinitions(
  repository: Repository,
  commit: string,
  directory: string,
  retry: Retry,
): Promise<void> {
  const { git, gitDirectory, url } = repository;
  const action = `take the job definitions from "${commit}"`;
  const listed = wholeOutput(
    await git(["ls-tree", "-r", "-z", "--full-tree", commit, "--", FOLDER]),
    action,
  );
  const entries = listed.split("\0").filter((entry) => entry !== "");
  for (const entry of entries) {
    const problem = problemOf(entry);
    if (problem !== undefined) throw gitError(action, problem);
  }
  // An index of its own, since the one of the repository is the job's.
  const variables = { GIT_INDEX_FILE: `${gitDirectory}/staged` };
  const attributes = `${gitDirectory}/info/attributes`;
  await using cleanup = new AsyncDisposableStack();
  const undo = cleanup.use(new AsyncDisposableStack());
  undo.defer(async () => void await removeTree(directory));
  try {
    await makeNoDefinitions(directory);
    await Deno.mkdir(`${gitDirectory}/info`, { recursive: true });
    await Deno.writeTextFile(attributes, PLAIN_ATTRIBUTES);
  } catch (cause) {
    throw gitError(action, messageOf(cause));
  }
  for (const path of [attributes, variables.GIT_INDEX_FILE]) {
    cleanup.defer(async () => void await removeTree(path));
  }
  const commands = entries.length === 0 ? [] : [
    ["read-tree", `--prefix=${FOLDER}/`, `${commit}:${FOLDER}`],
    // Files that are missing in a partial clone are fetched now.
    ["checkout-index", "--all", "--force", `--prefix=${directory}/`],
  ];
  for (const command of commands) {
    const result = await retry(() => git(command, variables));
    if (result.exitCode !== 0) throw gitError(action, gitReason(result, url));
  }
  undo.move();
}

/**
 * Makes a directory as that of a commit without job definitions.
 *
 * @param directory Absolute path of the directory.
 */
export async function makeNoDefinitions(directory: string): Promise<void> {
  await Deno.mkdir(`${directory}/${FOLDER}`, { recursive: true });
}

function problemOf(entry: string): string | undefined {
  const [, mode, , path = entry] = ENTRY.exec(entry) ?? [];
  const isInside = path.startsWith(`${FOLDER}/`) &&
    !path.split("/").includes("..");
  if (isInside && (mode === "100644" || mode === "100755")) return undefined;
  return `${JSON.stringify(path)} is not a regular file`;
}
