import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  createLink,
  decodeName,
  DirectoryReader,
  encodeName,
  listDirectory,
  NameRestorer,
  readLinkTarget,
  renameUndecodable,
  runFileCommands,
} from "../../src/fs/byte_names.ts";
import { runShell } from "../helpers/archives.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";

Deno.test("decodeName() is reversible for any bytes, and exact for UTF-8", () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0];
  let state = seed;
  const random = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * limit);
  };
  const pieces = [
    [0x61],
    [0xe9],
    [0xc3, 0xa9],
    [0xe2, 0x82],
    [0xef, 0xbf, 0xbd],
    [0xf0, 0x9f, 0x98, 0x80],
    [0xed, 0xb3, 0xa9],
    [0xc0, 0xaf],
    [0xef, 0xbb, 0xbf],
    [0xff],
  ];
  const names = new Map<string, string>();
  for (let round = 0; round < 2_000; round++) {
    const bytes = new Uint8Array(
      Array.from({ length: random(6) }, () => pieces[random(pieces.length)])
        .flat(),
    );
    const name = decodeName(bytes);
    assertEquals(encodeName(name), bytes, `seed ${seed}, round ${round}`);
    const key = bytes.toHex();
    assertEquals(names.get(name) ?? key, key, `seed ${seed}, round ${round}`);
    names.set(name, key);
  }
  const text = "ü😀\ufffd\ufeff";
  assertEquals(decodeName(new TextEncoder().encode(text)), text);
  assertEquals(decodeName(new Uint8Array([0x63, 0xe9])), "c\udce9");
});

Deno.test("listDirectory() returns exact names and types", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await runShell(
    path,
    String.raw`echo a > "$(printf 'c\351')"; mkdir "$(printf 'c\350')" .h
      ln -s gone "$(printf 'c\347\n-.')"; mkfifo "$(printf 'p\377')"; echo b > '*'`,
  );
  const found = (await listDirectory(path)).map((entry) => [
    entry.name,
    entry.isFile ? "file" : entry.isDirectory ? "dir" : entry.isSymlink,
  ]);
  assertEquals(
    found.sort(([a], [b]) => a < b ? -1 : 1),
    [
      ["*", "file"],
      [".h", "dir"],
      ["c\udce7\n-.", true],
      ["c\udce8", "dir"],
      ["c\udce9", "file"],
      ["p\udcff", false],
    ],
  );
});

Deno.test("createLink() and readLinkTarget() keep the bytes of a target", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  for (
    const [index, target] of ["plain", "-\udce9", "a\udcff\n", "\udc80/'"]
      .entries()
  ) {
    await createLink(target, `${path}/${index}`);
    assertEquals(await readLinkTarget(`${path}/${index}`), target);
  }
});

Deno.test("runFileCommands() replaces nothing and names the failure", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await Deno.writeTextFile(`${path}/kept`, "kept");
  await Deno.writeTextFile(`${path}/other`, "other");
  const error = await assertRejects(
    () => runFileCommands([["rename", `${path}/other`, `${path}/kept`]]),
    Error,
    "kept exists",
  );
  assert(!error.message.includes("\n"));
  assertEquals(await Deno.readTextFile(`${path}/kept`), "kept");
});

Deno.test("runFileCommands() accepts more commands than an argument list can contain", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const name = "n".repeat(200);
  const count = 600;
  await runFileCommands(
    Array.from(
      { length: count },
      (_, index) => ["link", "x", `${path}/${name}\udcff${index}`] as const,
    ),
  );
  assertEquals((await listDirectory(path)).length, count);
});

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
