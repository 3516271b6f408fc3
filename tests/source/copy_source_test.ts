import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { copySource } from "../../src/source/copy_source.ts";
import type { SourceContext } from "../../src/source/source.ts";
import { sourceContext } from "../helpers/source_context.ts";
import { runShell } from "../helpers/archives.ts";
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

  it("ignores files that are removed during the copy", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "from/kept": "kept", "from/deep/kept": "kept" });
    const script = `cd from && echo ready && while :; do
      mkdir -p gone/deep && : >gone/deep/file && ln -s x gone/link && : >file &&
      rm -r gone file || exit
    done`;
    await using child = new Deno.Command("sh", {
      args: ["-c", script],
      cwd: path,
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    for (let count = 0; count < 40; count++) {
      const target = `${path}/to${count}`;
      await copy("from", target, sourceContext({ cwd: path }));
      const { kept, "deep/kept": deep } = await listFiles(target);
      assertEquals([kept, deep], ["kept", "kept"]);
    }
    child.kill("SIGKILL");
    await reader.cancel();
  });

  it("leaves out the state of local workflows", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const kept = { ".reactorcide/workflows/ci.yaml": "", "workflow/x": "" };
    const left = [
      "workflow-state.json",
      "workflow-state.json.log",
      "workflow/x",
    ]
      .concat("workflow-state.json.7.tmp")
      .map((name) => [`from/a/.reactorcide/${name}`, "secret"]);
    await makeFiles(`${path}/from/a`, kept);
    await makeFiles(path, Object.fromEntries(left));
    await copy("from", `${path}/to`, sourceContext({ cwd: path }));
    assertEquals(
      Object.keys(await listFiles(`${path}/to/a`)).filter((name) =>
        !name.endsWith("/")
      ),
      Object.keys(kept),
    );
  });

  it("keeps permissions, even of read-only directories", async () => {
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

  it("keeps the times of files, directories and links", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "from/a/deep/file": "",
      "from/a/link": "-> deep",
      "from/b": "",
    });
    await runShell(
      `${path}/from`,
      "touch -h -d 2020-01-06 a/link; touch -d 2020-01-05 a/deep/file; touch -d 2020-01-04 b; touch -d 2020-01-03 a/deep; touch -d 2020-01-02 a; touch -d 2020-01-01 .",
    );
    await copy("from", `${path}/to`, sourceContext({ cwd: path }));
    for (const name of ["", "a", "a/deep", "a/deep/file", "a/link", "b"]) {
      assertEquals(
        (await Deno.lstat(`${path}/to/${name}`)).mtime,
        (await Deno.lstat(`${path}/from/${name}`)).mtime,
        name,
      );
    }
  });

  it("keeps names and link targets that are not UTF-8, byte for byte", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await runShell(
      path,
      String.raw`mkdir from && cd from
        for n in '\351' '\350' '\303\251' '\377\n' '-\200' "'\201"; do
          d=$(printf -- "d$n."); mkdir "./$d"; touch -d 2020-01-01 "./$d/$(printf -- "f$n.")"
          printf -- "$n" > "$(printf -- "f$n.")"; chmod 640 "$(printf -- "f$n.")"
          ln -s -- "$(printf -- "$n.")" "$(printf -- "l$n.")"; ln -s -- "$(printf -- "$n.")" "./$d/l"
          touch -h -d 2020-01-02 "$(printf -- "l$n.")" "$(printf -- "f$n.")" "./$d/l"
          mkfifo "$(printf -- "p$n.")"
          echo > "ignored.$(printf -- "o$n")"; echo > "./$d/$(printf -- "$n").o"
          chmod 555 "./$d"; touch -d 2020-01-03 "./$d"
        done; touch -d 2020-01-04 .`,
    );
    const context = sourceContext({ cwd: path });
    await copy("from", `${path}/to`, context, ["ignored.*", "*.o"]);
    const list =
      "tar --sort=name --exclude=ignored.* --exclude=*.o --exclude=p* -cf - . | cksum";
    assertEquals(
      await runShell(`${path}/to`, list),
      await runShell(`${path}/from`, list),
    );
    assertEquals(
      context.log.lines.filter((line) => line.startsWith("warning")).length,
      6,
    );
    assertEquals(
      await runShell(`${path}/to`, "ls -A | grep -c undecodable || true"),
      "0",
    );
  });

  it("copies many files in many directories", async () => {
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

  it("keeps the holes of sparse files", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "from/dense": "x".repeat(2_000_000) });
    {
      using file = await Deno.create(`${path}/from/sparse`);
      await file.truncate(50_000_001);
      for (const position of [0, 20_000_003, 50_000_000]) {
        await file.seek(position, Deno.SeekMode.Start);
        await file.write(new TextEncoder().encode("x"));
      }
    }
    await Deno.chmod(`${path}/from/sparse`, 0o640);
    await copy("from", `${path}/to`, sourceContext({ cwd: path }));
    const copied = await Deno.stat(`${path}/to/sparse`);
    assertEquals([copied.size, copied.mode! & 0o777], [50_000_001, 0o640]);
    assert(copied.blocks! * 512 < 1_000_000, `${copied.blocks} blocks`);
    for (const name of ["sparse", "dense"]) {
      const [from, to] = await Promise.all(
        ["from", "to"].map((item) => Deno.readFile(`${path}/${item}/${name}`)),
      );
      assertEquals(from.length, to.length);
      assert(from.every((byte, at) => byte === to[at]), name);
    }
  });

  it("leaves out what .gitignore patterns match", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "from/a.o": "",
      "from/keep.o": "",
      "from/build/deep/file": "",
      "from/src/build": "a file",
      "from/src/a.o": "",
      "from/src/main.c": "",
      "from/node_modules/x/index.js": "",
      "from/only/here/x": "",
      "from/x": "",
      "from/link.o": "-> x",
      "from/ß [1]": "",
    });
    const patterns = [
      "*.o",
      "!keep.o",
      "build/",
      "node_modules",
      "/x",
      "",
      "# x",
    ];
    await copy("from", `${path}/to`, sourceContext({ cwd: path }), [
      ...patterns,
      "only/here/*",
    ]);
    assertEquals(await listFiles(`${path}/to`), {
      "keep.o": "",
      "only/": "",
      "only/here/": "",
      "src/": "",
      "src/build": "a file",
      "src/main.c": "",
      "ß [1]": "",
    });
  });

  it("leaves out a workspace inside the source", async () => {
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

  it("rejects a source in the target, even through a link", async () => {
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

  it("rejects everything that is not a directory", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "file": "", "loop": "-> loop" });
    const problems = {
      "missing": "no such file or directory",
      "file": "it is not a directory",
      "loop": "too many levels of symbolic links",
      "a\0b": "it contains a NUL character",
      "file://host/path": "its URL names another host",
      "./\ufffd": "no such file or directory; its name may not be UTF-8",
      "file:///%ff": "its path is not UTF-8",
    };
    for (const [url, problem] of Object.entries(problems)) {
      await assertRejects(
        () => copySource(url, `${path}/to`, [], sourceContext({ cwd: path })),
        RunnerError,
        `Cannot copy ${JSON.stringify(url)}: ${problem}`,
      );
    }
  });

  it("warns about sockets and leaves them out", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "from/file": "" });
    using _ = Deno.listen({ transport: "unix", path: `${path}/from/socket` });
    const context = sourceContext({ cwd: path });
    await copy("from", `${path}/to`, context);
    assertEquals(await listFiles(`${path}/to`), { "file": "" });
    assertEquals(context.log.lines.slice(1), [
      "warning source: Skipped a file that is not a regular file, directory or link " +
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
