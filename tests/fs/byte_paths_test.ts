import { assertEquals } from "@std/assert";
import { readLinkTarget } from "../../src/fs/byte_names.ts";
import {
  DirectoryReader,
  NameRestorer,
  renameUndecodable,
} from "../../src/fs/byte_paths.ts";
import { runShell } from "../helpers/archives.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

Deno.test("DirectoryReader reaches files, links and directories, and leaves nothing behind", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await runShell(
    path,
    String
      .raw`d=$(printf 'd\351'); mkdir "$d"; echo deep > "$d/$(printf 'f\350')"
      echo top > "$(printf 'd\350')"; ln -s "$(printf 't\377')" "$(printf 'd\347')"`,
  );
  const found = new Map<string, string>();
  let aliases = "";
  {
    using reader = new DirectoryReader([]);
    const visit = async (directory: string, above: string) => {
      for (const entry of await reader.read(directory)) {
        const name = `${above}${entry.name}`;
        aliases = entry.path;
        if (entry.isDirectory) await visit(entry.path, `${name}/`);
        else if (entry.isSymlink) {
          found.set(name, await readLinkTarget(entry.path));
        } else found.set(name, await Deno.readTextFile(entry.path));
      }
    };
    await visit(path, "");
  }
  assertEquals([...found].sort(), [
    ["d\udce7", "t\udcff"],
    ["d\udce8", "top\n"],
    ["d\udce9/f\udce8", "deep\n"],
  ]);
  assertEquals(
    await Deno.lstat(aliases).catch((error) => error.name),
    "NotFound",
  );
});

Deno.test("NameRestorer restores names, the deepest first", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const restorer = new NameRestorer();
  const outer = restorer.place(path, "d\udce9");
  const inner = restorer.place(outer, "d\udce8");
  const file = restorer.place(inner, "f\udce7");
  await Deno.mkdir(inner, { recursive: true });
  await Deno.writeTextFile(file, "content");
  await Deno.writeTextFile(restorer.place(inner, "plain"), "plain");
  for (const place of [inner, outer, path]) await restorer.restore([place]);
  assertEquals(
    await runShell(
      path,
      String
        .raw`cd d*/d*; od -An -tx1 f*; cat plain; pwd | od -An -tx1 | grep -c e9`,
    ),
    (await runShell(path, "printf content | od -An -tx1; printf 'plain1'"))
      .trim(),
  );
  assertEquals(
    await runShell(
      path,
      `find . | LC_ALL=C grep -c "$(printf '[\\347\\350\\351]')"`,
    ),
    "4",
  );
});

Deno.test("renameUndecodable() renames only what Deno cannot access", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await runShell(
    path,
    String
      .raw`echo a > "$(printf 'x\351')"; echo b > "$(printf 'x\350')"; echo c > plain`,
  );
  await Deno.writeTextFile(`${path}/\ufffd`, "d\n");
  const renamed = await renameUndecodable(path);
  const contents = await Promise.all(
    renamed.map((name) => Deno.readTextFile(`${path}/${name}`)),
  );
  assertEquals(contents.sort(), ["a\n", "b\n"]);
  const names = (await Array.fromAsync(Deno.readDir(path)))
    .map(({ name }) => name);
  assertEquals(names.sort(), [...renamed, "plain", "\ufffd"].sort());
});
