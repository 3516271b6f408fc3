import { decodeName } from "../fs/byte_names.ts";
import {
  type ArchiveEntry,
  type Budget,
  entryError,
  entryPath,
  MAX_TARGET_LENGTH,
  unpackError,
} from "./entry.ts";

/** Size of the chunks in which packed content is read, in bytes. */
const CHUNK_BYTES = 64 * 1024;

/** File types in a Unix mode. */
const FILE_KINDS = { link: 0o120000, directory: 0o040000, file: 0o100000 };

/**
 * Reads the entries of a zip in the order of its central directory.
 *
 * Size and checksum of the unpacked content must match the archive. Programs
 * disagree about which of several entries with one name counts, so these are
 * rejected.
 *
 * @param path Absolute path of the file.
 * @param budget Counts the unpacked bytes.
 * @returns The entries. The content of each must be read or skipped before the
 * next one.
 * @throws {RunnerError} With code `source-failed`, if the zip is damaged or
 * uses an unsupported feature.
 */
export async function* zipEntries(
  path: string,
  budget: Budget,
): AsyncGenerator<ArchiveEntry> {
  const { crc32 } = await import("node:zlib");
  using file = await Deno.open(path);
  const paths = new Set<string>();
  const ranges: Range[] = [];
  for await (const record of zipRecords(file)) {
    rejectUnreadable(record);
    rejectRepeated(record, paths);
    const { name, unixMode } = record;
    const kind = unixMode & 0o170000;
    const content = readContent(file, record, { budget, crc32, ranges });
    const mode = unixMode & 0o777;
    if (name.endsWith("/") || kind === FILE_KINDS.directory) {
      yield { name, type: "directory", mode: mode || 0o755 };
    } else if (kind === FILE_KINDS.link) {
      const target = await readTarget(name, content);
      yield { name, type: "link", mode, target };
    } else if (kind === 0 || kind === FILE_KINDS.file) {
      yield { name, type: "file", mode: mode || 0o644, content };
    } else {
      yield { name, type: "other", kind: "device", mode };
    }
  }
  rejectOverlapping(ranges);
}

/** Part of the file that belongs to one entry. */
type Range = readonly [start: number, end: number];

/** Rejects entries that share bytes, which can be much larger than the file. */
function rejectOverlapping(ranges: Range[]): void {
  ranges.sort(([a], [b]) => a - b);
  let end = 0;
  for (const range of ranges) {
    if (range[0] < end) throw unpackError("its entries overlap");
    end = range[1];
  }
}

function rejectUnreadable(record: ZipRecord): void {
  const { name, flags, method, unicodeName = name } = record;
  const problem = (flags & ENCRYPTED) !== 0
    ? "it is encrypted"
    : method !== 0 && method !== 8
    ? `it uses compression method ${method}; only deflate is supported`
    : name.includes("\\")
    ? "its name contains a backslash"
    : unicodeName !== name
    ? "it has two names"
    : undefined;
  if (problem !== undefined) throw entryError(name, problem);
}

function rejectRepeated({ name }: ZipRecord, paths: Set<string>): void {
  const path = entryPath(name);
  if (paths.has(path) && !name.endsWith("/")) {
    throw entryError(name, "another entry has the same name");
  }
  paths.add(path);
}

/** Tools for reading the content. */
interface Tools {
  budget: Budget;
  crc32: (data: Uint8Array, value?: number) => number;
  /** Collects the parts of the file that have been read. */
  ranges: Range[];
}

/** Flags of an entry that is encrypted in one way or another. */
const ENCRYPTED = 0x2041;

async function* readContent(
  file: Deno.FsFile,
  record: ZipRecord,
  { budget, crc32, ranges }: Tools,
): AsyncGenerator<Uint8Array> {
  const { name, method, bytes, crc } = record;
  const packed = readPacked(file, record, ranges);
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
    throw entryError(name, "its contents are damaged", cause);
  }
  if (count !== bytes || sum !== crc) {
    throw entryError(
      name,
      "its contents do not match their size or checksum",
    );
  }
}

