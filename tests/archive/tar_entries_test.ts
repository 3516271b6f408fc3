import { assert, assertEquals, assertRejects } from "@std/assert";
import { type ArchiveLimits, Budget } from "../../src/archive/entry.ts";
import { tarEntries } from "../../src/archive/tar_entries.ts";
import { unpack } from "../../src/archive/unpack.ts";
import { RunnerError } from "../../src/errors.ts";
import { createTar, paxRecords, type TarEntry } from "../helpers/archives.ts";
import {
  listFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const LIMITS = { maxEntries: 1_000, maxBytes: 1e9, maxRatio: 200 };

function pax(records: Record<string, string>): TarEntry {
  return { name: "pax", type: "x", content: paxRecords(records) };
}

async function unpackTar(
  entries: readonly TarEntry[],
  directory: string,
  limits: ArchiveLimits = LIMITS,
): Promise<void> {
  const bytes = createTar(entries);
  const budget = new Budget(limits, bytes.length);
  const stream = ReadableStream.from([bytes]);
  await unpack(tarEntries(stream, budget), directory, {
    stripTop: false,
    budget,
    signal: new AbortController().signal,
  });
}

async function refusalOf(
  entries: readonly TarEntry[],
  limits?: ArchiveLimits,
): Promise<string> {
  await using directory = await temporaryDirectory();
  const error = await assertRejects(
    () => unpackTar(entries, directory.path, limits),
    RunnerError,
  );
  return error.message;
}

Deno.test("tarEntries() limits the memory of all headers that describe one entry", async () => {
  const large = paxRecords({ comment: "a".repeat(1024 * 1024) });
  for (const type of ["x", "g"]) {
    const headers = Array(9).fill({ name: "p", type, content: large });
    const message = await refusalOf([...headers, { name: "file" }]);
    assertEquals(
      message,
      "Cannot unpack the archive: an extended header is too long",
    );
  }
  const small = paxRecords({ comment: "a" });
  const many = Array(20_000).fill({ name: "p", type: "x", content: small });
  assert((await refusalOf([...many, { name: "f" }])).includes("too long"));
});

Deno.test("tarEntries() reads sparse files with many segments in each format", async () => {
  const count = 60_000;
  const starts = Array.from({ length: count }, (_, index) => 2 * index);
  const content = "x".repeat(count);
  const size = String(2 * count);
  const numbers = `${count}\n${starts.map((at) => `${at}\n1\n`).join("")}`;
  const padding = "\0".repeat((512 - numbers.length % 512) % 512);
  const formats: Record<string, [records: string, content: string]> = {
    "0.0": [
      paxRecords({ "GNU.sparse.size": size }) + starts.map((at) =>
        paxRecords({
          "GNU.sparse.offset": String(at),
          "GNU.sparse.numbytes": "1",
        })
      ).join(""),
      content,
    ],
    "0.1": [
      paxRecords({
        "GNU.sparse.size": size,
        "GNU.sparse.map": starts.map((at) => `${at},1`).join(","),
      }),
      content,
    ],
    "1.0": [
      paxRecords({
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": size,
      }),
      numbers + padding + content,
    ],
  };
  for (const [format, [records, content]] of Object.entries(formats)) {
    await using directory = await temporaryDirectory();
    await unpackTar([
      { name: "pax", type: "x", content: records },
      { name: "sparse", content },
    ], directory.path);
    const { sparse } = await listFiles(directory.path);
    assertEquals(sparse === "x\0".repeat(count), true, format);
  }
});

Deno.test("tarEntries() rejects numbers of any length that are not sizes", async () => {
  const digits = "9".repeat(300_000);
  for (const key of ["size", "GNU.sparse.size", "GNU.sparse.realsize"]) {
    const message = await refusalOf([pax({ [key]: digits }), { name: "f" }]);
    assert(message.startsWith("Cannot unpack the archive: "), message);
  }
});

Deno.test("unpack() shows names and targets as one short line", async () => {
  const odd = `a\n::error::b\x1b[31m${"c".repeat(100_000)}`;
  const archives: TarEntry[][] = [
    [pax({ linkpath: `/${odd}` }), { name: "l", type: "2" }],
    [pax({ linkpath: `../${odd}`.slice(0, 1_000) }), { name: "l", type: "2" }],
    [pax({ linkpath: odd }), { name: "l", type: "1" }],
    [pax({ path: `../${odd}` }), { name: "f" }],
    [
      pax({ path: "d\n\x1b" }),
      { name: "d", type: "2", target: "x" },
      pax({
        path: "d\n\x1b/f",
      }),
      { name: "f" },
    ],
  ];
  for (const entries of archives) {
    const message = await refusalOf(entries);
    assert(message.length < 600, `${message.length}`);
    // deno-lint-ignore no-control-regex -- these characters are the problem
    assert(!/[\0-\x1f]/.test(message), message);
  }
});

Deno.test("unpack() counts directories that have no entry", async () => {
  const entries = Array.from(
    { length: 60 },
    (_, index) => ({ name: `${index}/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/file` }),
  );
  const message = await refusalOf(entries);
  assertEquals(
    message,
    "Cannot unpack the archive: it has more than 1000 entries",
  );
  await using directory = await temporaryDirectory();
  await unpackTar(entries, directory.path, {
    ...LIMITS,
    allowsImpliedDirectories: true,
  });
});

Deno.test("unpack() limits the effort for following links", async () => {
  const deep = "a/".repeat(1_200);
  const entries = [
    pax({ path: `${deep}file` }),
    { name: "file" },
    ...Array.from({ length: 300 }, (_, index) => [
      pax({ linkpath: `${deep}file` }),
      { name: `link${index}`, type: "2" },
    ]).flat(),
  ];
  const message = await refusalOf(entries, { ...LIMITS, maxEntries: 10_000 });
  assertEquals(message, "Cannot unpack the archive: its links are too deep");
});

Deno.test("tarEntries() rejects extended headers of one entry that differ", async () => {
  for (const key of ["path", "linkpath", "size", "GNU.sparse.name"]) {
    const message = await refusalOf([
      pax({ [key]: "1" }),
      pax({ comment: "between" }),
      pax({ [key]: "2" }),
      { name: "f", content: "x" },
    ]);
    assertEquals(
      message,
      "Cannot unpack the archive: an entry has two extended headers that differ",
    );
  }
  await using directory = await temporaryDirectory();
  await unpackTar(
    [pax({ path: "a" }), pax({ path: "a", mtime: "1" }), { name: "f" }],
    directory.path,
  );
  assertEquals(await listFiles(directory.path), { a: "" });
});
