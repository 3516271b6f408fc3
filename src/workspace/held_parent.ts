import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import { relative } from "@std/path/posix/relative";
import { isMissing } from "../fs/files.ts";
import { HeldDirectory } from "../fs/held_directory.ts";
import { readableError } from "../fs/untrusted_file.ts";
import { guardPath } from "./guard.ts";

/** Options for {@linkcode openParent}. */
export interface OpenParentOptions {
  /**
   * Whether to create missing directories.
   *
   * @default {false}
   */
  creates?: boolean;
}

/**
 * Opens the directory of a path. Links in the path must not lead out of the
 * root, and a link that a step puts there afterwards is not followed.
 *
 * @param root Absolute path of the directory of the job, without links.
 * @param path Path relative to the root.
 * @throws {RunnerError} With code `workspace`, if a link leads out of the root.
 * @throws {Error} If the directory cannot be opened.
 */
export async function openParent(
  root: string,
  path: string,
  options: OpenParentOptions = {},
): Promise<HeldDirectory> {
  const { creates = false } = options;
  const place = await guardPath(root, dirname(join(root, path)));
  let directory = await HeldDirectory.open(root);
  for (const name of relative(root, place).split("/").filter(Boolean)) {
    using outer = directory;
    const inner = `${outer.path}/${name}`;
    directory = await outer.openDirectory(name, inner).catch(async (error) => {
      const reason = readableError(error);
      if (!creates || !isMissing(reason)) throw reason;
      await createDirectory(inner);
      return await outer.openDirectory(name, inner);
    });
  }
  return directory;
}

/**
 * Removes a file, a link or an empty directory, in the directory that
 * {@linkcode openParent} opens.
 *
 * @throws {Error} Like {@linkcode openParent}, or if it cannot be removed.
 */
export async function removeInParent(
  root: string,
  path: string,
): Promise<void> {
  using parent = await openParent(root, path);
  await Deno.remove(join(parent.path, basename(path)));
}

/** Creates a directory, unless another step that is restored creates it meanwhile. */
async function createDirectory(path: string): Promise<void> {
  try {
    await Deno.mkdir(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}
