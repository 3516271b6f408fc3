/**
 * Headers of tar archives: reads them and the maps of sparse files, and writes
 * them in the POSIX pax format, which has names of any bytes and length, sizes
 * over 8 GiB and times with milliseconds.
 *
 * Owners are not written, so that the same tree is the same archive for every
 * user.
 *
 * @module
 */
import { joinBytes } from "../bytes.ts";
import { decodeName, encodeName } from "../fs/byte_names.ts";
import { type Budget, type ByteSource, unpackError } from "./entry.ts";

/** Size of a tar block, in bytes. */
export const BLOCK_BYTES = 512;

/** A header as defined by POSIX.1-2017 and GNU tar. */
export interface TarHeader {
  /** Type flag; `0` for the NUL of old archives. */
  readonly type: string;
  /**
   * Name including its prefix; lone surrogates stand for bytes that are not
   * UTF-8.
   */
  readonly name: string;
  /** Permission bits. */
  readonly mode: number;
  /** Size of the content, in bytes. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Target of a link, encoded as the name. */
  readonly target: string;
}

/**
 * Parses a header.
 *
 * @throws {RunnerError} With code `source-failed`, if the header is damaged.
 */
export function parseHeader(block: Uint8Array): TarHeader {
  if (!hasValidChecksum(block)) {
    throw unpackError("a header has the wrong checksum");
  }
  const name = readString(block, 0, 100);
  // GNU tar stores times in the place of the POSIX prefix; star stores them
  // after it.
  const hasPrefix = block[345] !== 0 &&
    decodeLatin1(block.subarray(257, 263)) === "ustar\0";
  const isStar = hasPrefix &&
    decodeLatin1(block.subarray(508, 512)) === "tar\0";
  const prefix = hasPrefix ? readString(block, 345, isStar ? 131 : 155) : [];
  const type = String.fromCharCode(block[156] || 0x30);
  return {
    type,
    name: decodeName(
      prefix.length > 0 ? new Uint8Array([...prefix, 0x2f, ...name]) : name,
    ),
    mode: readNumber(block, 100, 8),
    size: checkSize(readNumber(block, 124, 12)),
    mtime: readNumber(block, 136, 12),
    target: decodeName(readString(block, 157, 100)),
  };
}

/**
 * Verifies the sum of all bytes, in which the checksum field counts as spaces.
 *
 * @returns Whether it is correct, as unsigned or, for old tars, as signed
 * bytes.
 */
export function hasValidChecksum(block: Uint8Array): boolean {
  let sum = 0;
  let highCount = 0;
  for (let at = 0; at < BLOCK_BYTES; at++) {
    sum += block[at];
    highCount += block[at] >> 7;
  }
  for (let at = 148; at < 156; at++) {
    sum += 0x20 - block[at];
    highCount -= block[at] >> 7;
  }
  const found = parseOctal(block.subarray(148, 156));
  return found === sum || found === sum - 0x100 * highCount;
}

/**
 * Reads a number: octal digits, or a marked binary number if it is too large
 * for them.
 *
 * @param block Block that contains the number.
 * @param at Offset of the field.
 * @returns The number; 0 for an empty field.
 * @throws {RunnerError} With code `source-failed`, if it is not a number.
 */
function readNumber(
  block: Uint8Array,
  at: number,
  length: number,
): number {
  const field = block.subarray(at, at + length);
  let value: number | undefined;
  if (field[0] & 0x80) {
    value = field[0] === 0xff ? -1 : field[0] & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
  } else value = parseOctal(field);
  if (value !== undefined && Number.isSafeInteger(value)) return value;
  throw unpackError("a header has a field that is not a number");
}

/**
 * Parses the records of an extended header: `LENGTH KEY=VALUE\n`.
 *
 * @returns Keys and values in order; a key may occur several times.
 * @throws {RunnerError} With code `source-failed`, if a record is damaged.
 */
