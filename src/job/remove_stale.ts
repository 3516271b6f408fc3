/**
 * Removes what an earlier run left in the workspace and nobody takes away on a
 * laptop. What this run made, whichever of its programs it was, stays.
 *
 * @param path Absolute path of the file.
 * @param startedAt When the run began, in milliseconds since 1970.
 */
export async function removeStale(
  path: string,
  startedAt: number,
): Promise<void> {
  const { mtime } = await Deno.stat(path).catch(() => ({ mtime: null }));
  if (mtime !== null && mtime.getTime() < startedAt) await Deno.remove(path);
}
