import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  emptyDirectory,
  removeIfEmpty,
  removeTree,
} from "../../src/workspace/remove.ts";
import { runShell } from "../helpers/archives.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

describe("removeTree()", () => {
  it("removes files, links and directories, and follows no link", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const kept = { "victim/": "", "victim/file": "" };
    await makeFiles(path, {
      ...kept,
      "file": "",
      "link": "-> victim",
      "tree/deep/link": "-> ../../victim",
    });
    for (const name of ["file", "link", "tree"]) {
      assertEquals(await removeTree(`${path}/${name}`), true);
    }
    assertEquals(await listFiles(path), kept);
  });

  it("removes read-only directories", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "victim/": "",
      "tree/closed/deep/file": "",
      "tree/closed/link": "-> ../../victim",
    });
    for (const name of ["victim", "tree/closed/deep", "tree/closed", "tree"]) {
      await Deno.chmod(`${path}/${name}`, 0o500);
    }
    assertEquals(await removeTree(`${path}/tree`), true);
    assertEquals(await listFiles(path), { "victim/": "" });
    assertEquals((await Deno.stat(`${path}/victim`)).mode! & 0o777, 0o500);
  });

  it("removes read-only directories with names that are not UTF-8", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await runShell(
      path,
      String
        .raw`mkdir tree && cd tree && d=$(printf 'd\351') && mkdir -p "$d/$d" &&
        echo x > "$d/$d/$(printf 'f\350')" && chmod 500 "$d/$d" "$d" .`,
    );
    assertEquals(await removeTree(`${path}/tree`), true);
    assertEquals(await listFiles(path), {});
  });

  it("removes directories at any depth", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    for (const mode of ["700", "500"]) {
      await nest(`${path}/tree`, 12_000, mode);
      assertEquals(await removeTree(`${path}/tree`), true);
      assertEquals(await listFiles(path), {});
    }
  });

  it("removes many directories, and nothing behind a link", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await runShell(
      path,
      `mkdir -p victim/kept tree && cd tree && mkdir $(seq 1200) &&
        ln -s ../victim link && touch 7/file && chmod 500 7 8`,
    );
    assertEquals(await removeTree(`${path}/tree`), true);
    assertEquals(await listFiles(path), { "victim/": "", "victim/kept/": "" });
  });

  it("reports that the path did not exist", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "file": "" });
    for (const name of ["missing", "missing/deep", "file/below"]) {
      assertEquals(await removeTree(`${directory.path}/${name}`), false);
    }
  });
});

describe("emptyDirectory()", () => {
  it("removes names that are not UTF-8, even if they are similar", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "tree/\ufffd": "", "victim/file": "" });
    await runShell(
      path,
      String
        .raw`cd tree && for n in '\377' '\376' '-\351' '\351\n' '*\200' '.\201' '..\202' "'\203"; do
          echo x > "$(printf -- "f$n.")"; mkdir "$(printf -- "d$n.")"
          echo x > "$(printf -- "d$n.")/$(printf -- "$n.")"; ln -s ../victim "$(printf -- "l$n.")"
        done`,
    );
    assertEquals(
      (await Array.fromAsync(Deno.readDir(`${path}/tree`))).length,
      25,
    );
    await emptyDirectory(`${path}/tree`);
    assertEquals(await listFiles(path), {
      "tree/": "",
      "victim/": "",
      "victim/file": "",
    });
  });

  it("keeps the directory itself", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "a/b/file": "",
      "link": "-> a",
      "f": "",
    });
    const { ino } = await Deno.stat(directory.path);
    await emptyDirectory(directory.path);
    assertEquals(await listFiles(directory.path), {});
    assertEquals((await Deno.stat(directory.path)).ino, ino);
  });

  it("removes many files", async () => {
    await using directory = await temporaryDirectory();
    const names = Array.from({ length: 250 }, (_, at) => [`file${at}`, ""]);
    await makeFiles(directory.path, Object.fromEntries(names));
    await emptyDirectory(directory.path);
    assertEquals(await listFiles(directory.path), {});
  });

  it("treats a missing directory as empty, but not a file", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "file": "" });
    await emptyDirectory(`${directory.path}/missing`);
    await assertRejects(
      () => emptyDirectory(`${directory.path}/file`),
      Deno.errors.NotADirectory,
    );
  });
});

