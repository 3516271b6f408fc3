import { dirname } from "@std/path/posix/dirname";
import { isInside } from "../job_path.ts";

/**
 * Finds what is mounted at a directory and below it.
 *
 * The device of a directory does not tell: a bind mount may be of the same one.
 *
 * @param directory Absolute path.
 * @returns Paths that begin like the given one; `undefined` if the system does
 * not say.
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
    // Deno shows it only to a process that has every permission.
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
 * Checks whether something is mounted at a path, also where the system has no
 * list: it does not let anybody rename such a path.
 *
 * @param path Absolute path; the directory around it must be writable.
 * @param mounts What {@linkcode mountsBelow} returned.
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

/**
 * Checks whether the system refused to change a path because something is
 * mounted there.
 *
 * @param error What the system said.
 */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EBUSY";
}

/** Blanks, line breaks and backslashes are written as octal numbers. */
function unescaped(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_, digits) => String.fromCharCode(parseInt(digits, 8)),
  );
}