async function* readPacked(
  file: Deno.FsFile,
  record: ZipRecord,
  ranges: Range[],
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let offset = await findContent(file, record);
  const end = offset + record.packedBytes;
  ranges.push([record.offset, end]);
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

async function readTarget(
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

const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const ENTRY_BYTES = 46;
const LOCAL_HEADER_BYTES = 30;

/** Maximum size of the comment after the central directory, in bytes. */
const MAX_COMMENT_BYTES = 0xffff;

/** Maximum size of the central directory, in bytes: it is kept in memory. */
const MAX_DIRECTORY_BYTES = 256 * 1024 * 1024;

const SIGNATURE = {
  local: 0x04034b50,
  entry: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator: 0x07064b50,
};

/** Type of the extra field with the name in UTF-8. */
const UNICODE_PATH = 0x7075;

/** An entry of the central directory. */
export interface ZipRecord {
  /** Full name. */
  readonly name: string;
  /** Name in the Info-ZIP Unicode Path field, which some programs prefer. */
  readonly unicodeName?: string;
  /** General purpose bit flags. */
  readonly flags: number;
  /** Compression method: 0 for none, 8 for deflate. */
  readonly method: number;
  /** CRC-32 of the content. */
  readonly crc: number;
  /** Compressed size, in bytes. */
  readonly packedBytes: number;
  /** Uncompressed size, in bytes. */
  readonly bytes: number;
  /** Unix mode; 0 if the archive was created on another system. */
  readonly unixMode: number;
  /** Offset of the local header in the file. */
  readonly offset: number;
}

/**
 * Reads the central directory of a zip, the only authority on its contents.
 *
 * @throws {RunnerError} With code `source-failed`, if it is damaged.
 */
async function* zipRecords(
  file: Deno.FsFile,
): AsyncGenerator<ZipRecord> {
  const { size: fileBytes } = await file.stat();
  const { count, bytes, offset } = await findDirectory(file, fileBytes);
  if (bytes > MAX_DIRECTORY_BYTES || offset + bytes > fileBytes) {
    throw unpackError("its central directory is not in the file");
  }
  const directory = toDataView(await readAt(file, offset, bytes));
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (
      at + ENTRY_BYTES > bytes ||
      directory.getUint32(at, true) !== SIGNATURE.entry
    ) {
      throw unpackError("its central directory is truncated");
    }
    const lengths = [28, 30, 32].map((offset) =>
      directory.getUint16(at + offset, true)
    );
    const end = at + ENTRY_BYTES + lengths[0] + lengths[1] + lengths[2];
    if (end > bytes) throw unpackError("its central directory is truncated");
    yield readRecord(directory, at, lengths[0], lengths[1]);
    at = end;
  }
  // Some programs read as many entries as fit, others as many as are counted.
  if (at !== bytes) {
    throw unpackError("its central directory has more entries than it counts");
  }
}

/**
 * Finds the start of an entry's compressed content.
 *
 * Programs that read a zip from its start use the name in the local header, so
 * it must be the same as in the central directory.
 *
 * @returns Offset in the file.
 * @throws {RunnerError} With code `source-failed`, if there is no matching
 * entry at that offset.
 */
async function findContent(
  file: Deno.FsFile,
  { offset, name, method }: ZipRecord,
): Promise<number> {
  const header = toDataView(await readAt(file, offset, LOCAL_HEADER_BYTES));
  if (header.getUint32(0, true) !== SIGNATURE.local) {
    throw unpackError("an entry is not at the offset in the central directory");
  }
  if ((header.getUint16(6, true) & ENCRYPTED) !== 0) {
    throw entryError(name, "it is encrypted");
  }
  const nameLength = header.getUint16(26, true);
  const nameAt = offset + LOCAL_HEADER_BYTES;
  const localName = decodeName(await readAt(file, nameAt, nameLength));
  if (localName !== name || header.getUint16(8, true) !== method) {
    throw unpackError("an entry has a different name in the central directory");
  }
  return nameAt + nameLength + header.getUint16(28, true);
}

/**
 * Reads a range of a file.
 *
 * @returns All bytes of the range.
 * @throws {RunnerError} With code `source-failed`, if the file is too short.
 */
async function readAt(
  file: Deno.FsFile,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  await file.seek(offset, Deno.SeekMode.Start);
  for (let at = 0; at < length;) {
    const count = await file.read(bytes.subarray(at));
    if (count === null) throw unpackError("it is truncated");
    at += count;
  }
  return bytes;
}

async function findDirectory(
  file: Deno.FsFile,
  fileBytes: number,
): Promise<{ count: number; bytes: number; offset: number }> {
  const length = Math.min(fileBytes, END_BYTES + MAX_COMMENT_BYTES);
  const start = fileBytes - length;
  const tail = toDataView(await readAt(file, start, length));
  for (let at = length - END_BYTES; at >= 0; at--) {
    if (tail.getUint32(at, true) !== SIGNATURE.end) continue;
    // A comment may contain the signature. The actual end record reaches
    // exactly to the end of the file.
    if (at + END_BYTES + tail.getUint16(at + 20, true) !== length) continue;
    const end = {
      count: tail.getUint16(at + 10, true),
      bytes: tail.getUint32(at + 12, true),
      offset: tail.getUint32(at + 16, true),
    };
    const long = await findZip64End(file, start + at);
    if (long === undefined) return end;
    // Some programs use the long record even if no field refers to it.
    const differs = end.count !== 0xffff && end.count !== long.count ||
      end.bytes !== 0xffffffff && end.bytes !== long.bytes ||
      end.offset !== 0xffffffff && end.offset !== long.offset;
    if (differs) throw unpackError("it has two central directories");
    return long;
  }
  throw unpackError("it has no central directory");
}

async function findZip64End(file: Deno.FsFile, end: number) {
  if (end < LOCATOR_BYTES) return undefined;
  const locator = toDataView(
    await readAt(file, end - LOCATOR_BYTES, LOCATOR_BYTES),
  );
  if (locator.getUint32(0, true) !== SIGNATURE.locator) return undefined;
  const record = toDataView(await readAt(file, readUint64(locator, 8), 56));
  if (record.getUint32(0, true) !== SIGNATURE.end64) {
    throw unpackError(
      "its central directory is not at the offset in the end record",
    );
  }
  return {
    count: readUint64(record, 32),
    bytes: readUint64(record, 40),
    offset: readUint64(record, 48),
  };
}

function readRecord(
  directory: DataView<ArrayBuffer>,
  at: number,
  nameLength: number,
  extraLength: number,
): ZipRecord {
  const nameAt = at + ENTRY_BYTES;
  const fields = {
    bytes: directory.getUint32(at + 24, true),
    packedBytes: directory.getUint32(at + 20, true),
    offset: directory.getUint32(at + 42, true),
  };
  const end = nameAt + nameLength + extraLength;
  let unicodeName: string | undefined;
  for (let extra = nameAt + nameLength; extra + 4 <= end;) {
    const length = directory.getUint16(extra + 2, true);
    if (directory.getUint16(extra, true) === 1) {
      // The zip64 extension contains the fields that are full, in this order.
      let long = extra + 4;
      for (const name of ["bytes", "packedBytes", "offset"] as const) {
        if (fields[name] !== 0xffffffff) continue;
        if (long + 8 > Math.min(end, extra + 4 + length)) {
          throw unpackError("an entry has no size");
        }
        fields[name] = readUint64(directory, long);
        long += 8;
      }
    }
    if (directory.getUint16(extra, true) === UNICODE_PATH) {
      // Version and checksum precede the name.
      const from = Math.min(end, extra + 9);
      const to = Math.min(end, extra + 4 + length);
      const bytes = new Uint8Array(directory.buffer).subarray(from, to);
      unicodeName = decodeName(bytes);
    }
    extra += 4 + length;
  }
  const isUnix = directory.getUint8(at + 5) === 3;
  const name = new Uint8Array(directory.buffer, nameAt, nameLength);
  return {
    ...fields,
    name: decodeName(name),
    unicodeName,
    flags: directory.getUint16(at + 8, true),
    method: directory.getUint16(at + 10, true),
    crc: directory.getUint32(at + 16, true),
    unixMode: isUnix ? directory.getUint16(at + 40, true) : 0,
  };
}

function readUint64(view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  if (Number.isSafeInteger(value)) return value;
  throw unpackError("it has an invalid size");
}

function toDataView(bytes: Uint8Array<ArrayBuffer>): DataView<ArrayBuffer> {
  return new DataView(bytes.buffer);
}
