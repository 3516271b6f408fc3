import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { expandKey } from "../../src/cache/key_template.ts";
import { RunnerError } from "../../src/errors.ts";
import { runShell } from "../helpers/archives.ts";
import { soon } from "../helpers/soon.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

async function project(files: Record<string, string>) {
  const directory = await temporaryDirectory();
  await makeFiles(directory.path, files);
  const context = {
    directory: directory.path,
    env: { MODE: "fast", TOKEN: "t0ken", EMPTY: "", COPY: "passw0rd" },
    isSecret: (name: string) => name === "TOKEN",
    containsSecret: (text: string) => text.includes("passw0rd"),
    signal: new AbortController().signal,
  };
  return {
    path: directory.path,
    expand: (template: string) => expandKey(template, context),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

Deno.test("expandKey() expands the system and variables", async () => {
  await using files = await project({});
  const { os, arch } = Deno.build;
  assertEquals(
    await files.expand("x-{os}-{arch}-{env:MODE}{env:EMPTY}"),
    `x-${os}-${arch}-fast`,
  );
});

Deno.test("expandKey() hashes paths and contents of the files that match", async () => {
  await using files = await project({
    "a.lock": "1",
    "sub/b.lock": "2",
    "sub/other": "3",
    "link.lock": "-> a.lock",
    ".git/c.lock": "4",
  });
  const [one, all] = ["{hash:a.lock}", "{hash:**/*.lock}"];
  const before = [await files.expand(one), await files.expand(all)];
  await makeFiles(files.path, { "sub/other": "5", ".git/c.lock": "5" });
  assertEquals([await files.expand(one), await files.expand(all)], before);
  await makeFiles(files.path, { "sub/b.lock": "5" });
  assertEquals(await files.expand(one), before[0]);
  assertNotEquals(await files.expand(all), before[1]);
  const link = await files.expand("{hash:link.lock}");
  await makeFiles(files.path, { "a.lock": "5" });
  assertNotEquals(await files.expand(one), before[0]);
  assertNotEquals(await files.expand("{hash:link.lock}"), link);
});

Deno.test("expandKey() depends on the path of a file", async () => {
  await using a = await project({ "x/lock": "1", "y/other": "1" });
  await using b = await project({ "x/other": "1", "y/lock": "1" });
  const template = "{hash:**/lock}";
  assertNotEquals(await a.expand(template), await b.expand(template));
});

Deno.test("expandKey() rejects what would make a wrong key", async () => {
  await using files = await project({ "out": "-> /etc/passwd", "dir/a": "" });
  for (
    const template of [
      "",
      "{hash:missing}",
      "{hash:*.none}",
      "{hash:dir}",
      "{hash:out}",
      "{hash:../*}",
      "{hash:/etc/passwd}",
      "{hash:}",
      "{env:TOKEN}",
      "{env:COPY}",
      "x-passw0rd",
      "{env:UNSET}",
      "{env:constructor}",
      "{host}",
      "{}",
      "a\nb",
      "x".repeat(513),
    ]
  ) {
    await assertRejects(() => files.expand(template), RunnerError);
  }
});

Deno.test("expandKey() waits for no pipe", async () => {
  await using files = await project({ "dir/a": "1" });
  await runShell(files.path, "mkfifo dir/pipe; mkdir out; ln -s dir/pipe link");
  for (const template of ["{hash:dir/*}", "{hash:dir/pipe}", "{hash:link}"]) {
    await assertRejects(
      () => soon(files.expand(template), template),
      RunnerError,
      "it is not a regular file",
    );
  }
});
