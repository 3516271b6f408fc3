import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { checkReplaceable, writeAtomic } from "../../src/fs/write_atomic.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

describe("writeAtomic()", () => {
  it("writes text and bytes, and no other files", async () => {
    await using directory = await temporaryDirectory();
    await writeAtomic(`${directory.path}/text`, "ä\n");
    await writeAtomic(`${directory.path}/bytes`, Uint8Array.of(0x61, 0x62));
    assertEquals(await listFiles(directory.path), {
      "bytes": "ab",
      "text": "ä\n",
    });
  });

  it("writes content of any size", async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/file`;
    for (const length of [0, 64 * 1024, 64 * 1024 + 1, 5_000_000]) {
      const text = "a".repeat(length);
      await writeAtomic(path, text);
      assertEquals(await Deno.readTextFile(path), text);
    }
  });

  it("does not replace a device or a link of the system", async () => {
    // Only checked, since a failure of this test would remove them.
    await assertRejects(() => checkReplaceable("/dev/null"), Error, "device");
    await assertRejects(() => checkReplaceable("/dev/stdout"), Error, "link");
    await assertRejects(
      () => checkReplaceable("/proc/self/exe"),
      Error,
      "it is a link of the system",
    );
    await using directory = await temporaryDirectory();
    await Deno.symlink("/dev/null", `${directory.path}/link`);
    await writeAtomic(`${directory.path}/link`, "x");
    assertEquals(await listFiles(directory.path), { "link": "x" });
  });

  it("sets the permission bits", async () => {
    await using directory = await temporaryDirectory();
    const modeOf = async (name: string) =>
      (await Deno.stat(`${directory.path}/${name}`)).mode! & 0o7777;
    await writeAtomic(`${directory.path}/a`, "");
    await writeAtomic(`${directory.path}/b`, "", { mode: 0o600 });
    assertEquals(await modeOf("a"), 0o644);
    assertEquals(await modeOf("b"), 0o600);
  });

  it("replaces a link and leaves its target alone", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "victim": "old", "file": "-> victim" });
    await writeAtomic(`${directory.path}/file`, "new");
    assertEquals(await listFiles(directory.path), {
      "file": "new",
      "victim": "old",
    });
  });

  it("does not change the file that a reader has open", async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/file`;
    await writeAtomic(path, "old");
    using reader = await Deno.open(path);
    await writeAtomic(path, "new");
    const bytes = new Uint8Array(8);
    const length = await reader.read(bytes);
    assertEquals(new TextDecoder().decode(bytes.subarray(0, length!)), "old");
  });

  it("leaves nothing behind after a failure", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "taken/": "", "file": "" });
    const taken = await assertRejects(
      () => writeAtomic(`${directory.path}/taken`, "text"),
      RunnerError,
      `Cannot write "${directory.path}/taken": is a directory`,
    );
    assertEquals(taken.code, "output-failed");
    assert(taken.cause instanceof Error);
    for (const path of ["file/below", "missing/file"]) {
      await assertRejects(
        () => writeAtomic(`${directory.path}/${path}`, "text"),
        RunnerError,
        "Cannot write",
      );
    }
    assertEquals(await listFiles(directory.path), { "file": "", "taken/": "" });
  });
});
