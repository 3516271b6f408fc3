import { assertEquals, assertRejects } from "@std/assert";
import { openLockFile, tryLockFile } from "../../src/fs/file_lock.ts";
import { runShell } from "../helpers/archives.ts";
import { soon } from "../helpers/soon.ts";
import { exists, temporaryDirectory } from "../helpers/temporary_directory.ts";

Deno.test("openLockFile() creates the file once, and opens it again", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/lock`;
  using first = await openLockFile(path);
  using second = await openLockFile(path);
  assertEquals([tryLockFile(first), tryLockFile(second)], [true, false]);
});

Deno.test("openLockFile() follows no link, and waits for no pipe", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await runShell(path, "mkfifo pipe; ln -s new link; ln -s pipe way; mkdir d");
  for (const name of ["pipe", "link", "way", "d"]) {
    await assertRejects(
      () => soon(openLockFile(`${path}/${name}`), name),
      Error,
      "it is not a regular file",
    );
  }
  assertEquals(await exists(`${path}/new`), false);
});
