import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ArchiveConfig } from "../../src/config/job_config.ts";
import { RunnerError } from "../../src/errors.ts";
import { prepareSource } from "../../src/source/prepare.ts";
import {
  computeChecksum,
  createTar,
  paxRecords,
  runShell,
  runTool,
  type TarEntry,
} from "../helpers/archives.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { sourceContext } from "../helpers/source_context.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const LIMITS: ArchiveConfig = {
  stripTop: false,
  maxEntries: 1_000,
  maxBytes: 64 * 1024 * 1024,
  maxRatio: 200,
  timeoutMs: 60_000,
};

const FILES = {
  "top/": "",
  "top/deep/": "",
  "top/deep/file": "text",
  "top/deep/up": "-> ../script",
  "top/empty/": "",
  "top/script": "#!/bin/sh\n",
  "top/ß and space": "ü",
};

/** Unpacks an archive to `job/src` of a directory. */
async function unpackIn(
  cwd: string,
  url: string,
  options: Partial<ArchiveConfig> & { ref?: string } = {},
) {
  const { ref, ...changes } = options;
  const context = sourceContext({ cwd });
  const target = context.workspace.pathOf("/job/src");
  const archive = { ...LIMITS, ...changes };
  await prepareSource(
    { type: "tarball", url, ref, target, replace: false, archive },
    context,
  );
  return { target, lines: context.log.lines };
}

/** Asserts that an archive is rejected, and leaves nothing behind. */
async function refusal(
  cwd: string,
  url: string,
  options: Partial<ArchiveConfig> & { ref?: string } = {},
): Promise<string> {
  const error = await assertRejects(
    () => unpackIn(cwd, url, options),
    RunnerError,
  );
  assertEquals(error.code, "source-failed");
  assertEquals(await exists(`${cwd}/job/src`), false, "something stayed");
  return error.message;
}

async function refusalOf(
  entries: readonly TarEntry[],
  options: Partial<ArchiveConfig> = {},
): Promise<string> {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await Deno.mkdir(`${path}/job`);
  await Deno.writeFile(`${path}/job/a.tar`, createTar(entries));
  await makeFiles(path, { "victim/file": "mine" });
  const before = await listFiles(`${path}/victim`);
  const message = await refusal(path, "job/a.tar", options);
  assertEquals(await listFiles(`${path}/victim`), before);
  return message;
}

