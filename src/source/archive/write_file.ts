import type { ArchiveEntry } from "./entry.ts";

/**
 * Makes a file and writes what there is of it.
 *
 * @param path Absolute path, at which nothing may be, not even a link.
 * @param pieces The first pieces of its content.
 * @returns The open file.
 */
export async function beginFile(
  path: string,
  pieces: readonly Uint8Array[],
): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { write: true, createNew: true });
  for (const bytes of pieces) await writeAll(file, bytes);
  return file;
}

/**
 * Gives a file that is written the time and permission bits of its entry.
 *
 * @param file The open file.
 * @param path Absolute path of the file.
 * @param entry Entry of the archive.
 */
export async function endFile(
  file: Deno.FsFile,
  path: string,
  { mode, modifiedAt }: ArchiveEntry,
): Promise<void> {
  if (modifiedAt) await file.utime(modifiedAt, modifiedAt);
  // After the content: a mask of the process would take bits away before.
  await Deno.chmod(path, mode & 0o777);
}

/**
 * Writes a piece of a file, all of it.
 *
 * @param file The open file.
 * @param bytes The piece.
 */
export async function writeAll(
  file: Deno.FsFile,
  bytes: Uint8Array,
): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += await file.write(bytes.subarray(written));
  }
}