export function parseRecords(
  bytes: Uint8Array,
): [key: string, value: Uint8Array][] {
  const records: [string, Uint8Array][] = [];
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const digits = decodeLatin1(bytes.subarray(at, Math.min(space, at + 12)));
    const end = at + Number(digits);
    const equals = bytes.indexOf(0x3d, space);
    const isWhole = space > at && /^\d+$/.test(digits) &&
      end <= bytes.length && bytes[end - 1] === 0x0a &&
      equals > space && equals < end;
    if (!isWhole) throw unpackError("an extended header is malformed");
    const key = decodeName(bytes.subarray(space + 1, equals));
    records.push([key, bytes.subarray(equals + 1, end - 1)]);
    at = end;
  }
  return records;
}

/**
 * Validates the size of a file or an extended header.
 *
 * @throws {RunnerError} With code `source-failed`, if the size is invalid.
 */
export function checkSize(size: number): number {
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw unpackError("a header has an invalid size");
}

const latin1Decoder = new TextDecoder("latin1");

/**
 * Decodes ASCII bytes of a header, of any length.
 *
 * @returns One character for each byte.
 */
export function decodeLatin1(bytes: Uint8Array): string {
  return latin1Decoder.decode(bytes);
}

/** Reads a text field, which ends with a NUL or at the end of the field. */
function readString(
  block: Uint8Array,
  at: number,
  length: number,
): Uint8Array {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return end === -1 ? field : field.subarray(0, end);
}

/**
 * Parses octal digits after any number of spaces, which end with a space or a
 * NUL.
 *
 * @returns The number; 0 for an empty field, and `undefined` for any other text.
 */
