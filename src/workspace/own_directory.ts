import { RunnerError } from "../errors.ts";
import { osReason } from "../os_reason.ts";
import { guardPath } from "./guard.ts";
import type { Workspace } from "./layout.ts";
import { realPath } from "./real_path.ts";
import { removeTree } from "./remove.ts";
import { writeAtomic } from "./write_atomic.ts";

/** Name of the file that says to which run files belong, in that directory. */
export const RUN_RECORD = "run.json";

/** Name of the file that keeps outputs of steps for a later run, in that directory. */
export const KEPT_OUTPUTS = "outputs.json";

/** Directory for the runner's own files, relative to the workspace. */
export const OWN_DIRECTORY = ".reactorcide";

/**
 * Finds the directory for the runner's own files in a workspace.
 *
 * The steps of a job can put anything in its place. A file, or a link that leads
 * out of the workspace, would keep every later run from its own files, so it is
 * removed; what the link leads to is not touched.
 *
 * @param workspace Workspace.
 * @returns Absolute path without links; the directory need not exist.
 * @throws {RunnerError} With code `workspace`, if it cannot be made usable.
 */
export async function ownDirectory(workspace: Workspace): Promise<string> {
  const base = await realPath(workspace.base);
  const path = `${base}/${OWN_DIRECTORY}`;
  const info = await infoOf(path);
  if (info === undefined || info.isDirectory) return path;
  if (info.isSymlink) {
    const inside = await guardPath(base, path).catch(() => undefined);
    if (inside !== undefined && inside !== base) {
      const target = await infoOf(inside);
      if (target === undefined || target.isDirectory) return inside;
    }
  }
  try {
    await removeTree(path);
  } catch (cause) {
    throw unusable(path, cause);
  }
  return path;
}

/**
 * Creates the directory for the runner's own files.
 *
 * @param workspace Workspace; its directory is created when missing.
 * @returns Absolute path without links.
 * @throws {RunnerError} With code `output-failed`, if it cannot be created.
 */
export async function makeOwnDirectory(workspace: Workspace): Promise<string> {
  const path = await ownDirectory(workspace);
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (cause) {
    throw new RunnerError(`Cannot create "${path}": ${osReason(cause)}`, {
      code: "output-failed",
      cause,
    });
  }
  return path;
}

/**
 * Writes a file of the runner's own, in the place of whatever is there.
 *
 * @param workspace Workspace; its directory is created when missing.
 * @param name Name of the file.
 * @param text Content; only the owner can read it.
 * @throws {RunnerError} With code `output-failed`, if it cannot be written.
 */
export async function writeOwnFile(
  workspace: Workspace,
  name: string,
  text: string,
): Promise<void> {
  const path = `${await makeOwnDirectory(workspace)}/${name}`;
  // Nothing can be renamed to a directory that is not empty.
  if ((await infoOf(path))?.isDirectory) await removeTree(path);
  await writeAtomic(path, text, { mode: 0o600 });
}

async function infoOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    throw unusable(path, cause);
  }
}

function unusable(path: string, cause: unknown): RunnerError {
  return new RunnerError(`Cannot use "${path}": ${osReason(cause)}`, {
    code: "workspace",
    cause,
  });
}
