import { decodeName } from "../../fs/byte_names.ts";
import type { ArchiveEntry } from "./entry.ts";
import { entryError } from "./entry.ts";
import type { Budget } from "./budget.ts";
import {
  contentOffset,
  readAt,
  type ZipRecord,
  zipRecords,
} from "./zip_directory.ts";

/** How much packed content is read at a time, in bytes. */
const CHUNK_BYTES = 64 * 1024;

/** Longest text of a link that a system takes. */
const MAX_TARGET_LENGTH = 4_096;

/** Kinds of files in the mode that Unix has. */
const FILE_KINDS = { link: 0o120000, directory: 0o040000, file: 0o100000 };

/**
 * Reads the entries of a zip in the order of its directory.
 *
 * The content is measured as it comes out: what the archive says of its size
 * and checksum has to be true.
 *
 * @param path Absolute path of the file.
 * @param budget Counts the bytes that come out.
 * @returns The entries; the content of each must be read, or left, before the
 * next one is asked for.
 * @throws {RunnerError} With code `source-failed`, if the zip is damaged or
 * written in a way that cannot be read.
 */
export async function* zipEntries(
  path: string,
  budget: Budget,
): AsyncGenerator<ArchiveEntry> {
  const { crc32 } = await import("node:zlib");
  using file = await Deno.open(path);
  for await (const record of zipRecords(file)) {
    refuseUnreadable(record);
    const { name, unixMode } = record;
    const kind = unixMode & 0o170000;
    const content = contentOf(file, record, { budget, crc32 });
    const mode = unixMode & 0o777;
    if (name.endsWith("/") || kind === FILE_KINDS.directory) {
      yield { name, type: "directory", mode: mode || 0o755 };
    } else if (kind === FILE_KINDS.link) {
      const target = await textOf(name, content);
      yield { name, type: "link", mode, target };
    } else if (kind === 0 || kind === FILE_KINDS.file) {
      yield { name, type: "file", mode: mode || 0o644, content };
    } else {
      yield { name, type: "other", kind: "device", mode };
    }
  }
}

function refuseUnreadable({ name, flags, method }: ZipRecord): void {
  const problem = (flags & 0x2041) !== 0
    ? "it is encrypted"
    : method !== 0 && method !== 8
    ? `it is packed by method ${method}, not by deflate`
    : name.includes("\\")
    ? "its name contains a backslash"
    : undefined;
  if (problem !== undefined) throw entryError(name, problem);
}

/** What the content is read with. */
interface Tools {
  budget: Budget;
  crc32: (data: Uint8Array, value?: number) => number;
}

async function* contentOf(
  file: Deno.FsFile,
  record: ZipRecord,
  { budget, crc32 }: Tools,
): AsyncGenerator<Uint8Array> {
  const { name, method, bytes, crc } = record;
  const packed = packedContent(file, record);
  const stream = method === 0 ? packed : ReadableStream.from(packed)
    .pipeThrough(new DecompressionStream("deflate-raw"));
  let count = 0;
  let sum = 0;
  try {
    for await (const piece of stream) {
      budget.addBytes(piece.length);
      count += piece.length;
      if (count > bytes) break;
      sum = crc32(piece, sum);
      yield piece;
    }
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw entryError(name, "its content is damaged", cause);
  }
  if (count !== bytes || sum !== crc) {
    throw entryError(
      name,
      "its content has another size or checksum than its directory says",
    );
  }
}

async function* packedContent(
  file: Deno.FsFile,
  record: ZipRecord,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let offset = await contentOffset(file, record);
  const end = offset + record.packedBytes;
  while (offset < end) {
    const piece = await readAt(
      file,
      offset,
      Math.min(CHUNK_BYTES, end - offset),
    );
    yield piece;
    offset += piece.length;
  }
}

async function textOf(
  name: string,
  content: AsyncIterable<Uint8Array>,
): Promise<string> {
  const bytes: number[] = [];
  for await (const piece of content) {
    bytes.push(...piece.subarray(0, MAX_TARGET_LENGTH + 1));
    if (bytes.length > MAX_TARGET_LENGTH) {
      throw entryError(name, "its target is not a path");
    }
  }
  return decodeName(new Uint8Array(bytes));
}
