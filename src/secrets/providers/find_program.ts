import { isInside } from "../../job_path.ts";

/** Where programs are searched if `PATH` is not set. */
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/**
 * Removes the directories of `PATH` in which tested code could put a program:
 * relative ones, and those in directories that it can write to.
 *
 * @param untrusted Absolute paths of directories.
 */
export async function trustedPath(
  path: string | undefined,
  untrusted: readonly string[],
): Promise<string> {
  const roots = await Promise.all(untrusted.map(realPath));
  const kept: string[] = [];
  for (const entry of (path ?? DEFAULT_PATH).split(":")) {
    if (!entry.startsWith("/")) continue;
    const directory = await realPath(entry);
    if (!roots.some((root) => isInside(root, directory))) kept.push(entry);
  }
  return kept.join(":");
}

/**
 * Finds a program.
 *
 * @param name Absolute path, or name to find on a path.
 * @param path Directories to search, as in `PATH`; all are absolute.
 * @param workspace Directory that must not contain the program.
 * @throws {TypeError} If the program does not exist, or is in the workspace.
 * @throws {Deno.errors.NotCapable} If the runner must not look for it, as in a
 * pipeline with few permissions.
 */
export async function findProgram(
  name: string,
  path: string,
  workspace: string,
): Promise<string> {
  const root = await realPath(workspace);
  const places = name.startsWith("/")
    ? [name]
    : path.split(":").filter(Boolean).map((entry) => `${entry}/${name}`);
  let denied: unknown;
  for (const place of places) {
    try {
      if (!await isProgram(place)) continue;
    } catch (error) {
      denied ??= error;
      continue;
    }
    if (!isInside(root, await realPath(place))) return place;
    throw new TypeError(
      `its program "${place}" is in the workspace, which jobs can write to`,
    );
  }
  // Deno's own message names the missing permission.
  if (denied !== undefined) throw denied;
  throw new TypeError(
    name.startsWith("/")
      ? `its program "${name}" does not exist or is not executable`
      : `its program "${name}" is not in a directory of PATH outside the workspace`,
  );
}

async function isProgram(path: string): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && (mode === null || (mode & 0o111) !== 0);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    // It is in another directory, or nowhere.
    return false;
  }
}

async function realPath(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch {
    // A directory that does not exist contains no program.
    return path;
  }
}
