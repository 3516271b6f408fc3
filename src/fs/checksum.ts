/** Size of the chunks in which files are read, in bytes. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Computes the SHA-256 of a file in chunks.
 *
 * WebCrypto is not used because it needs the whole file in memory.
 *
 * @returns Checksum in lowercase hexadecimal digits.
 * @throws {unknown} The error of the system, or the reason of the signal.
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