function parseOctal(field: Uint8Array): number | undefined {
  let at = 0;
  while (field[at] === 0x20) at++;
  let value = 0;
  for (; at < field.length; at++) {
    const digit = field[at] - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  const isEnded = at === field.length || field[at] === 0x20 || field[at] === 0;
  return isEnded ? value : undefined;
}

/** Maximum number of segments of one sparse file. */
const MAX_SEGMENTS = 1_000_000;

/** Buffer for writing holes. */
const ZEROS = new Uint8Array(64 * 1024);

/** Layout of a sparse file. Everything between its segments is zeros. */
export interface SparseMap {
  /** Size of the file, in bytes. */
  readonly bytes: number;
  /** Segments that the archive contains, in order. */
  readonly pieces: readonly (readonly [offset: number, length: number])[];
}

/**
 * Reads the map of GNU tar's old sparse format: in the header and the blocks
 * after it.
 *
 * @param source Stream after the header.
 */
export async function readOldMap(
  header: Uint8Array,
  source: ByteSource,
): Promise<SparseMap> {
  const pieces: [number, number][] = [];
  const addFrom = (block: Uint8Array, start: number, count: number) => {
    for (let index = 0; index < count; index++) {
      const at = start + index * 24;
      if (block[at] === 0 || block[at + 12] === 0) return;
      pieces.push([readNumber(block, at, 12), readNumber(block, at + 12, 12)]);
    }
  };
  addFrom(header, 386, 4);
  for (let isContinued = header[482] !== 0; isContinued;) {
    const block = await source.read(BLOCK_BYTES);
    if (block.length < BLOCK_BYTES) throw unpackError("it is truncated");
    addFrom(block, 0, 21);
    isContinued = block[504] !== 0;
    if (pieces.length > MAX_SEGMENTS) {
      throw unpackError("a sparse file has too many segments");
    }
  }
  return { bytes: checkSize(readNumber(header, 483, 12)), pieces };
}

/**
 * Reads the map of the sparse formats 0.0, 0.1 and 1.0, which are described by
 * extended headers. The map of format 1.0 precedes the content.
 *
 * @param source Stream after the header.
 * @returns The map and the size of its part of the content; `undefined` if the
 * file is not sparse.
 */
export async function readPaxMap(
  records: readonly (readonly [key: string, value: Uint8Array])[],
  source: ByteSource,
): Promise<{ map: SparseMap; bytes: number } | undefined> {
  const valuesAt = (key: string) =>
    records.filter(([name]) => name === `GNU.sparse.${key}`)
      .map(([, value]) => decodeLatin1(value));
  const size = valuesAt("realsize").at(-1) ?? valuesAt("size").at(-1);
  if (size === undefined) {
    if (records.some(([name]) => name.startsWith("GNU.sparse."))) {
      throw unpackError("a sparse file has no size");
    }
    return undefined;
  }
  const bytes = parseInteger(size);
  if (valuesAt("major").at(-1) === "1") {
    const { numbers, bytes: length } = await readNumbers(source);
    return { map: { bytes, pieces: groupPairs(numbers) }, bytes: length };
  }
  const text = valuesAt("map").at(-1);
  const lengths = text === undefined ? valuesAt("numbytes") : [];
  const numbers = text === undefined
    ? valuesAt("offset").flatMap((offset, index) => [
      parseInteger(offset),
      parseInteger(lengths[index] ?? ""),
    ])
    : text === ""
    ? []
    : text.split(",").map(parseInteger);
  return { map: { bytes, pieces: groupPairs(numbers) }, bytes: 0 };
}

/**
 * Fills the holes of a sparse file with zeros.
 *
 * @param content The segments, one after the other.
 * @param size Total size of the segments.
 * @param budget Counts the zeros, since an archive can claim any number of
 * them.
 * @returns Content of the file.
 * @throws {RunnerError} With code `source-failed`, if the map does not match
 * the content.
 */
export async function* expandSparse(
  { bytes, pieces }: SparseMap,
  content: AsyncIterable<Uint8Array>,
  size: number,
  budget: Budget,
): AsyncGenerator<Uint8Array> {
  let end = 0;
  let total = 0;
  for (const [offset, length] of pieces) {
    if (offset < end || length < 0) {
      throw unpackError("a sparse file has an invalid map");
    }
    end = offset + length;
    total += length;
  }
  if (end > bytes || total !== size) {
    throw unpackError("a sparse file has an invalid map");
  }
  let position = 0;
  const fillHole = function* (until: number) {
    while (position < until) {
      const zeros = ZEROS.subarray(0, until - position);
      budget.addBytes(zeros.length);
      position += zeros.length;
      yield zeros;
    }
  };
  const segments = pieces.filter(([, length]) => length > 0);
  let index = 0;
  for await (let chunk of content) {
    while (chunk.length > 0) {
      const [offset, length] = segments[index];
      yield* fillHole(offset);
      const part = chunk.subarray(0, offset + length - position);
      position += part.length;
      yield part;
      chunk = chunk.subarray(part.length);
      if (position === offset + length) index++;
    }
  }
  yield* fillHole(bytes);
}

/**
 * Reads decimal numbers, one per line and padded to a block; the first one
 * counts the pairs.
 */
async function readNumbers(
  source: ByteSource,
): Promise<{ numbers: number[]; bytes: number }> {
  const numbers: number[] = [];
  let wanted = 1;
  let line = "";
  let bytes = 0;
  while (numbers.length < wanted) {
    const block = await source.read(BLOCK_BYTES);
    if (block.length < BLOCK_BYTES) throw unpackError("it is truncated");
    bytes += BLOCK_BYTES;
    for (const character of decodeLatin1(block)) {
      if (numbers.length === wanted) break;
      if (character !== "\n") {
        line += character;
        continue;
      }
      numbers.push(parseInteger(line));
      line = "";
      if (numbers.length === 1) wanted = 1 + 2 * numbers[0];
      if (wanted > 2 * MAX_SEGMENTS) {
        throw unpackError("a sparse file has too many segments");
      }
    }
    if (line.length > 20) throw unpackError("a sparse file has an invalid map");
  }
  return { numbers: numbers.slice(1), bytes };
}

function groupPairs(numbers: readonly number[]): [number, number][] {
  if (numbers.length % 2 !== 0) {
    throw unpackError("a sparse file has an invalid map");
  }
  const pairs: [number, number][] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    pairs.push([numbers[at], numbers[at + 1]]);
  }
  return pairs;
}

function parseInteger(text: string): number {
  if (/^\d{1,16}$/.test(text)) return checkSize(Number(text));
  throw unpackError("a sparse file has an invalid map");
}

