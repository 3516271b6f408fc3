import { assertEquals } from "@std/assert";
import { ChangeFilter } from "../../../src/cli/watch/file_watcher.ts";
import type { FileChange } from "../../../src/cli/watch/source_snapshot.ts";
import { temporaryDirectory } from "../../helpers/temporary_directory.ts";

/** Changes of files, during runs and between them. */
async function changes() {
  const directory = await temporaryDirectory();
  const warnings: string[] = [];
  const own = new ChangeFilter((message) => warnings.push(message));
  return {
    warnings,
    async look(
      isRunning: boolean,
      files: Readonly<Record<string, [FileChange["kind"], string]>>,
    ) {
      const all: FileChange[] = [];
      for (const [name, [kind, text]] of Object.entries(files)) {
        const path = `${directory.path}/${name}`;
        if (kind === "removed") await Deno.remove(path).catch(() => {});
        else await Deno.writeTextFile(path, text);
        all.push({ path, kind });
      }
      const relevant = await own.relevant(all, isRunning);
      return relevant.map(({ path }) => path.slice(path.lastIndexOf("/") + 1));
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

Deno.test("a file that appears during a run does not start one", async () => {
  await using test = await changes();
  assertEquals(
    await test.look(true, { out: ["added", "1"], src: ["changed", "1"] }),
    ["src"],
  );
  assertEquals(await test.look(true, { out: ["changed", "2"] }), []);
  assertEquals(await test.look(true, { out: ["removed", ""] }), []);
  assertEquals(await test.look(false, { out: ["added", "3"] }), ["out"]);
  assertEquals(await test.look(true, { out: ["changed", "4"] }), ["out"]);
});

Deno.test("a file that a run writes with the same content starts one run", async () => {
  await using test = await changes();
  assertEquals(await test.look(true, { a: ["changed", "formatted"] }), ["a"]);
  assertEquals(await test.look(true, { a: ["changed", "formatted"] }), []);
  assertEquals(await test.look(true, { a: ["changed", "by hand"] }), ["a"]);
});

Deno.test("a file that ends several runs in a row is ignored, and named", async () => {
  await using test = await changes();
  for (const text of ["1", "2", "3"]) {
    assertEquals(await test.look(true, { a: ["changed", text] }), ["a"]);
  }
  assertEquals(
    await test.look(true, { a: ["changed", "4"], b: ["changed", "1"] }),
    ["b"],
  );
  assertEquals(test.warnings.length, 1);
  assertEquals(await test.look(false, { a: ["changed", "5"] }), []);
});

Deno.test("a change between runs starts the count anew", async () => {
  await using test = await changes();
  for (const text of ["1", "2", "3", "4", "5", "6"]) {
    assertEquals(await test.look(true, { a: ["changed", text] }), ["a"]);
    if (text === "3") {
      assertEquals(await test.look(false, { c: ["changed", text] }), ["c"]);
    }
  }
  assertEquals(test.warnings, []);
});
