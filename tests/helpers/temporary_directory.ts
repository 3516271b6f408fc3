import { removeTree } from "../../src/workspace/remove.ts";

/** A directory that is removed at the end of its scope. */
export interface TemporaryDirectory extends AsyncDisposable {
  /** Absolute path, free of links. */
  path: string;
}

/** Creates a directory for one test: `await using directory = await …`. */
export async function temporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await Deno.realPath(await Deno.makeTempDir());
  return {
    path,
    // Some tests leave directories that are not writable.
    [Symbol.asyncDispose]: async () => void await removeTree(path),
  };
}

/**
 * Makes files from a table of paths and contents.
 *
 * A path that ends with a slash is a directory, a content that starts with
 * `-> ` a symbolic link.
 */
export async function makeFiles(
  root: string,
  files: Record<string, string>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = `${root}/${name}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (name.endsWith("/")) continue;
    if (content.startsWith("-> ")) await Deno.symlink(content.slice(3), path);
    else await Deno.writeTextFile(path, content);
  }
}

/**
 * Lists all files below a directory, sorted, in the format of {@linkcode
 * makeFiles}.
 */
export async function listFiles(root: string): Promise<Record<string, string>> {
  const files: [string, string][] = [];
  const visit = async (directory: string) => {
    for await (
      const { name, isDirectory, isSymlink } of Deno.readDir(directory)
    ) {
      const path = `${directory}/${name}`;
      const relative = path.slice(root.length + 1);
      if (isDirectory) {
        files.push([`${relative}/`, ""]);
        await visit(path);
      } else if (isSymlink) {
        files.push([relative, `-> ${await Deno.readLink(path)}`]);
      } else {
        files.push([relative, await Deno.readTextFile(path)]);
      }
    }
  };
  await visit(root);
  return Object.fromEntries(files.sort(([a], [b]) => a < b ? -1 : 1));
}

/** Lets the user of a container read and write everything below a directory. */
export async function openToAll(directory: string): Promise<void> {
  await new Deno.Command("chmod", { args: ["-R", "a+rwX", directory] })
    .output();
}

/** Checks whether anything is at a path, even a dangling link. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
