/** Checks whether a path exists. A symbolic link exists even if it is dangling. */
export async function pathExists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

/** Like {@linkcode pathExists}, but synchronous. */
export function pathExistsSync(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Checks whether a path is a file, or a link to one, that can be accessed. */
export async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

/** Checks whether a path is a directory, or a link to one, that can be accessed. */
export function isDirectorySync(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/**
 * Returns information about a path without following a link.
 *
 * @returns The information; `undefined` if the path does not exist.
 */
export async function lstatIfThere(
  path: string,
): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Like {@linkcode lstatIfThere}, but synchronous. */
export function lstatIfThereSync(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Checks whether an error means that a path, or a parent directory, does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}

/** Writes all bytes to a file or a connection. */
export async function writeAll(
  writer: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await writer.write(bytes.subarray(at));
  }
}

/** Like {@linkcode writeAll}, but synchronous. */
export function writeAllSync(
  writer: { writeSync(bytes: Uint8Array): number },
  bytes: Uint8Array,
): void {
  for (let at = 0; at < bytes.length;) {
    at += writer.writeSync(bytes.subarray(at));
  }
}

/**
 * Sets the times of a symbolic link, not of its target, if the file system
 * supports it.
 */
export async function setLinkTime(
  path: string,
  accessedAt: Date,
  modifiedAt: Date,
): Promise<void> {
  const { lutimes } = await import("node:fs/promises");
  try {
    await lutimes(path, accessedAt, modifiedAt);
  } catch {
    // Nothing depends on the times of a link.
  }
}
