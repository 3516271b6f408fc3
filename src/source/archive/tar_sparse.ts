import type { Budget } from "./budget.ts";
import type { ByteSource } from "./byte_source.ts";
import {
  BLOCK_BYTES,
  damaged,
  latin1,
  numberAt,
  sizeOf,
} from "./tar_header.ts";

/** Most pieces of one sparse file. */
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
    if (block.length < BLOCK_BYTES) throw damaged("it is truncated");
    addFrom(block, 0, 21);
    isContinued = block[504] !== 0;
    if (pieces.length > MAX_PIECES) {
      throw damaged("a sparse file has too many pieces");
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
      throw damaged("a sparse file has no size");
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
      throw damaged("a sparse file has a bad map");
    }
    end = offset + length;
    total += length;
  }
  if (end > bytes || total !== size) {
    throw damaged("a sparse file has a bad map");
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
    if (block.length < BLOCK_BYTES) throw damaged("it is truncated");
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
        throw damaged("a sparse file has too many pieces");
      }
    }
    if (line.length > 20) throw damaged("a sparse file has a bad map");
  }
  return { numbers: numbers.slice(1), bytes };
}

function pairsOf(numbers: readonly number[]): [number, number][] {
  if (numbers.length % 2 !== 0) throw damaged("a sparse file has a bad map");
  const pairs: [number, number][] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    pairs.push([numbers[at], numbers[at + 1]]);
  }
  return pairs;
}

function integer(text: string): number {
  if (/^\d{1,16}$/.test(text)) return sizeOf(Number(text));
  throw damaged("a sparse file has a bad map");
}
