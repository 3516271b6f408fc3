import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { copySource } from "../../src/source/copy.ts";
import type { SourceContext } from "../../src/source/source_request.ts";
import { sourceContext } from "../helpers/source_context.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

async function copy(
  url: string,
  target: string,
  context: SourceContext,
  ignore: string[] = [],
): Promise<void> {
  const fill = await copySource(url, target, ignore, context);
  await Deno.mkdir(target, { recursive: true });
  assertEquals(await fill(target), undefined);
}

describe("copySource()", () => {
  it("copies files, empty directories and links", async () => {
    await using directory = await temporaryDirectory();
    const files = {
      ".hidden": "h",
      "a/": "",
      "a/b/": "",
      "a/b/file": "text",
      "a/up": "-> ../..",
      "empty/": "",
      "dangling": "-> nowhere",
      "secret": "-> /etc/passwd",
      "tree": "-> a",
    };
    await makeFiles(`${directory.path}/from`, files);
    const context = sourceContext({ cwd: directory.path });
    const target = `${directory.path}/to`;
    const urls = ["from", "./from/", `${directory.path}/from`];
    for (const url of [...urls, `file://${directory.path}/from`]) {
      await copy(url, target, context);
      assertEquals(
        await listFiles(target),
        Object.fromEntries(Object.entries(files).sort()),
      );
      await Deno.remove(target, { recursive: true });
    }
  });

  it("keeps permission bits, also of directories that cannot be written to", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "from/script": "", "from/closed/file": "" });
    await Deno.chmod(`${path}/from/script`, 0o751);
    await Deno.chmod(`${path}/from/closed/file`, 0o400);
    await Deno.chmod(`${path}/from/closed`, 0o555);
    await copy("from", `${path}/to`, sourceContext({ cwd: path }));
    const modes: Record<string, number> = {};
    for (const name of ["script", "closed/file", "closed"]) {
      modes[name] = (await Deno.stat(`${path}/to/${name}`)).mode! & 0o7777;
    }
    assertEquals(modes, {
      "script": 0o751,
      "closed/file": 0o400,
      "closed": 0o555,
    });
    for (const place of ["from", "to"]) {
      await Deno.chmod(`${path}/${place}/closed`, 0o755);
    }
  });

  it("copies many files of many directories", async () => {
    await using directory = await temporaryDirectory();
    const files: Record<string, string> = {};
    for (let index = 0; index < 500; index++) {
      files[`d${index % 7}/e${index % 11}/f${index}`] = String(index);
    }
    await makeFiles(`${directory.path}/from`, files);
    const context = sourceContext({ cwd: directory.path });
    await copy("from", `${directory.path}/to`, context);
    assertEquals(
      await listFiles(`${directory.path}/to`),
      await listFiles(`${directory.path}/from`),
    );
  });

  it("leaves out the workspace that a project holds", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "file": "",
      "job/.reactorcide/vcs-auth/credentials": "secret",
      "job/other/file": "",
      "job/src/": "",
    });
    await copy(
      ".",
      `${directory.path}/job/src`,
      sourceContext({ cwd: directory.path }),
    );
    assertEquals(await listFiles(`${directory.path}/job/src`), { "file": "" });
  });

  it("leaves out the target and the runner's own files", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job/.reactorcide/vcs-auth/credentials": "secret",
      "job/other/file": "",
      "job/src/": "",
    });
    await copy(
      "job",
      `${directory.path}/job/src`,
      sourceContext({ cwd: directory.path }),
    );
    assertEquals(await listFiles(`${directory.path}/job/src`), {
      "other/": "",
      "other/file": "",
    });
  });

  it("refuses a source in the target, also through a link", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "to/from/file": "", "link": "-> to/from" });
    for (const url of ["to", "to/from", "link", "to/../to/"]) {
      const error = await assertRejects(
        () => copySource(url, `${path}/to`, [], sourceContext({ cwd: path })),
        RunnerError,
        `Cannot copy "${url}": it is in "${path}/to", which would be replaced`,
      );
      assertEquals(error.code, "source-failed");
    }
  });

  it("refuses what is no directory", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "file": "", "loop": "-> loop" });
    const problems = {
      "missing": "no such file or directory",
      "file": "it is not a directory",
      "loop": "too many levels of symbolic links",
      "a\0b": "it contains a NUL character",
      "file://host/path": "it names another host",
      "file:///%zz": "URI malformed",
    };
    for (const [url, problem] of Object.entries(problems)) {
      await assertRejects(
        () => copySource(url, `${path}/to`, [], sourceContext({ cwd: path })),
        RunnerError,
        `Cannot copy ${JSON.stringify(url)}: ${problem}`,
      );
    }
  });

  it("warns of sockets and leaves them out", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "from/file": "" });
    using _ = Deno.listen({ transport: "unix", path: `${path}/from/socket` });
    const context = sourceContext({ cwd: path });
    await copy("from", `${path}/to`, context);
    assertEquals(await listFiles(`${path}/to`), { "file": "" });
    assertEquals(context.log.lines.slice(1), [
      "warning source: Left out what is no file, directory or link " +
      `{"path":"${path}/from/socket"}`,
    ]);
  });

  it("stops when the job is cancelled", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "from/file": "", "from/deep/file": "" });
    using _ = Deno.listen({ transport: "unix", path: `${path}/from/socket` });
    const context = sourceContext({
      cwd: path,
      onLog: (line) => {
        if (line.startsWith("warning")) context.cancellation.cancel("SIGTERM");
      },
    });
    const error = await assertRejects(
      () => copy("from", `${path}/to`, context),
      DOMException,
    );
    assertEquals(error.name, "AbortError");
    assert(!("file" in await listFiles(`${path}/to`)));
  });
});
