/**
 * Writes a tar in the POSIX pax format, which has names of any bytes and
 * length, sizes over 8 GiB and times with milliseconds.
 *
 * Owners are not written, so that the same tree is the same archive for every
 * user.
 */

import { joinBytes } from "../bytes.ts";
import { encodeName } from "../fs/byte_names.ts";
import { BLOCK_BYTES } from "./tar_header.ts";

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
  const header = block({
    name: path,
    target: link,
    flag: TYPE_FLAGS[type],
    mode,
    size: size < SIZE_LIMIT ? size : 0,
    seconds: Math.max(0, Math.floor(modifiedMs / 1_000)),
  });
  return records.length === 0
    ? header
    : joinBytes([...extension(records), header]);
}

/** Creates the zeros after the content of a file. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES);
}

function needsRecord(name: Uint8Array): boolean {
  return name.length > NAME_BYTES || name.some((byte) => byte >= 0x80);
}

function extension(
  records: readonly [key: string, value: Uint8Array][],
): Uint8Array<ArrayBuffer>[] {
  const content = joinBytes(records.map(([key, value]) => record(key, value)));
  const header = block({
    name: encodeName("pax"),
    target: new Uint8Array(),
    flag: "x",
    mode: 0o644,
    size: content.length,
    seconds: 0,
  });
  return [header, content, new Uint8Array(tarPadding(content.length))];
}

/** The length of a record counts its own digits. */
function record(key: string, value: Uint8Array): Uint8Array<ArrayBuffer> {
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

function block(
  { name, target, flag, mode, size, seconds }: Fields,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK_BYTES);
  const text = (at: number, value: string) => bytes.set(encodeName(value), at);
  const octal = (at: number, length: number, value: number) =>
    text(at, value.toString(8).padStart(length - 1, "0"));
  bytes.set(name.subarray(0, NAME_BYTES), 0);
  octal(100, 8, mode & 0o777);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, size);
  octal(136, 12, seconds);
  text(148, " ".repeat(8));
  text(156, flag);
  bytes.set(target.subarray(0, NAME_BYTES), 157);
  text(257, "ustar\u000000");
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  text(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return bytes;
}
