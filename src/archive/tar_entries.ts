/**
 * Reads a tar in one pass.
 *
 * It supports v7, ustar, pax and GNU archives, names of any length and any
 * bytes, sizes over 8 GiB and sparse files. An archive is dangerous if two
 * programs read it differently, so everything that is not exactly defined is
 * rejected: unknown types, two names for one entry, wrong checksums, data after
 * the end.
 *
 * @module
 */

import { decodeName } from "../fs/byte_names.ts";
import {
  type ArchiveEntry,
  type Budget,
  ByteSource,
  unpackError,
} from "./entry.ts";
import {
  BLOCK_BYTES,
  checkSize,
  decodeLatin1,
  expandSparse,
  parseHeader,
  parseRecords,
  readOldMap,
  readPaxMap,
  type SparseMap,
  type TarHeader,
} from "./tar_header.ts";

/** Content up to this size is read as a whole, in bytes. */
const WHOLE_BYTES = 64 * 1024;

/**
 * Maximum size of the extension headers of one entry, and of those that apply
 * to all entries, in bytes: they are kept in memory.
 */
const MAX_EXTENSION_BYTES = 8 * 1024 * 1024;

/** Entry type of each type flag; `other` cannot be unpacked. */
const TYPES: Readonly<Record<string, [ArchiveEntry["type"], kind?: string]>> = {
  "0": ["file"],
  "1": ["hard link"],
  "2": ["link"],
  "3": ["other", "character device"],
  "4": ["other", "block device"],
  "5": ["directory"],
  "6": ["other", "fifo"],
  // Contiguous file, which modern file systems treat as a regular one.
  "7": ["file"],
  // A directory with a list of its contents, for incremental backups.
  "D": ["directory"],
  "S": ["file"],
};

/** Types that have no content, regardless of the size in their headers. */
const TYPES_WITHOUT_CONTENT = "123456";

/** Types that are rejected by name. */
const REJECTED_TYPES: Readonly<Record<string, string>> = {
  M: "a file continued from another volume",
};

/** Maximum number of records that apply to all entries. */
const MAX_GLOBAL_COUNT = 1_000;

/** Records that must not differ between the headers of one entry. */
const AMBIGUOUS_KEYS = ["path", "linkpath", "size", "GNU.sparse.name"];

type PaxRecord = readonly [key: string, value: Uint8Array];

/** Extension headers that describe the next entry. */
interface Description {
  readonly records: PaxRecord[];
  /** Size of the headers, in bytes. */
  bytes: number;
  longName?: string;
  longTarget?: string;
}

function createDescription(): Description {
  return { records: [], bytes: 0 };
}

/**
 * Reads the entries of a tar stream.
 *
 * @param stream Bytes of the uncompressed tar.
 * @param budget Counts the zeros of sparse files.
 * @returns The entries. The content of each is available until the next one is
 * read.
 * @throws {RunnerError} With code `source-failed`, if the tar is damaged or has
 * an entry that cannot be unpacked.
 */
export async function* tarEntries(
  stream: AsyncIterable<Uint8Array>,
  budget: Budget,
): AsyncGenerator<ArchiveEntry> {
  const source = new ByteSource(stream);
  const blockMemory = new Uint8Array(BLOCK_BYTES);
  const wholeMemory = new Uint8Array(WHOLE_BYTES);
  try {
    const globals = createDescription();
    let next = createDescription();
    for (let at = 0;; at++) {
      const block = source.take(BLOCK_BYTES) ??
        await readBlock(source, blockMemory);
      if (block[0] === 0 && block.every((byte) => byte === 0)) break;
      const header = parseHeader(block);
      const { type } = header;
      if ("xXgLK".includes(type)) {
        const described = type === "g" ? globals : next;
        addDescription(
          described,
          type,
          await readExtension(source, header, described),
        );
        if (globals.records.length > MAX_GLOBAL_COUNT) {
          throw unpackError("it has too many global records");
        }
        continue;
      }
      // A volume label does not describe an entry.
      if (type === "V" && at === 0) continue;
      const known = TYPES[type];
      if (known === undefined) throw createTypeError(type);
      const records = globals.records.length === 0
        ? next.records
        : [...globals.records, ...next.records];
      const values = new Map(records);
      let size = readSize(values) ?? header.size;
      if (TYPES_WITHOUT_CONTENT.includes(type)) size = 0;
      const padded = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
      let map: SparseMap | undefined;
      let readBytes = 0;
      if (type === "S") map = await readOldMap(block.slice(), source);
      else if (known[0] === "file") {
        const found = await readPaxMap(records, source);
        map = found?.map;
        readBytes = found?.bytes ?? 0;
        if (readBytes > size) {
          throw unpackError("a sparse file has an invalid map");
        }
      }
      const entry = createEntry(header, values, next, known);
      next = createDescription();
      if (map === undefined && padded <= WHOLE_BYTES) {
        const bytes = source.take(padded) ??
          await source.read(padded, wholeMemory);
        if (bytes.length < padded) throw unpackError("it is truncated");
        yield { ...entry, content: bytes.subarray(0, size) };
        continue;
      }
      const body = new Body(source, padded - readBytes, size - readBytes);
      const content = body.read();
      yield {
        ...entry,
        content: map === undefined
          ? content
          : expandSparse(map, content, size - readBytes, budget),
      };
      await body.skip();
    }
    if (hasDescription(next)) {
      throw unpackError("it ends after an extended header");
    }
    await checkEnd(source);
  } finally {
    await source.close();
  }
}

