/**
 * Reads a file of the runner's own that a step could have replaced by anything.
 *
 * Other than `readUntrusted()`, it needs no `node:fs`, which would cost more
 * time than all the rest of a short job. Opened for writing as well, a pipe
 * does not block; what was opened counts only if it is the file that is there.
 *
 * @param path Path of the file, which the runner may write to.
 * @param maxBytes Most bytes that it may have.
 * @returns Its text.
 * @throws {Deno.errors.NotFound} If there is no file.
 * @throws {Error} If it is not a regular file, is too large or cannot be read.
 */
export async function readOwnFile(
  path: string,
  maxBytes: number,
): Promise<string> {
  const info = await Deno.lstat(path);
  checkFile(info, maxBytes);
  using file = await Deno.open(path, { read: true, write: true });
  const opened = await file.stat();
  if (opened.ino !== info.ino || opened.dev !== info.dev) {
    throw new Error("it changes while it is read");
  }
  checkFile(opened, maxBytes);
  const bytes = new Uint8Array(opened.size);
  let length = 0;
  while (length < bytes.length) {
    const count = await file.read(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}

function checkFile({ isFile, size }: Deno.FileInfo, maxBytes: number): void {
  if (!isFile) throw new Error("it is not a regular file");
  if (size > maxBytes) throw new Error(`it exceeds ${maxBytes} bytes`);
}
