import type { RunningCli } from "./cli.ts";

/**
 * Kills a process when a directory has a size, unless it ends before.
 *
 * @returns Whether it was killed.
 */
export async function killAfter(
  cli: RunningCli,
  directory: string,
  bytes: number,
): Promise<boolean> {
  let isOver = false;
  const ended = cli.end().finally(() => isOver = true);
  while (!isOver && await writtenBytes(directory) < bytes) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  if (!isOver) cli.child.kill("SIGKILL");
  const { code } = await ended;
  return code === 137;
}

/** Size of all files in a directory; files that vanish do not count. */
async function writtenBytes(path: string): Promise<number> {
  let bytes = 0;
  try {
    for await (const { name, isDirectory } of Deno.readDir(path)) {
      const inner = `${path}/${name}`;
      bytes += isDirectory
        ? await writtenBytes(inner)
        : (await Deno.stat(inner)).size;
    }
  } catch {
    // It is not there yet, or was renamed.
  }
  return bytes;
}