/** Content of an entry, padded to whole blocks. */
class Body {
  readonly #source: ByteSource;
  #paddedLeft: number;
  #left: number;

  constructor(source: ByteSource, padded: number, size: number) {
    this.#source = source;
    this.#paddedLeft = padded;
    this.#left = size;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const bytes = await this.#next(this.#left);
      this.#left -= bytes.length;
      yield bytes;
    }
  }

  async skip(): Promise<void> {
    while (this.#paddedLeft > 0) await this.#next(this.#paddedLeft);
  }

  async #next(maxBytes: number): Promise<Uint8Array> {
    const bytes = await this.#source.readSome(maxBytes);
    if (bytes === undefined) throw unpackError("it is truncated");
    this.#paddedLeft -= bytes.length;
    return bytes;
  }
}

async function readBlock(
  source: ByteSource,
  memory: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const block = await source.read(BLOCK_BYTES, memory);
  if (block.length < BLOCK_BYTES) throw unpackError("it is truncated");
  return block;
}

async function readExtension(
  source: ByteSource,
  { size }: TarHeader,
  described: Description,
): Promise<Uint8Array> {
  // The block of the header counts as well, so that empty ones are limited.
  described.bytes += BLOCK_BYTES + size;
  if (described.bytes > MAX_EXTENSION_BYTES) {
    throw unpackError("an extended header is too long");
  }
  const padded = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  const bytes = source.take(padded)?.slice() ?? await source.read(padded);
  if (bytes.length < padded) throw unpackError("it is truncated");
  return bytes.subarray(0, size);
}

function addDescription(
  described: Description,
  type: string,
  content: Uint8Array,
): void {
  if ("xXg".includes(type)) {
    const records = parseRecords(content);
    if (type !== "g" && haveConflict(described.records, records)) {
      throw unpackError("an entry has two extended headers that differ");
    }
    for (const record of records) described.records.push(record);
    return;
  }
  const end = content.indexOf(0);
  const text = decodeName(end === -1 ? content : content.subarray(0, end));
  const name = type === "L" ? "longName" : "longTarget";
  if (described[name] !== undefined) {
    throw unpackError("an entry has two names");
  }
  described[name] = text;
}

/**
 * Checks whether two headers of one entry differ in an important record:
 * programs disagree about which one counts.
 */
function haveConflict(
  earlier: readonly PaxRecord[],
  later: readonly PaxRecord[],
): boolean {
  const lastText = (records: readonly PaxRecord[], key: string) =>
    records.findLast(([name]) => name === key)?.[1];
  return AMBIGUOUS_KEYS.some((key) => {
    const after = lastText(later, key);
    const before = after === undefined ? undefined : lastText(earlier, key);
    return after !== undefined && before !== undefined &&
      decodeLatin1(before) !== decodeLatin1(after);
  });
}

function hasDescription(description: Description): boolean {
  return description.bytes > 0;
}

function createEntry(
  header: TarHeader,
  values: ReadonlyMap<string, Uint8Array>,
  { longName, longTarget }: Description,
  [type, kind]: [ArchiveEntry["type"], kind?: string],
): ArchiveEntry {
  // A record without a value removes the value.
  const readText = (key: string) => {
    const value = values.get(key);
    return value?.length ? decodeName(value) : undefined;
  };
  const paxName = readText("GNU.sparse.name") ?? readText("path");
  const paxTarget = readText("linkpath");
  const isAmbiguous = (a?: string, b?: string) =>
    a !== undefined && b !== undefined && a !== b;
  if (isAmbiguous(paxName, longName) || isAmbiguous(paxTarget, longTarget)) {
    throw unpackError("an entry has two names");
  }
  const name = paxName ?? longName ?? header.name;
  // Before directories had their own type, a trailing slash marked them.
  const isDirectory = header.type === "0" && name.endsWith("/");
  const mtime = Number(readText("mtime") ?? header.mtime);
  const modifiedAt = new Date(mtime * 1_000);
  return {
    name,
    type: isDirectory ? "directory" : type,
    kind,
    mode: header.mode & 0o7777,
    ...Number.isFinite(modifiedAt.getTime()) ? { modifiedAt } : {},
    target: paxTarget ?? longTarget ?? header.target,
  };
}

function readSize(values: ReadonlyMap<string, Uint8Array>): number | undefined {
  const value = values.get("size");
  if (!value?.length) return undefined;
  const text = decodeLatin1(value);
  return checkSize(/^\d+$/.test(text) ? Number(text) : NaN);
}

async function checkEnd(source: ByteSource): Promise<void> {
  while (true) {
    const bytes = await source.readSome(Infinity);
    if (bytes === undefined) return;
    if (bytes.some((byte) => byte !== 0)) {
      throw unpackError("it has data after its end");
    }
  }
}

function createTypeError(type: string) {
  return unpackError(
    `it contains ${
      REJECTED_TYPES[type] ??
        `an entry of the unknown type ${JSON.stringify(type)}`
    }`,
  );
}
