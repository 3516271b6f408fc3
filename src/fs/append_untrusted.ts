import { readableError } from "./read_untrusted.ts";

/**
 * Appends to a file that others could have replaced with a link, a pipe without
 * a reader, or a device.
 *
 * The file is opened without blocking and without following a link, and is
 * checked only when it is open.
 *
 * @param path Path of the file, which is created if it is missing.
 * @throws {Error} If it is not a regular file or cannot be written. The message
 * continues "Cannot write …: ".
 */
export async function appendUntrusted(
  path: string,
  text: string,
): Promise<void> {
  const { open, constants } = await import("node:fs/promises");
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  const flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  try {
    const file = await open(path, flags, 0o644);
    try {
      if (!(await file.stat()).isFile()) {
        throw new Error("it is not a regular file");
      }
      await file.writeFile(text);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw readableError(error);
  }
}
