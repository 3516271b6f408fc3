import { removeTree } from "./remove.ts";

/** How often a file that vanishes is opened again. */
const MAX_TRIES = 100;

/**
 * Opens a file of the runner's own for writing, and creates it when missing.
 *
 * The steps of a job can put anything in its place. The file is written to, so
 * it must not be a link, nor a hard link to another file; what is neither a file
 * nor the runner's is removed. Opened for reading as well, a pipe does not block.
 *
 * @param findPath Returns the absolute path, after its directory was created.
 * @param options How it is opened.
 * @returns The file, and its path.
 */
export async function openOwnFile(
  findPath: () => Promise<string>,
  options: Pick<Deno.OpenOptions, "append" | "mode">,
): Promise<OwnFile> {
  for (let count = 0; count < MAX_TRIES; count++) {
    const path = await findPath();
    if (!isOwnFile(path)) await removeTree(path);
    const file = tryOpen(path, options);
    if (file !== undefined) return { file, path };
  }
  throw new Error("something replaces it all the time");
}

/** A file of the runner's own. */
export interface OwnFile {
  /** The open file. */
  readonly file: Deno.FsFile;
  /** Its absolute path. */
  readonly path: string;
}

/**
 * Tells whether an open file is still at its path.
 *
 * @param own File and path.
 */
export function isInPlace({ path, file }: OwnFile): boolean {
  try {
    const [there, opened] = [Deno.lstatSync(path), file.statSync()];
    return there.ino === opened.ino && there.dev === opened.dev;
  } catch {
    // Nothing is there.
    return false;
  }
}

function tryOpen(
  path: string,
  options: Pick<Deno.OpenOptions, "append" | "mode">,
): Deno.FsFile | undefined {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, {
      ...options,
      read: true,
      write: true,
      create: true,
    });
  } catch (error) {
    // Another process has removed it, or its directory, at this moment.
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  if (isInPlace({ path, file }) && isOwnFile(path)) return file;
  file.close();
  return undefined;
}

function isOwnFile(path: string): boolean {
  try {
    const { isFile, nlink } = Deno.lstatSync(path);
    return isFile && (nlink ?? 1) === 1;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}
