import { runShell } from "./archives.ts";

/**
 * Mounts a small file system in memory, which only root can.
 *
 * @param size Size, such as `128k`.
 * @returns Handle that unmounts it; `undefined` without the permission.
 */
export async function mountSmallDisk(
  path: string,
  size: string,
): Promise<AsyncDisposable | undefined> {
  const { success } = await new Deno.Command("mount", {
    args: ["-t", "tmpfs", "-o", `size=${size}`, "none", path],
    stderr: "null",
  }).output();
  if (!success) return undefined;
  return {
    async [Symbol.asyncDispose]() {
      await runShell("/", `umount '${path}'`);
    },
  };
}
