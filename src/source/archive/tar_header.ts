import { decodeName } from "../../fs/byte_names.ts";
import type { Budget } from "./unpack.ts";
import { type ByteSource, unpackError } from "./entry.ts";

/** Size of a block, the unit of every tar, in bytes. */
export const BLOCK_BYTES = 512;

/** A header as POSIX.1-2017 and GNU tar define it. */
export interface TarHeader {
  /** Type flag; `0` for the NUL of old archives. */
  readonly type: string;
  /** Name with its prefix; lone surrogates stand for bytes that are not UTF-8. */
  readonly name: string;
  /** Permission bits. */
  readonly mode: number;
  /** Size of the content, in bytes. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Where a link leads, as the name. */
  readonly target: string;
}

/**
 * Parses a header.
 *
 * @param block The block.
 * @returns The header.
 * @throws {RunnerError} With code `source-failed`, if it is damaged.
 */
export function parseHeader(block: Uint8Array): TarHeader {
  if (!hasValidChecksum(block)) {
    throw unpackError("a header has the wrong checksum");
  }
  const name = stringAt(block, 0, 100);
  // GNU tar keeps times where POSIX has the prefix; star keeps them behind it.
  const isPosix = latin1(block.subarray(257, 263)) === "ustar\0";
  const isStar = latin1(block.subarray(508, 512)) === "tar\0";
  const prefix = isPosix ? stringAt(block, 345, isStar ? 131 : 155) : [];
  const type = String.fromCharCode(block[156] || 0x30);
  return {
    type,
    name: decodeName(
      new Uint8Array(prefix.length > 0 ? [...prefix, 0x2f, ...name] : name),
    ),
    mode: numberAt(block, 100, 8),
    size: sizeOf(numberAt(block, 124, 12)),
    mtime: numberAt(block, 136, 12),
    target: decodeName(stringAt(block, 157, 100)),
  };
}

/**
 * Checks the sum of all bytes, in which those of the sum count as spaces.
 *
 * @param block The block.
 * @returns Whether it is right; old tars add the bytes up as signed ones.
 */
export function hasValidChecksum(block: Uint8Array): boolean {
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < BLOCK_BYTES; at++) {
    const byte = at >= 148 && at < 156 ? 0x20 : block[at];
    unsigned += byte;
    signed += byte > 0x7f ? byte - 0x100 : byte;
  }
  const found = octal(latin1(block.subarray(148, 156)));
  return found === unsigned || found === signed;
}

/**
 * Reads a number: octal digits or, for what they cannot say, a binary number
 * with a mark.
 *
 * @param block Block in which it is.
 * @param at Where it begins.
 * @param length Length of the field.
 * @returns The number; 0 for an empty field.
 * @throws {RunnerError} With code `source-failed`, if it is not a number.
 */
export function numberAt(
  block: Uint8Array,
  at: number,
  length: number,
): number {
  const field = block.subarray(at, at + length);
  let value: number | undefined;
  if (field[0] & 0x80) {
    value = field[0] === 0xff ? -1 : field[0] & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
  } else value = octal(latin1(field));
  if (value !== undefined && Number.isSafeInteger(value)) return value;
  throw unpackError("a header has a field that is not a number");
}

/**
 * Parses the records of an extended header: `LENGTH KEY=VALUE\n`.
 *
 * @param bytes Content of the header.
 * @returns Keys and values in their order; a key may occur several times.
 * @throws {RunnerError} With code `source-failed`, if it is damaged.
 */
