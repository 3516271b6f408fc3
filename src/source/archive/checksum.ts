/** How much of a file is read at a time, in bytes. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Computes the SHA-256 of a file without holding more than a piece of it.
 *
 * WebCrypto wants the whole of it at once, so it is not used.
 *
 * @param path Path of the file.
 * @param signal Stops the work.
 * @returns Checksum in small hexadecimal digits.
 * @throws {unknown} What the system says, or the reason of the signal.
 */
export async function sha256Of(
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(CHUNK_BYTES);
  while (true) {
    signal.throwIfAborted();
    const count = await file.read(buffer);
    if (count === null) return hash.digest("hex");
    hash.update(buffer.subarray(0, count));
  }
}
