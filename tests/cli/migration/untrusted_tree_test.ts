import { assertEquals } from "@std/assert";
import { UntrustedTree } from "../../../src/cli/migration/untrusted_tree.ts";
import { temporaryDirectory } from "../../helpers/temporary_directory.ts";

Deno.test("an UntrustedTree reads 2,000 files at most, and none above 1 MiB", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await Deno.mkdir(`${path}/ci`);
  await Deno.writeTextFile(`${path}/ci/a`, "x".repeat(1024 * 1024));
  await Deno.writeTextFile(`${path}/ci/b`, "x".repeat(1024 * 1024 + 1));
  await Promise.all(
    Array.from(
      { length: 2_010 },
      (_, file) => Deno.writeTextFile(`${path}/ci/file-${file}`, "x"),
    ),
  );
  const tree = new UntrustedTree(path);
  const files = await tree.readAll("ci");
  assertEquals(files.length, 2_000);
  assertEquals(files.some((file) => file.path === "ci/a"), true);
  assertEquals(files.some((file) => file.path === "ci/b"), false);
  assertEquals(tree.unread.some((file) => file.path === "ci/b"), true);
});