export function parseRecords(
  bytes: Uint8Array,
): [key: string, value: Uint8Array][] {
  const records: [string, Uint8Array][] = [];
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const digits = latin1(bytes.subarray(at, Math.min(space, at + 12)));
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
 * Checks the size of a file or an extended header.
 *
 * @param size The size.
 * @returns The same.
 * @throws {RunnerError} With code `source-failed`, if it cannot be one.
 */
export function sizeOf(size: number): number {
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw unpackError("a header has an impossible size");
}

/**
 * Decodes bytes of a header that are ASCII.
 *
 * @param bytes The bytes.
 * @returns One character for each byte.
 */
export function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Fields of text end with a NUL or with the field. */
function stringAt(
  block: Uint8Array,
  at: number,
  length: number,
): Uint8Array {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return end === -1 ? field : field.subarray(0, end);
}

function octal(field: string): number | undefined {
  const [, digits] = /^ *([0-7]*)(?:[ \0].*)?$/s.exec(field) ?? [];
  if (digits === undefined) return undefined;
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

/** Maximum number of pieces of one sparse file. */
const MAX_PIECES = 1_000_000;

/** How much of a hole is written at a time. */
const ZEROS = new Uint8Array(64 * 1024);

/** A sparse file: what lies between its pieces is zeros. */
export interface SparseMap {
  /** Size of the file, in bytes. */
  readonly bytes: number;
  /** Places of the pieces that the archive holds, in their order. */
  readonly pieces: readonly (readonly [offset: number, length: number])[];
}

/**
 * Reads the map of the old format of GNU tar: in the header, and in blocks
 * that follow it.
 *
 * @param header The header.
 * @param source Stream behind the header.
 * @returns The map.
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
      pieces.push([numberAt(block, at, 12), numberAt(block, at + 12, 12)]);
    }
  };
  addFrom(header, 386, 4);
  for (let isContinued = header[482] !== 0; isContinued;) {
    const block = await source.read(BLOCK_BYTES);
    if (block.length < BLOCK_BYTES) throw unpackError("it is truncated");
    addFrom(block, 0, 21);
    isContinued = block[504] !== 0;
    if (pieces.length > MAX_PIECES) {
      throw unpackError("a sparse file has too many pieces");
    }
  }
  return { bytes: sizeOf(numberAt(header, 483, 12)), pieces };
}

/**
 * Reads the map of the formats 0.0, 0.1 and 1.0, which extended headers tell
 * of. That of 1.0 stands in front of the content.
 *
 * @param records Records of the extended headers.
 * @param source Stream behind the header.
 * @returns The map, and how much of the content it took; `undefined` for a
 * file that is not sparse.
 */
export async function readPaxMap(
  records: readonly (readonly [key: string, value: Uint8Array])[],
  source: ByteSource,
): Promise<{ map: SparseMap; bytes: number } | undefined> {
  const valuesOf = (key: string) =>
    records.filter(([name]) => name === `GNU.sparse.${key}`)
      .map(([, value]) => latin1(value));
  const size = valuesOf("realsize").at(-1) ?? valuesOf("size").at(-1);
  if (size === undefined) {
    if (records.some(([name]) => name.startsWith("GNU.sparse."))) {
      throw unpackError("a sparse file has no size");
    }
    return undefined;
  }
  const bytes = integer(size);
  if (valuesOf("major").at(-1) === "1") {
    const { numbers, bytes: length } = await readNumbers(source);
    return { map: { bytes, pieces: pairsOf(numbers) }, bytes: length };
  }
  const text = valuesOf("map").at(-1);
  const numbers = text === undefined
    ? valuesOf("offset").flatMap((offset, index) => [
      integer(offset),
      integer(valuesOf("numbytes")[index] ?? ""),
    ])
    : text === ""
    ? []
    : text.split(",").map(integer);
  return { map: { bytes, pieces: pairsOf(numbers) }, bytes: 0 };
}

/**
 * Fills the holes of a sparse file with zeros.
 *
 * @param map Places of the pieces.
 * @param content The pieces, one behind the other.
 * @param size Size of all pieces.
 * @param budget Counts the zeros, of which an archive can claim any number.
 * @returns Content of the file.
 * @throws {RunnerError} With code `source-failed`, if the map is not of that content.
 */
export async function* expanded(
  { bytes, pieces }: SparseMap,
  content: AsyncIterable<Uint8Array>,
  size: number,
  budget: Budget,
): AsyncGenerator<Uint8Array> {
  let end = 0;
  let total = 0;
  for (const [offset, length] of pieces) {
    if (offset < end || length < 0) {
      throw unpackError("a sparse file has a bad map");
    }
    end = offset + length;
    total += length;
  }
  if (end > bytes || total !== size) {
    throw unpackError("a sparse file has a bad map");
  }
  let position = 0;
  const hole = function* (until: number) {
    while (position < until) {
      const zeros = ZEROS.subarray(0, until - position);
      budget.addBytes(zeros.length);
      position += zeros.length;
      yield zeros;
    }
  };
  const left = pieces.filter(([, length]) => length > 0).map((
    [offset, length],
  ) => ({
    offset,
    end: offset + length,
  }));
  for await (let chunk of content) {
    while (chunk.length > 0) {
      const [piece] = left;
      yield* hole(piece.offset);
      const part = chunk.subarray(0, piece.end - position);
      position += part.length;
      yield part;
      chunk = chunk.subarray(part.length);
      if (position === piece.end) left.shift();
    }
  }
  yield* hole(bytes);
}

/** Decimal numbers, each on a line, the first of which counts pairs; padded to a block. */
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
    for (const character of latin1(block)) {
      if (numbers.length === wanted) break;
      if (character !== "\n") {
        line += character;
        continue;
      }
      numbers.push(integer(line));
      line = "";
      if (numbers.length === 1) wanted = 1 + 2 * numbers[0];
      if (wanted > 2 * MAX_PIECES) {
        throw unpackError("a sparse file has too many pieces");
      }
    }
    if (line.length > 20) throw unpackError("a sparse file has a bad map");
  }
  return { numbers: numbers.slice(1), bytes };
}

function pairsOf(numbers: readonly number[]): [number, number][] {
  if (numbers.length % 2 !== 0) {
    throw unpackError("a sparse file has a bad map");
  }
  const pairs: [number, number][] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    pairs.push([numbers[at], numbers[at + 1]]);
  }
  return pairs;
}

function integer(text: string): number {
  if (/^\d{1,16}$/.test(text)) return sizeOf(Number(text));
  throw unpackError("a sparse file has a bad map");
}