describe("archiveSource()", () => {
  it("unpacks tar and zip archives with every compression", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(`${path}/from`, FILES);
    await Deno.chmod(`${path}/from/top/script`, 0o751);
    const names = ["posix", "v7"];
    const compressors = {
      "tar": "",
      "tar.gz": "gzip",
      "tar.bz2": "bzip2",
      "tar.xz": "xz",
      "tar.zst": "zstd",
    };
    for (const [suffix, program] of Object.entries(compressors)) {
      if (program !== "" && isProgramMissing(program)) continue;
      names.push(`a.${suffix}`);
      const use = program === "" ? [] : ["--use-compress-program", program];
      const file = `../a.${suffix}`;
      await runTool(`${path}/from`, "tar", ...use, "-cf", file, "top");
    }
    await runTool(`${path}/from`, "tar", "-cf", "../posix", "-Hposix", "top");
    await runTool(`${path}/from`, "tar", "-cf", "../v7", "-Hv7", "top");
    if (!isProgramMissing("zip")) {
      names.push("a.zip");
      await runTool(`${path}/from`, "zip", "-qry", "../a.zip", "top");
    }
    for (const name of names) {
      const { target } = await unpackIn(path, name);
      assertEquals(await listFiles(target), FILES, name);
      const { mode } = await Deno.stat(`${target}/top/script`);
      assertEquals(mode! & 0o7777, 0o751, name);
    }
  });

  it("reads a gzip of several parts", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "from/file": "x".repeat(10_000) });
    await runTool(path, "tar", "-cf", "a.tar", "from");
    await runTool(
      path,
      "sh",
      "-c",
      "head -c 3000 a.tar | gzip >a.gz; tail -c +3001 a.tar | gzip >>a.gz",
    );
    const { target } = await unpackIn(path, `file://${path}/a.gz`);
    assertEquals((await Deno.stat(`${target}/from/file`)).size, 10_000);
  });

  it("keeps times, hard links, read-only directories and long names", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const long = `${"d".repeat(90)}/${"e".repeat(90)}/${"f".repeat(90)}`;
    await makeFiles(`${path}/from`, { "closed/file": "1", [long]: "2" });
    await Deno.utime(`${path}/from/closed/file`, 1e9, 1e9);
    await Deno.link(`${path}/from/closed/file`, `${path}/from/other`);
    await Deno.chmod(`${path}/from/closed`, 0o555);
    for (const format of ["gnu", "posix"]) {
      await runTool(`${path}/from`, "tar", "-cf", "../a", "-H", format, ".");
      const { target } = await unpackIn(path, "a");
      const { mtime, nlink } = await Deno.stat(`${target}/closed/file`);
      assertEquals([mtime?.getTime(), nlink], [1e12, 2], format);
      assertEquals((await Deno.stat(`${target}/closed`)).mode! & 0o777, 0o555);
      assertEquals(await Deno.readTextFile(`${target}/${long}`), "2");
    }
    for (const place of ["from", "job/src"]) {
      await Deno.chmod(`${path}/${place}/closed`, 0o755);
    }
  });

  it("strips the top-level directory if requested", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(`${path}/from`, FILES);
    await runTool(`${path}/from`, "tar", "-czf", "../a", "./top");
    const zip = !isProgramMissing("zip");
    if (zip) await runTool(`${path}/from`, "zip", "-qry", "../b", "top");
    for (const name of zip ? ["a", "b.zip"] : ["a"]) {
      const { target } = await unpackIn(path, name, { stripTop: true });
      assertEquals(
        Object.keys(await listFiles(target)),
        Object.keys(FILES).slice(1).map((name) => name.slice("top/".length)),
      );
    }
    const beside = await refusalOf([{ name: "a/b" }, { name: "c/d" }], {
      stripTop: true,
    });
    assertEquals(
      beside,
      'Cannot unpack "c/d": it is not in the top-level directory "a"',
    );
    const alone = await refusalOf([{ name: "file" }], { stripTop: true });
    assertEquals(
      alone,
      'Cannot unpack "file": it names the target directory itself',
    );
    const up = await refusalOf(
      [{ name: "a/link", type: "2", target: "../b" }, { name: "a/b" }],
      { stripTop: true },
    );
    assertEquals(
      up,
      'Cannot unpack "a/link": its target "../b" leads out of the archive',
    );
  });

  it("verifies the checksum before anything is unpacked", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const bytes = createTar([{ name: "file", content: "text" }]);
    await Deno.writeFile(`${path}/a.tar`, bytes);
    const ref = await computeChecksum(bytes);
    await unpackIn(path, "a.tar", {
      ref: ref.toUpperCase().replace("SHA", "sha"),
    });
    await Deno.remove(`${path}/job`, { recursive: true });
    const wrong = `sha256:${"0".repeat(64)}`;
    assertEquals(
      await refusal(path, "a.tar", { ref: wrong }),
      `Cannot fetch the archive "a.tar": its checksum is ${ref}, not ${
        "0".repeat(64)
      }`,
    );
    for (const ref of ["main", "sha256:123", `md5:${"0".repeat(32)}`]) {
      const message = await refusal(path, "a.tar", { ref });
      assert(message.startsWith(`Cannot compare "${ref}"`), message);
    }
  });

  it("leaves nothing of a rejected archive behind", async () => {
    const hostile: [entries: TarEntry[], problem: string][] = [
      [[{ name: "/etc/x" }], '"/etc/x": its name is absolute'],
      [[{ name: "../x" }], '"../x": its name contains ".."'],
      [[{ name: "a/../../x" }], '"a/../../x": its name contains ".."'],
      [[{ name: "a/.." }], '"a/..": its name contains ".."'],
      [
        [{ name: "l", type: "2", target: "/etc" }],
        '"l": its target "/etc" is absolute',
      ],
      [
        [{ name: "l", type: "2", target: "../../../victim/file" }],
        '"l": its target "../../../victim/file" leads out of the archive',
      ],
      // A link that leads out through another link, which is valid by itself.
      [
        [
          { name: "a/b/c/x", type: "2", target: "../../.." },
          { name: "y", type: "2", target: "a/b/c/x/../x/.." },
        ],
        '"y": its target "a/b/c/x/../x/.." leads out of the archive',
      ],
      // The same in the other order.
      [
        [
          { name: "y", type: "2", target: "d/x/.." },
          { name: "d/x", type: "2", target: ".." },
        ],
        '"y": its target "d/x/.." leads out of the archive',
      ],
      [
        [
          { name: "d", type: "2", target: "e" },
          { name: "d/x", content: "evil" },
        ],
        '"d/x": "d" is a link in the same archive',
      ],
      [
        [
          { name: "f", type: "2", target: "g" },
          { name: "f", content: "evil" },
        ],
        '"f": "f" is a link in the same archive',
      ],
      [
        [{ name: "h", type: "1", target: "../../../victim/file" }],
        '"../../../victim/file": its name contains ".."',
      ],
      [
        [{ name: "h", type: "1", target: "/etc/passwd" }],
        '"/etc/passwd": its name is absolute',
      ],
      [
        [
          { name: "a/l", type: "2", target: "../x" },
          { name: "h", type: "1", target: "a/l" },
        ],
        '"h": its target "../x" leads out of the archive',
      ],
      [
        [
          { name: "d/", type: "5" },
          { name: "h", type: "1", target: "d" },
        ],
        '"h": "d" is not an earlier file in the archive',
      ],
      [[{ name: "c", type: "3" }], '"c": it is a character device'],
      [[{ name: "b", type: "4" }], '"b": it is a block device'],
      [[{ name: "p", type: "6" }], '"p": it is a fifo'],
      [
        [{ name: "loop", type: "2", target: "loop" }],
        '"loop" leads out of the archive',
      ],
      [[{ name: "" }], "it has no name"],
      [[{ name: "a" }, { name: "a/b" }], '"a/b": "a" is a file in the same'],
      [[{ name: "m", type: "M" }], "a file continued from another volume"],
      [[{ name: "q", type: "Q" }], 'an entry of the unknown type "Q"'],
      [
        [
          {
            name: "x",
            type: "x",
            content: paxRecords({ "GNU.sparse.major": "1" }),
          },
          { name: "sparse" },
        ],
        "a sparse file has no size",
      ],
      [
        [
          {
            name: "x",
            type: "x",
            content: paxRecords({
              "GNU.sparse.realsize": "9000000000000",
              "GNU.sparse.map": "0,1",
            }),
          },
          { name: "sparse", content: "x" },
        ],
        "its contents are more than 200 times its size",
      ],
      ...["5,1", "0,2", "0,1,0,0", "0", "1,-1", "0,1,", "9,1"].map((
        map,
      ): [TarEntry[], string] => [
        [
          {
            name: "x",
            type: "x",
            content: paxRecords({
              "GNU.sparse.realsize": "5",
              "GNU.sparse.map": map,
            }),
          },
          { name: "sparse", content: "x" },
        ],
        "a sparse file has an invalid map",
      ]),
      // Two programs would use different names.
      [
        [
          { name: "x", type: "x", content: paxRecords({ path: "one" }) },
          { name: "L", type: "L", content: "two\0" },
          { name: "three" },
        ],
        "an entry has two names",
      ],
      [
        [{ name: "L", type: "L", content: "one\0" }, {
          name: "L",
          type: "L",
          content: "two\0",
        }, { name: "three" }],
        "an entry has two names",
      ],
      [
        [{ name: "x", type: "x", content: paxRecords({ size: "-1" }) }, {
          name: "f",
        }],
        "a header has an invalid size",
      ],
      ...["8 path=x\n", "x path=x\n", "10 path=x", "", "\n"].filter(Boolean)
        .map((
          content,
        ): [TarEntry[], string] => [
          [{ name: "x", type: "x", content }, { name: "f" }],
          "an extended header is malformed",
        ]),
      // An extended header renames the entries after it.
      [
        [
          { name: "x", type: "x", content: paxRecords({ path: "/etc/x" }) },
          { name: "harmless" },
        ],
        '"/etc/x": its name is absolute',
      ],
      [
        [
          { name: "x", type: "x", content: paxRecords({ linkpath: "../.." }) },
          { name: "l", type: "2", target: "harmless" },
        ],
        '"l": its target "../.." leads out of the archive',
      ],
      [
        [{ name: "L", type: "L", content: "../x\0" }, { name: "harmless" }],
        '"../x": its name contains ".."',
      ],
    ];
    for (const [entries, problem] of hostile) {
      const good = { name: "good", content: "was here" };
      const message = await refusalOf([good, ...entries, good]);
      assert(message.startsWith("Cannot unpack "), message);
      assert(message.includes(problem), `${message}\n${problem}`);
    }
  });

  it("treats names that are not UTF-8 like all others", async () => {
    const up = { name: "d/l\udce9", type: "2", target: ".." };
    const hostile: [entries: TarEntry[], problem: string][] = [
      [
        [{ name: "l\udce9", type: "2", target: ".." }],
        "leads out of the archive",
      ],
      [
        [up, { name: "y", type: "2", target: "d/l\udce9/.." }],
        '"y": its target "d/l\\udce9/.." leads out of the archive',
      ],
      [
        [{ name: "y\udce9", type: "2", target: "d/l\udce9/.." }, up],
        'its target "d/l\\udce9/.." leads out of the archive',
      ],
      [[up, { name: "d/l\udce9/x" }], "is a link in the same archive"],
      [[up, { name: "d/l\udce9" }], "is a link in the same archive"],
      [[{ name: "../\udce9" }], 'its name contains ".."'],
      [[{ name: "h", type: "1", target: "\udce9" }], "is not an earlier file"],
      [[{ name: "a\udce9/b" }, { name: "a\udce9" }], "is a directory in the"],
    ];
    for (const [entries, problem] of hostile) {
      const message = await refusalOf(entries);
      assert(message.includes(problem), `${message}\n${problem}`);
    }
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await Deno.writeFile(
      `${path}/a`,
      createTar([
        up,
        { name: "f\udce9", content: "first" },
        { name: "f\udce8", content: "other" },
        { name: "h\udce9", type: "1", target: "f\udce9" },
        { name: "f\udce9", content: "last" },
        { name: "k\udce9", type: "1", target: "d/l\udce9" },
        { name: "k\udce9", type: "2", target: "d/l\udce9/f\udce8" },
      ]),
    );
    const { target } = await unpackIn(path, "a");
    assertEquals(
      await runShell(
        target,
        String
          .raw`for n in f h k; do cat "$(printf "$n\351")"; echo; done; cat "$(printf 'f\350')"; ls | wc -l`,
      ),
      "last\nfirst\nother\nother5",
    );
  });

  it("accepts links that stay inside, even dangling ones", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await Deno.writeFile(
      `${path}/a`,
      createTar([
        { name: "a/b/x", type: "2", target: "../../c" },
        { name: "y", type: "2", target: "a/b/../b/x/z" },
        { name: "here", type: "2", target: "." },
        { name: "c/z", content: "found" },
      ]),
    );
    const { target } = await unpackIn(path, "a");
    assertEquals(await Deno.readTextFile(`${target}/y`), "found");
  });

  it("uses the last of several files with one name", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await Deno.writeFile(
      `${path}/a`,
      createTar([
        { name: "f", content: "first" },
        { name: "h", type: "1", target: "f" },
        { name: "./f", content: "last" },
        { name: "d/", type: "5", mode: 0o755 },
        { name: "d", type: "5", mode: 0o700 },
      ]),
    );
    const { target } = await unpackIn(path, "a");
    assertEquals(await listFiles(target), {
      "d/": "",
      "f": "last",
      "h": "first",
    });
  });

  it("stops at its limits", async () => {
    const files = Array.from({ length: 11 }, (_, at) => ({ name: `f${at}` }));
    assertEquals(
      await refusalOf(files, { maxEntries: 10 }),
      "Cannot unpack the archive: it has more than 10 entries",
    );
    const big = [{ name: "big", content: new Uint8Array(100_000) }];
    assertEquals(
      await refusalOf(big, { maxBytes: 50_000 }),
      "Cannot unpack the archive: its contents are larger than 50000 bytes",
    );
    await using directory = await temporaryDirectory();
    const { path } = directory;
    for (const program of ["gzip", "xz", "zstd", "bzip2"]) {
      if (isProgramMissing(program)) continue;
      const packed =
        `truncate -s 40000000 zeros; tar -cf - zeros | ${program} >bomb`;
      await runTool(path, "sh", "-c", packed);
      assertEquals(
        await refusal(path, "bomb"),
        "Cannot unpack the archive: its contents are more than 200 times its size",
        program,
      );
    }
    if (isProgramMissing("zip")) return;
    await runTool(path, "zip", "-q9", "bomb.zip", "zeros");
    assertEquals(
      await refusal(path, "bomb.zip"),
      "Cannot unpack the archive: its contents are more than 200 times its size",
    );
  });

  it("rejects truncated, damaged and other files", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const tar = createTar([{ name: "file", content: "x".repeat(2_000) }]);
    const damagedTar = tar.slice();
    damagedTar[10] ^= 1;
    const cases: [bytes: Uint8Array, problem: RegExp][] = [
      [tar.subarray(0, 1_500), /truncated/],
      [tar.subarray(0, 2_700), /truncated/],
      [damagedTar, /checksum/],
      [tar.subarray(0, 2_560), /truncated/],
      [
        createTar([{ name: "L", type: "L", content: "x" }]),
        /ends after an extended header/,
      ],
      [new Uint8Array([...tar, ...tar]), /has data after its end/],
      [new TextEncoder().encode("#!/bin/sh\n"), /not a tar/],
      [new Uint8Array(), /not a tar/],
      [new Uint8Array([0x1f, 0x8b, 8, 0, 1, 2, 3]), /gzip: the archive: /],
      [
        new TextEncoder().encode("PK\x03\x04 and so on and on and on"),
        /no central dir/,
      ],
    ];
    for (const [bytes, problem] of cases) {
      await Deno.writeFile(`${path}/a`, bytes);
      const message = await refusal(path, "a");
      assert(problem.test(message), message);
    }
  });

  it("validates the location before it changes anything", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "directory/file": "", "job/src/a.tar": "" });
    const ref = `sha256:${"0".repeat(64)}`;
    const problems: [url: string, problem: string, ref?: string][] = [
      ["missing.tar", "no such file or directory"],
      ["directory", "it is not a file"],
      ["a\0b", "it contains a NUL character"],
      ["file://host/a.tar", "its URL names another host"],
      ["ftp://host/a.tar", "its scheme is not https, http or file", ref],
      ["https://", "Invalid URL", ref],
      ["https://host/a.tar", "needs a checksum as its ref: sha256:HEX"],
      ["http://127.0.0.1:1/a.tar", "needs a checksum as its ref: sha256:HEX"],
      [
        "https://me:s3cret@host/a",
        '"https://***@host/a": a downloaded archive',
      ],
    ];
    for (const [url, problem, ref] of problems) {
      const error = await assertRejects(
        () => unpackIn(path, url, { ref }),
        RunnerError,
      );
      assert(error.message.includes(problem), error.message);
    }
    await Deno.remove(`${path}/job/src/a.tar`);
    await unpackIn(path, await smallTar(path));
    await Deno.rename(`${path}/small.tar`, `${path}/job/src/small.tar`);
    const inside = await assertRejects(
      () => unpackIn(path, "job/src/small.tar"),
      RunnerError,
    );
    assert(inside.message.endsWith("which would be replaced"), inside.message);
    assert(await exists(`${path}/job/src/small.tar`));
  });

  it("names a missing tool", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await Deno.writeFile(`${path}/a`, new Uint8Array([0x28, 0xb5, 0x2f, 0xfd]));
    const context = sourceContext({ cwd: path, env: { PATH: path } });
    await assertRejects(
      () =>
        prepareSource({
          type: "tarball",
          url: "a",
          target: context.workspace.pathOf("/job/src"),
          replace: false,
          archive: LIMITS,
        }, context),
      RunnerError,
      'Cannot unpack the archive: "zstd" is not installed',
    );
  });

  it("stops when the job is cancelled", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await runTool(path, "sh", "-c", "truncate -s 300M z; tar -czf a z; rm z");
    const context = sourceContext({
      cwd: path,
      onLog: (line) => {
        if (line.includes("Unpacking")) context.cancellation.cancel("SIGTERM");
      },
    });
    const target = context.workspace.pathOf("/job/src");
    await assertRejects(
      () =>
        prepareSource({
          type: "tarball",
          url: "a",
          target,
          replace: false,
          archive: { ...LIMITS, maxBytes: 1e10, maxRatio: 1e6 },
        }, context),
      DOMException,
    );
    assertEquals(await exists(target), false);
  });
});

async function smallTar(path: string): Promise<string> {
  await Deno.writeFile(`${path}/small.tar`, createTar([{ name: "file" }]));
  return "small.tar";
}
