import { hasValidChecksum } from "./tar_header.ts";

/** How an archive is packed. */
export type ArchiveFormat = "tar" | "gzip" | "bzip2" | "xz" | "zstd" | "zip";

/** First bytes of each format, by which `file` knows it, too. */
const SIGNATURES: readonly [ArchiveFormat, readonly number[]][] = [
  ["gzip", [0x1f, 0x8b]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["zip", [0x50, 0x4b, 0x03, 0x04]],
  // One without entries has its end alone.
  ["zip", [0x50, 0x4b, 0x05, 0x06]],
];

/** Where a tar of any of the newer kinds says `ustar`. */
const MAGIC_OFFSET = 257;

/**
 * Tells the format of an archive by its first bytes; a name can lie.
 *
 * @param path Path of the archive.
 * @returns The format, `undefined` if it is none of those that are known.
 */
export async function formatOf(
  path: string,
): Promise<ArchiveFormat | undefined> {
  using file = await Deno.open(path);
  const block = new Uint8Array(512);
  let length = 0;
  while (length < block.length) {
    const count = await file.read(block.subarray(length));
    if (count === null) break;
    length += count;
  }
  const head = block.subarray(0, length);
  const known = SIGNATURES.find(([, bytes]) =>
    bytes.every((byte, at) => head[at] === byte)
  );
  if (known !== undefined) return known[0];
  return length === block.length && isTar(head) ? "tar" : undefined;
}

function isTar(block: Uint8Array): boolean {
  const magic = new TextDecoder("latin1")
    .decode(block.subarray(MAGIC_OFFSET, MAGIC_OFFSET + 5));
  // One without entries begins with the zeros of its end.
  return magic === "ustar" || block.every((byte) => byte === 0) ||
    // The oldest kind has no other mark.
    hasValidChecksum(block);
}
