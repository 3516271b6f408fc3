import { dirname } from "@std/path/posix/dirname";
import { isInside } from "../job_path.ts";

/**
 * Lists the mount points at and below a directory.
 *
 * Device numbers are not sufficient, because a bind mount can have the same
 * one.
 *
 * @param directory Absolute path.
 * @returns Mount points whose paths start with the directory; `undefined` if
 * the system does not list them.
 */
export async function mountsBelow(
  directory: string,
): Promise<string[] | undefined> {
  const path = "/proc/self/mountinfo";
  const { state } = await Deno.permissions.query({ name: "read", path });
  if (state !== "granted") return undefined;
  let text: string;
  let real: string;
  try {
    // Deno allows this only with all permissions.
    text = await Deno.readTextFile(path);
    real = await Deno.realPath(directory);
  } catch {
    return undefined;
  }
  return text.split("\n")
    .map((line) => unescaped(line.split(" ")[4] ?? ""))
    .filter((place) => isInside(real, place))
    .map((place) => directory + place.slice(real.length));
}

/**
 * Checks whether something is mounted at a path. If the system does not list
 * mounts, this tries to rename the path, which fails for mount points.
 *
 * @param path Absolute path in a writable directory.
 * @param mounts Result of {@linkcode mountsBelow}.
 */
export async function isMounted(
  path: string,
  mounts: readonly string[] | undefined,
): Promise<boolean> {
  if (mounts !== undefined) return mounts.includes(path);
  const [{ dev, isDirectory }, around] = await Promise.all([
    Deno.lstat(path),
    Deno.lstat(dirname(path)),
  ]);
  if (isDirectory && dev !== around.dev) return true;
  const probe = `${dirname(path)}/.runnerlib-${crypto.randomUUID()}`;
  try {
    await Deno.rename(path, probe);
  } catch (error) {
    return isBusy(error);
  }
  await Deno.rename(probe, path);
  return false;
}

/** Checks whether a change failed because something is mounted at the path. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EBUSY";
}

/** Spaces, line breaks and backslashes are written as octal escapes. */
function unescaped(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_, digits) => String.fromCharCode(parseInt(digits, 8)),
  );
}
