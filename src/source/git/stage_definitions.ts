import { messageOf } from "../../errors.ts";
import { gitError } from "./failure.ts";
import { gitReason } from "./reason.ts";
import type { Repository } from "./repository.ts";

/** Folder of the job definitions in a repository. */
const FOLDER = ".reactorcide";

/** An entry as `git ls-tree` tells it: mode, type, id, path. */
const ENTRY = /^(\d+) (\w+) [0-9a-f]+\t(.*)$/s;

/**
 * Writes the job definitions of a commit into a directory, and nothing else of
 * it. A commit without any gives an empty folder.
 *
 * @param repository Repository that has the commit.
 * @param commit Id of the commit.
 * @param directory Absolute path of the directory.
 * @throws {RunnerError} With code `source-failed`, if there is anything but
 * files and folders among them, or git fails.
 */
export async function stageDefinitions(
  repository: Repository,
  commit: string,
  directory: string,
): Promise<void> {
  const { git, url } = repository;
  const action = `take the job definitions from "${commit}"`;
  const run = async (args: string[], variables?: Record<string, string>) => {
    const result = await git(args, variables);
    if (result.exitCode !== 0) throw gitError(action, gitReason(result, url));
    return result.stdout;
  };
  const listed = await run(
    ["ls-tree", "-r", "-z", "--full-tree", commit, "--", FOLDER],
  );
  const entries = listed.split("\0").filter((entry) => entry !== "");
  for (const entry of entries) {
    const problem = problemOf(entry);
    if (problem !== undefined) throw gitError(action, problem);
  }
  try {
    await Deno.mkdir(`${directory}/${FOLDER}`, { recursive: true });
  } catch (cause) {
    throw gitError(action, messageOf(cause));
  }
  if (entries.length === 0) return;
  // An index of its own, since the one of the repository is the job's.
  const variables = { GIT_INDEX_FILE: `${repository.gitDirectory}/staged` };
  await run(
    ["read-tree", `--prefix=${FOLDER}/`, `${commit}:${FOLDER}`],
    variables,
  );
  await run(["checkout-index", "--all", `--prefix=${directory}/`], variables);
  await Deno.remove(variables.GIT_INDEX_FILE);
}

function problemOf(entry: string): string | undefined {
  const [, mode, , path = entry] = ENTRY.exec(entry) ?? [];
  const isInside = path.startsWith(`${FOLDER}/`) &&
    !path.split("/").includes("..");
  if (isInside && (mode === "100644" || mode === "100755")) return undefined;
  return `${JSON.stringify(path)} is no regular file`;
}
