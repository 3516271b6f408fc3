import { assertEquals, assertRejects } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { openParent } from "../../src/workspace/held_parent.ts";
import { swapDuring } from "../helpers/swap_during.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

Deno.test("openParent() follows links in the root only, and creates directories if requested", async () => {
  await using directory = await temporaryDirectory();
  const root = `${directory.path}/root`;
  await makeFiles(root, { "a/b/": "", "in": "-> a", "out": "-> .." });
  using inside = await openParent(root, "in/b/file");
  await Deno.writeTextFile(`${inside.path}/file`, "1");
  assertEquals(await Deno.readTextFile(`${root}/a/b/file`), "1");
  await assertRejects(() => openParent(root, "out/file"), RunnerError);
  await assertRejects(() => openParent(root, "x/y/file"), Deno.errors.NotFound);
  using created = await openParent(root, "x/y/file", { creates: true });
  await Deno.writeTextFile(`${created.path}/file`, "2");
  assertEquals(await Deno.readTextFile(`${root}/x/y/file`), "2");
  using top = await openParent(root, "file");
  await Deno.writeTextFile(`${top.path}/file`, "3");
  assertEquals(await Deno.readTextFile(`${root}/file`), "3");
});

Deno.test("openParent() leads nowhere else if a link replaces the directory", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const outside = { file: "outside" };
  await makeFiles(`${path}/outside`, outside);
  await Deno.symlink(`${path}/outside`, `${path}/link`);
  const swap = { folder: `${path}/root/d`, link: `${path}/link` };
  for (let round = 0; round < 100; round++) {
    await makeFiles(`${path}/root`, { "d/file": "" });
    await swapDuring(swap, async () => {
      using parent = await openParent(`${path}/root`, "d/file");
      await Deno.remove(`${parent.path}/file`);
    });
    assertEquals(await listFiles(`${path}/outside`), outside, `${round}`);
  }
});

Deno.test("openParent() creates directories that others create at the same time", async () => {
  await using directory = await temporaryDirectory();
  const root = await Deno.realPath(directory.path);
  const parents = await Promise.all(
    Array.from(
      { length: 20 },
      () => openParent(root, "a/b/c/file", { creates: true }),
    ),
  );
  for (const parent of parents) parent[Symbol.dispose]();
  assertEquals(await listFiles(root), { "a/": "", "a/b/": "", "a/b/c/": "" });
});
