/**
 * Sets the times of a symbolic link, not those of what it leads to, where the
 * file system keeps them.
 *
 * @param path Path of the link.
 * @param accessedAt When it was read last.
 * @param modifiedAt When it was changed last.
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
    // Nothing depends on it.
  }
}
