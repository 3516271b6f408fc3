import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { crc32 } from "node:zlib";
import { RunnerError } from "../../src/errors.ts";
import { decodeName, encodeName } from "../../src/fs/byte_names.ts";
import { unpack } from "../../src/archive/unpack.ts";
import { zipEntries } from "../../src/archive/zip_entries.ts";
import { runShell } from "../helpers/archives.ts";
import {
  listFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { Budget } from "../../src/archive/entry.ts";

/** An entry of a zip that is written byte by byte. */
interface ZipEntry {
  name: string;
  content?: string;
  mode?: number;
  method?: number;
  flags?: number;
  /** Flags in the local header, if they differ. */
  localFlags?: number;
  crc?: number;
  size?: number;
  offset?: number;
  /** Name in the local header, if it differs. */
  localName?: string;
  /** Name in the Info-ZIP Unicode Path field. */
  unicodeName?: string;
}

function zipOf(
  entries: readonly ZipEntry[],
  count: number = entries.length,
): Uint8Array {
  const bytes: number[] = [];
  const put = (value: number, length: number) => {
    for (let at = 0; at < length; at++) bytes.push((value >>> (8 * at)) & 0xff);
  };
  const encode = (text: string) => [...encodeName(text)];
  const common = (
    { name, content = "", ...entry }: ZipEntry,
    extra: readonly number[] = [],
  ) => {
    const length = encode(content).length;
    put(entry.flags ?? 0, 2);
    put(entry.method ?? 0, 2);
    put(0, 4);
    put(entry.crc ?? crc32(encodeName(content)), 4);
    put(length, 4);
    put(entry.size ?? length, 4);
    put(encode(name).length, 2);
    put(extra.length, 2);
  };
  const unicodePath = ({ name, unicodeName }: ZipEntry) => {
    if (unicodeName === undefined) return [];
    const sum = crc32(encodeName(name));
    const checksum = [0, 8, 16, 24].map((bit) => (sum >>> bit) & 0xff);
    const field = [1, ...checksum, ...encode(unicodeName)];
    return [0x75, 0x70, field.length, 0, ...field];
  };
  const offsets = entries.map((entry) => {
    const offset = bytes.length;
    put(0x04034b50, 4);
    put(20, 2);
    const { name, localName = name, content = "" } = entry;
    const flags = entry.localFlags ?? entry.flags;
    common({ ...entry, name: localName, flags });
    bytes.push(...encode(localName), ...encode(content));
    return offset;
  });
  const start = bytes.length;
  entries.forEach((entry, index) => {
    put(0x02014b50, 4);
    put(3 << 8, 2);
    put(20, 2);
    const extra = unicodePath(entry);
    common(entry, extra);
    put(0, 6);
    put(((entry.mode ?? 0o100644) & 0xffff) * 0x10000, 4);
    put(entry.offset ?? offsets[index], 4);
    bytes.push(...encode(entry.name), ...extra);
  });
  const length = bytes.length - start;
  put(0x06054b50, 4);
  put(0, 4);
  put(count, 2);
  put(count, 2);
  put(length, 4);
  put(start, 4);
  put(0, 2);
  return new Uint8Array(bytes);
}

/** Adds an end record of the zip64 format in front of the other one. */
function withLongEnd(
  bytes: Uint8Array,
  record: { count: number; bytes: number; offset: number },
): Uint8Array {
  const end = bytes.length - 22;
  const all = new Uint8Array(bytes.length + 76);
  all.set(bytes.subarray(0, end));
  all.set(bytes.subarray(end), end + 76);
  const view = new DataView(all.buffer, end, 76);
  view.setUint32(0, 0x06064b50, true);
  view.setBigUint64(4, 44n, true);
  view.setBigUint64(24, BigInt(record.count), true);
  view.setBigUint64(32, BigInt(record.count), true);
  view.setBigUint64(40, BigInt(record.bytes), true);
  view.setBigUint64(48, BigInt(record.offset), true);
  view.setUint32(56, 0x07064b50, true);
  view.setBigUint64(64, BigInt(end), true);
  view.setUint32(72, 1, true);
  return all;
}

async function unpacked(bytes: Uint8Array): Promise<Record<string, string>> {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await unpackTo(path, bytes);
  return await listFiles(`${path}/to`);
}

async function unpackTo(path: string, bytes: Uint8Array): Promise<void> {
  await Deno.writeFile(`${path}/a.zip`, bytes);
  await Deno.mkdir(`${path}/to`);
  const budget = new Budget(
    { maxEntries: 100, maxBytes: 1_000_000, maxRatio: 10 },
    bytes.length,
  );
  await unpack(zipEntries(`${path}/a.zip`, budget), `${path}/to`, {
    stripTop: false,
    budget,
    signal: new AbortController().signal,
  });
}

describe("zipEntries()", () => {
  it("reads files, directories and links", async () => {
    const bytes = zipOf([
      { name: "d/", mode: 0o040755 },
      { name: "d/file", content: "text" },
      { name: "link", content: "d/file", mode: 0o120777 },
    ]);
    assertEquals(await unpacked(bytes), {
      "d/": "",
      "d/file": "text",
      "link": "-> d/file",
    });
    assertEquals(await unpacked(zipOf([])), {});
  });

  it("keeps names and targets that are not UTF-8, byte for byte", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const bytes = zipOf([
      { name: "c\udce9/c\udce8", content: "one" },
      { name: "c\udce8", content: "two" },
      { name: "l\udce8", content: "c\udce9/c\udce8", mode: 0o120777 },
    ]);
    await unpackTo(path, bytes);
    assertEquals(
      await runShell(
        `${path}/to`,
        String
          .raw`cat "$(printf 'c\351/c\350')" "$(printf 'c\350')" "$(printf 'l\350')"`,
      ),
      "onetwoone",
    );
    assertEquals(await runShell(`${path}/to`, "find . | wc -l"), "5");
  });

  it("rejects names and links that lead out, and unsupported features", async () => {
    const hostile: [entries: ZipEntry[], problem: string][] = [
      [[{ name: "/etc/x" }], "its name is absolute"],
      [[{ name: "a/../../x" }], 'its name contains ".."'],
      [[{ name: "..\\x" }], "its name contains a backslash"],
      [[{ name: "l", content: "/etc", mode: 0o120777 }], "is absolute"],
      [
        [{ name: "l", content: "..", mode: 0o120777 }],
        "leads out of the archive",
      ],
      [
        [
          { name: "l", content: "x", mode: 0o120777 },
          { name: "l/evil", content: "evil" },
        ],
        '"l" is a link in the same archive',
      ],
      [
        [{ name: "l", content: "x".repeat(5_000), mode: 0o120777 }],
        "its target is not a path",
      ],
      [[{ name: "dev", mode: 0o020644 }], "it is a device"],
      [[{ name: "f", flags: 1 }], "it is encrypted"],
      [[{ name: "f", method: 14 }], "it uses compression method 14"],
      [
        [{ name: "f", content: "x", crc: 1 }],
        "do not match their size or checksum",
      ],
      [
        [{ name: "f", content: "xyz", size: 2 }],
        "do not match their size or checksum",
      ],
      [[{ name: "f", content: "\x07", method: 8 }], "its contents are damaged"],
      [[{ name: "f", localName: "../f" }], "an entry has a different name"],
      [
        [{ name: "f", offset: 7 }],
        "an entry is not at the offset in the central directory",
      ],
      [[{ name: "f", offset: 1e9 }], "it is truncated"],
    ];
    for (const [entries, problem] of hostile) {
      const error = await assertRejects(
        () => unpacked(zipOf(entries)),
        RunnerError,
      );
      assert(error.message.includes(problem), `${error.message}\n${problem}`);
    }
  });

  it("rejects what two programs would read differently", async () => {
    const same = "another entry has the same name";
    const hostile: [entries: ZipEntry[], problem: string][] = [
      [[{ name: "f", content: "1" }, { name: "f", content: "2" }], same],
      [[{ name: "d/f", content: "1" }, { name: "d//./f" }], same],
      [[
        { name: "l", content: "x", mode: 0o120777 },
        { name: "l", content: "y", mode: 0o120777 },
      ], same],
      [[{ name: "d/" }, { name: "./d" }], same],
      [[{ name: "f" }, { name: "f/" }], '"f" is a file in the same archive'],
      [[{ name: "f", unicodeName: "../f" }], "it has two names"],
      [[{ name: "f", unicodeName: "" }], "it has two names"],
      [[{ name: "f", content: "x", localFlags: 1 }], "it is encrypted"],
      [[{ name: "f", content: "x", localFlags: 0x2000 }], "it is encrypted"],
    ];
    for (const [entries, problem] of hostile) {
      const error = await assertRejects(
        () => unpacked(zipOf(entries)),
        RunnerError,
      );
      assert(error.message.includes(problem), `${error.message}\n${problem}`);
    }
    await assertRejects(
      () => unpacked(zipOf([{ name: "f" }, { name: "g" }], 1)),
      RunnerError,
      "its central directory has more entries than it counts",
    );
    const harmless = [
      { name: "d/", mode: 0o40755 },
      { name: "d/f", content: "1", unicodeName: "d/f" },
      { name: "d/", mode: 0o40755 },
    ];
    assertEquals(await unpacked(zipOf(harmless)), { "d/": "", "d/f": "1" });
  });

  it("rejects entries that share bytes", async () => {
    const inner = zipOf([{ name: "b", content: "inner" }]).subarray(0, 36);
    const entries = [
      { name: "a", content: decodeName(inner) },
      { name: "b", content: "inner", offset: 31 },
    ];
    for (const order of [entries, entries.toReversed()]) {
      const bytes = zipOf(order.map((entry) => ({
        ...entry,
        ...order === entries ? {} : { offset: entry.name === "a" ? 36 : 67 },
      })));
      await assertRejects(
        () => unpacked(bytes),
        RunnerError,
        "its entries overlap",
      );
    }
  });

  it("rejects two end records that disagree", async () => {
    const bytes = zipOf([{ name: "a", content: "1" }, { name: "b" }]);
    const end = new DataView(bytes.buffer, bytes.length - 22);
    const record = {
      count: 2,
      bytes: end.getUint32(12, true),
      offset: end.getUint32(16, true),
    };
    const both = { a: "1", b: "" };
    assertEquals(await unpacked(withLongEnd(bytes, record)), both);
    for (const [at, value] of [[10, 0xffff], [12, -1], [16, -1]]) {
      const long = bytes.slice();
      const view = new DataView(long.buffer, bytes.length - 22);
      if (at === 10) view.setUint16(at, value, true);
      else view.setInt32(at, value, true);
      assertEquals(await unpacked(withLongEnd(long, record)), both);
    }
    const last = { ...record, count: 1, offset: record.offset + 47 };
    for (const other of [last, { ...record, count: 1 }]) {
      await assertRejects(
        () => unpacked(withLongEnd(bytes, { ...other, bytes: 47 })),
        RunnerError,
        "it has two central directories",
      );
    }
  });

  it("rejects a central directory that is truncated or damaged at any byte", async () => {
    const bytes = zipOf([{ name: "a", content: "text" }, { name: "b" }]);
    for (let length = 0; length < bytes.length; length++) {
      await assertRejects(
        () => unpacked(bytes.slice(0, length)),
        RunnerError,
        "Cannot unpack",
      );
    }
    for (let at = 0; at < bytes.length; at++) {
      const wrong = bytes.slice();
      wrong[at] ^= 0xff;
      const error = await unpacked(wrong).then(() => undefined, (item) => item);
      assert(
        error === undefined || error instanceof RunnerError,
        String(error),
      );
    }
  });
});
