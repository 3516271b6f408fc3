/** Smallest hole that stays one, in bytes. */
const UNIT_BYTES = 64 * 1024;

/** What the system counts the space of a file in, in bytes. */
const BLOCK_BYTES = 512;

/** Smaller files are copied as they are, holes or not, in bytes. */
const SMALLEST_BYTES = 1024 * 1024;

/**
 * Tells whether a file takes less space than its length says.
 *
 * @param info What the system says of the file.
 * @returns Whether it has holes that are worth keeping.
 */
export function isSparse({ size, blocks }: Deno.FileInfo): boolean {
  return size >= SMALLEST_BYTES && blocks !== null &&
    blocks * BLOCK_BYTES < size - UNIT_BYTES;
}

/**
 * Copies a file and leaves holes where it holds nothing but zeros, which the
 * copying of the system would fill. Permission bits are carried over.
 *
 * @param from Path of the file.
 * @param to Path of the copy, at which nothing is yet.
 * @param signal Stops the copying.
 */
export async function copySparse(
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<void> {
  using source = await Deno.open(from);
  using target = await Deno.open(to, { write: true, createNew: true });
  const buffer = new Uint8Array(UNIT_BYTES);
  let position = 0;
  while (true) {
    signal.throwIfAborted();
    const count = await source.read(buffer);
    if (count === null) break;
    if (!isZero(buffer, count)) {
      await target.seek(position, Deno.SeekMode.Start);
      for (let at = 0; at < count;) {
        at += await target.write(buffer.subarray(at, count));
      }
    }
    position += count;
  }
  await target.truncate(position);
  const { mode } = await source.stat();
  if (mode !== null) await Deno.chmod(to, mode & 0o7777);
}

/** Looks at four bytes at a time, which is what makes it fast. */
function isZero(buffer: Uint8Array<ArrayBuffer>, count: number): boolean {
  const words = new Int32Array(buffer.buffer, 0, count >> 2);
  for (let at = 0; at < words.length; at++) if (words[at] !== 0) return false;
  return buffer.subarray(words.length * 4, count).every((byte) => byte === 0);
}