Deno.test("removeIfEmpty() removes only empty directories", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, { "empty/": "", "full/file": "" });
  const remove = (name: string) => removeIfEmpty(`${directory.path}/${name}`);
  assertEquals(await remove("empty"), true);
  assertEquals(await remove("full"), false);
  assertEquals(await remove("missing"), true);
  assertEquals(await listFiles(directory.path), {
    "full/": "",
    "full/file": "",
  });
});

/** Whether this process can mount something in a private namespace. */
const canMount = Deno.build.os === "linux" &&
  await new Deno.Command("unshare", {
    args: ["--mount", "true"],
    stderr: "null",
  }).output().then(({ success }) => success, () => false);

const REMOVE = import.meta.resolve("../../src/workspace/remove.ts");
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

for (const knowsMounts of [true, false]) {
  Deno.test({
    name: `removeTree() leaves mounts, ${
      knowsMounts ? "listed" : "not listed"
    } by the system`,
    ignore: !canMount,
    async fn() {
      await using directory = await temporaryDirectory();
      await makeFiles(directory.path, {
        "outside/kept": "",
        "tree/a/b/mount/": "",
        "tree/a/b/file": "",
        "tree/a/b/over": "",
        "tree/a/c/": "",
        "tree/odd name\t\\x/mount/": "",
        "tree/d/e/f": "",
        "empty/a/mount/": "",
        "empty/b": "",
      });
      const code = `import { emptyDirectory, removeTree } from "${REMOVE}";
          const left = []; const onMount = (path) => left.push(path);
          await removeTree("tree", { onMount });
          await removeTree(Deno.cwd() + "/none", { onMount });
          await emptyDirectory(Deno.cwd() + "/empty", { onMount });
          console.log(JSON.stringify(left.sort()));`;
      const permissions = knowsMounts
        ? ["-A"]
        : ["--no-prompt", "--allow-read", "--allow-write"];
      const script = `mount --make-rprivate /
          for place in "tree/a/b/mount" "$ODD" empty/a/mount; do
            mount --bind outside "$place" || exit
          done
          mount --bind outside/kept tree/a/b/over || exit
          exec "$@"`;
      const { stdout, stderr } = await new Deno.Command("unshare", {
        args: [
          ...["--mount", "sh", "-c", script, "sh", Deno.execPath(), "run"],
          ...[...permissions, "--no-check", "--config", CONFIG],
          `data:text/javascript,${
            encodeURIComponent(code.replace('"tree"', 'Deno.cwd() + "/tree"'))
          }`,
        ],
        cwd: directory.path,
        env: { ODD: "tree/odd name\t\\x/mount", NO_COLOR: "1" },
      }).output();
      const text = new TextDecoder().decode(stdout);
      assertEquals(
        text === "" ? new TextDecoder().decode(stderr) : JSON.parse(text),
        [
          "empty/a/mount",
          "tree/a/b/mount",
          "tree/a/b/over",
          "tree/odd name\t\\x/mount",
        ].map((path) => `${directory.path}/${path}`),
      );
      assertEquals(await listFiles(directory.path), {
        "empty/": "",
        "empty/a/": "",
        "empty/a/mount/": "",
        "outside/": "",
        "outside/kept": "",
        "tree/": "",
        "tree/a/": "",
        "tree/a/b/": "",
        "tree/a/b/mount/": "",
        "tree/a/b/over": "",
        "tree/odd name\t\\x/": "",
        "tree/odd name\t\\x/mount/": "",
      });
    },
  });
}

/** Nests directories more deeply than a path can. */
async function nest(path: string, depth: number, mode: string): Promise<void> {
  await Deno.mkdir(path);
  await runShell(
    path,
    `perl -e 'for (1 .. ${depth}) { mkdir "d"; chdir "d" }
      mkdir "last"; chmod 0${mode}, "."'`,
  );
}
