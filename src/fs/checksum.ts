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

/** Computes the SHA-256 of text in UTF-8 or of bytes, in hexadecimal digits. */
export async function sha256Hex(
  data: string | Uint8Array<ArrayBuffer>,
): Promise<string> {
  const bytes = typeof data === "string"
    ? new TextEncoder().encode(data)
    : data;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** Checks whether a value is a SHA-256 in lowercase hexadecimal digits. */
export function isSha256(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}