/** An entry to write. */
export interface TarItem {
  /** Name; lone surrogates stand for bytes that are not UTF-8. */
  readonly name: string;
  /** Type of the entry. */
  readonly type: "file" | "directory" | "link" | "hard link";
  /** Permission bits. */
  readonly mode: number;
  /** Time of the last modification, in milliseconds since 1970. */
  readonly modifiedMs: number;
  /** Size of a file, in bytes; 0 for other types. */
  readonly size: number;
  /** Target of a link, or name of an earlier file for a hard link. */
  readonly target?: string;
}

/** Type flag of each type. */
const TYPE_FLAGS = { file: "0", "hard link": "1", link: "2", directory: "5" };

/** Length of the fields for names and targets, in bytes. */
const NAME_BYTES = 100;

/** First number that the field for sizes cannot hold. */
const SIZE_LIMIT = 8 ** 11;

/** The two empty blocks at the end of a tar. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK_BYTES);

/** Creates the header of an entry, which precedes its content. */
export function tarHeader(item: TarItem): Uint8Array {
  const { name, type, mode, modifiedMs, size, target = "" } = item;
  const records: [key: string, value: Uint8Array][] = [];
  const path = encodeName(name);
  const link = encodeName(target);
  if (needsRecord(path)) records.push(["path", path]);
  if (needsRecord(link)) records.push(["linkpath", link]);
  if (size >= SIZE_LIMIT) records.push(["size", encodeName(String(size))]);
  if (modifiedMs % 1_000 !== 0 || modifiedMs < 0) {
    records.push(["mtime", encodeName((modifiedMs / 1_000).toFixed(3))]);
  }
  const header = createBlock({
    name: path,
    target: link,
    flag: TYPE_FLAGS[type],
    mode,
    size: size < SIZE_LIMIT ? size : 0,
    seconds: Math.max(0, Math.floor(modifiedMs / 1_000)),
  });
  return records.length === 0
    ? header
    : joinBytes([...createExtension(records), header]);
}

/** Creates the zeros after the content of a file. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES);
}

function needsRecord(name: Uint8Array): boolean {
  return name.length > NAME_BYTES || name.some((byte) => byte >= 0x80);
}

function createExtension(
  records: readonly [key: string, value: Uint8Array][],
): Uint8Array<ArrayBuffer>[] {
  const content = joinBytes(
    records.map(([key, value]) => createRecord(key, value)),
  );
  const header = createBlock({
    name: encodeName("pax"),
    target: new Uint8Array(),
    flag: "x",
    mode: 0o644,
    size: content.length,
    seconds: 0,
  });
  return [header, content, new Uint8Array(tarPadding(content.length))];
}

/** Creates a record, whose length includes its own digits. */
function createRecord(key: string, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = key.length + value.length + 3;
  let digits = String(length).length;
  while (String(length + digits).length > digits) digits++;
  return joinBytes([
    encodeName(`${length + digits} ${key}=`),
    new Uint8Array(value),
    encodeName("\n"),
  ]);
}

interface Fields {
  name: Uint8Array;
  target: Uint8Array;
  flag: string;
  mode: number;
  size: number;
  seconds: number;
}

function createBlock(
  { name, target, flag, mode, size, seconds }: Fields,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK_BYTES);
  const writeText = (at: number, value: string) =>
    bytes.set(encodeName(value), at);
  const writeOctal = (at: number, length: number, value: number) =>
    writeText(at, value.toString(8).padStart(length - 1, "0"));
  bytes.set(name.subarray(0, NAME_BYTES), 0);
  writeOctal(100, 8, mode & 0o777);
  writeOctal(108, 8, 0);
  writeOctal(116, 8, 0);
  writeOctal(124, 12, size);
  writeOctal(136, 12, seconds);
  writeText(148, " ".repeat(8));
  writeText(156, flag);
  bytes.set(target.subarray(0, NAME_BYTES), 157);
  writeText(257, "ustar\u000000");
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  writeText(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return bytes;
}
