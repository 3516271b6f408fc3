/**
 * Removal of directories that are nested deeply.
 *
 * Deno removes a directory by recursion, and every level needs memory and an
 * open file: a step can nest directories so deeply that this would abort the
 * whole process. Therefore other programs remove large trees.
 *
 * @module
 */

import { toolEnvironment } from "../environment/child_environment.ts";

/** Maximum number of directories in a tree that Deno removes. */
const MAX_DIRECTORIES = 1_000;

/** Some tools create directories that are not writable. */
const SCRIPT = `rm -rf -- "$1" 2>/dev/null && exit
chmod -R u+rwx -- "$1" 2>/dev/null
rm -rf -- "$1"`;

/**
 * Checks whether a tree may be nested too deeply for Deno, by the number of its
 * directories.
 *
 * @param path Path of a file, a link or a directory.
 */
export function isNested(path: string): boolean {
  if (!Deno.lstatSync(path).isDirectory) return false;
  const directories = [path];
  for (const directory of directories) {
    let entries: Iterable<Deno.DirEntry>;
    try {
      entries = Deno.readDirSync(directory);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue;
      // It cannot be read yet, or its path is too long.
      return true;
    }
    for (const { name, isDirectory } of entries) {
      // What is in a directory whose name is not UTF-8 cannot be counted.
      if (isDirectory && name.includes("\ufffd")) return true;
      if (isDirectory) directories.push(`${directory}/${name}`);
    }
    if (directories.length > MAX_DIRECTORIES) return true;
  }
  return false;
}

/**
 * Removes a directory that {@linkcode isNested}. Links are not followed.
 *
 * @throws {Error} If it cannot be removed, or the tools are missing.
 */
export async function removeNested(path: string): Promise<void> {
  check(await removal(path).output());
}

/** Like {@linkcode removeNested}, but blocks. */
export function removeNestedSync(path: string): void {
  check(removal(path).outputSync());
}

function removal(path: string): Deno.Command {
  return new Deno.Command("/bin/sh", {
    args: ["-c", SCRIPT, "sh", path],
    cwd: "/",
    clearEnv: true,
    env: toolEnvironment(),
    stdin: "null",
  });
}

function check({ success, stderr }: Deno.CommandOutput): void {
  if (success) return;
  const [line] = new TextDecoder().decode(stderr).split("\n");
  throw new Error(line.slice(line.lastIndexOf(":") + 1).trim());
}
