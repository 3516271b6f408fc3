import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  changesBetween,
  takeManifest,
} from "../../src/source/directory_manifest.ts";
import { runShell } from "../helpers/archives.ts";
import { Random } from "../helpers/random.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const signal = new AbortController().signal;

const FILES = {
  "a/b/file": "text",
  "a/link": "-> b",
  "big": "x".repeat(2_000_000),
  "empty/": "",
  "script": "",
};

describe("takeManifest()", () => {
  it("distinguishes names that are not UTF-8, and makes them read-only", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const script = (text: string) =>
      String.raw`for n in '\351' '\350'; do
      n=$(printf "d$n"); mkdir -p "$n"; printf '%s' "${text}$n" > "$n/$n"
      [ -L "$n/l" ] || ln -s "$n" "$n/l"
    done`;
    await runShell(path, script("one"));
    const before = await takeManifest(path, { makesReadOnly: true, signal });
    assertEquals([...before.keys()].sort(), [
      "",
      "d\udce8",
      "d\udce8/d\udce8",
      "d\udce8/l",
      "d\udce9",
      "d\udce9/d\udce9",
      "d\udce9/l",
    ]);
    assertEquals(
      changesBetween(before, await takeManifest(path, { signal })),
      [],
    );
    assertEquals(await runShell(path, "find . ! -type l -perm /222"), "");
    await runShell(
      path,
      String
        .raw`chmod -R u+w .; n=$(printf 'd\351'); printf x > "$n/$n"; ln -sf x "$n/l"; mv "$(printf 'd\350')" "$(printf 'd\347')"; chmod -R a-w .`,
    );
    assertEquals(changesBetween(before, await takeManifest(path, { signal })), [
      ["d\udce7", "added"],
      ["d\udce7/d\udce8", "added"],
      ["d\udce7/l", "added"],
      ["d\udce8", "removed"],
      ["d\udce8/d\udce8", "removed"],
      ["d\udce8/l", "removed"],
      ["d\udce9/d\udce9", "changed"],
      ["d\udce9/l", "changed"],
    ]);
  });

  it("finds exactly the changes", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const changes: [what: string, expected: string, () => Promise<unknown>][] =
      [
        ["nothing", "", () => Promise.resolve()],
        ["times", "", () => Deno.utime(`${path}/script`, 1, 1)],
        [
          "the same content",
          "",
          () => Deno.writeTextFile(`${path}/a/b/file`, "text"),
        ],
        [
          "content of the same size",
          "a/b/file changed",
          () => Deno.writeTextFile(`${path}/a/b/file`, "tixt"),
        ],
        [
          "one byte of a large file",
          "big changed",
          () => Deno.writeTextFile(`${path}/big`, `y${"x".repeat(1_999_999)}`),
        ],
        [
          "a permission bit",
          "script changed",
          () => Deno.chmod(`${path}/script`, 0o755),
        ],
        [
          "a permission bit of a directory",
          "empty changed",
          () => Deno.chmod(`${path}/empty`, 0o700),
        ],
        [
          "a new file",
          "a/evil added",
          () => Deno.writeTextFile(`${path}/a/evil`, ""),
        ],
        ["a lost file", "script removed", () => Deno.remove(`${path}/script`)],
        [
          "a renamed file",
          "other added, script removed",
          () => Deno.rename(`${path}/script`, `${path}/other`),
        ],
        [
          "the target of a link",
          "a/link changed",
          async () => {
            await Deno.remove(`${path}/a/link`);
            await Deno.symlink("/etc", `${path}/a/link`);
          },
        ],
        [
          "a directory that became a link",
          "empty changed",
          async () => {
            await Deno.remove(`${path}/empty`);
            await Deno.symlink("a", `${path}/empty`);
          },
        ],
      ];
    for (const [what, expected, change] of changes) {
      await makeFiles(path, FILES);
      const before = await takeManifest(path, { signal });
      await change();
      const found = changesBetween(
        before,
        await takeManifest(path, { signal }),
      );
      assertEquals(
        found.map((item) => item.join(" ")).join(", "),
        expected,
        what,
      );
      for (const { name } of await Array.fromAsync(Deno.readDir(path))) {
        await Deno.remove(`${path}/${name}`, { recursive: true });
      }
    }
  });

  it("makes everything read-only except files with several hard links", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(`${path}/ci`, FILES);
    await Deno.link(`${path}/ci/script`, `${path}/outside`);
    const sealed = await takeManifest(`${path}/ci`, {
      makesReadOnly: true,
      signal,
    });
    const modeOf = async (name: string) =>
      (await Deno.lstat(`${path}/ci/${name}`)).mode! & 0o222;
    assertEquals(
      await Promise.all(["", "a", "a/b", "a/b/file", "big"].map(modeOf)),
      [0, 0, 0, 0, 0],
    );
    assert((await Deno.stat(`${path}/outside`)).mode! & 0o200);
    assertEquals(
      changesBetween(sealed, await takeManifest(`${path}/ci`, { signal })),
      [],
    );
  });

  it("reads only unchanged files, even in large directories", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { ...FILES, "kept": "same", "other": "one" });
    const before = await takeManifest(path, { signal });
    await Deno.truncate(`${path}/empty/../script`, 2 ** 40);
    await Deno.writeTextFile(`${path}/other`, "two");
    await Deno.remove(`${path}/big`);
    await runShell(
      path,
      "mkfifo big; mkdir -p new/deep/tree; ln -sfn /dev/zero a/link",
    );
    const after = await takeManifest(path, { expected: before, signal });
    assertEquals(changesBetween(before, after), [
      ["a/link", "changed"],
      ["big", "changed"],
      ["new", "added"],
      ["other", "changed"],
      ["script", "changed"],
    ]);
  });

  it("gives the same result with and without an earlier manifest", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, FILES);
    await runShell(
      path,
      String
        .raw`d=$(printf 'd\351'); mkdir "$d"; echo x > "$d/f"; echo y > "$d/$d"`,
    );
    const before = await takeManifest(path, { signal });
    const after = await takeManifest(path, { expected: before, signal });
    assertEquals(after, before);
  });

  it("does not wait for the writer of a pipe", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await new Deno.Command("mkfifo", { args: [`${path}/pipe`] }).output();
    const manifest = await takeManifest(path, { signal });
    assert(manifest.get("pipe")?.startsWith("other "));
  });

  it("reports what cannot be listed, and can be stopped", async () => {
    await using directory = await temporaryDirectory();
    const missing = `${directory.path}/missing`;
    await assertRejects(
      () => takeManifest(missing, { signal }),
      Error,
      `Cannot list "${missing}": no such file or directory`,
    );
    await assertRejects(
      () => takeManifest("/etc", { signal: AbortSignal.abort() }),
      DOMException,
    );
  });
});

Deno.test("changesBetween() agrees with a naive comparison of random manifests", () => {
  const random = new Random();
  for (let round = 0; round < 300; round++) {
    const list = () =>
      new Map(
        Array.from({ length: random.below(6) }, () => [
          `f${random.below(6)}`,
          `file ${random.below(2)}`,
        ]),
      );
    const [before, after] = [list(), list()];
    const expected = ["f0", "f1", "f2", "f3", "f4", "f5"].flatMap((path) => {
      const [old, now] = [before.get(path), after.get(path)];
      if (old === now) return [];
      return [[path, !old ? "added" : now ? "changed" : "removed"]];
    });
    assertEquals(
      changesBetween(before, after) as string[][],
      expected,
      `seed ${random.seed}, round ${round}`,
    );
  }
});
