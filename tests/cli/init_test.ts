import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { jobFileSchema } from "../../src/config/job_keys.ts";
import { CLI, cliEnv } from "../helpers/cli.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const KINDS = ["job", "pipeline", "workflow", "plugin"];

describe("runnerlib init", () => {
  for (const kind of KINDS) {
    it(`writes a ${kind} that runs in a repository and below a package.json`, async () => {
      await using directory = await temporaryDirectory();
      const cwd = `${directory.path}/project`;
      await makeRepository(directory.path);
      await makeFiles(directory.path, {
        "package.json": `{"type": "commonjs", "dependencies": {"x": "1"}}`,
        "project/": "",
      });
      const { code, stdout, stderr } = await runMain(["init", kind], { cwd });
      assertEquals([code, stderr], [0, ""]);
      const [, line] = /Run it:\n {2}runnerlib (.*)\n$/.exec(stdout)!;
      const run = await new Deno.Command("/bin/sh", {
        args: [
          "-c",
          `"$DENO" run -A --no-check "$CLI" ${line}`,
        ],
        cwd,
        env: cliEnv({ DENO: Deno.execPath(), CLI }),
        clearEnv: true,
      }).output();
      assertEquals(run.code, 0, new TextDecoder().decode(run.stderr));
    });
  }

  it("writes a pipeline with types for the editor", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await runMain(["init", "--pipeline"], { cwd: path });
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "pipeline.ts"],
      cwd: path,
    }).output();
    assertEquals(success, true, new TextDecoder().decode(stderr));
  });

  for (
    const [kind, link] of [["workflow", ".reactorcide"], ["plugin", "plugins"]]
  ) {
    it(`does not write a ${kind} through a link out of the directory`, async () => {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      await makeFiles(path, {
        "outside/": "",
        [`project/${link}`]: "-> ../outside",
      });
      const { code, stderr } = await runMain(["init", kind], {
        cwd: `${path}/project`,
      });
      assertEquals(code, 1);
      assertStringIncludes(stderr, `it leads to "${path}/outside/`);
      assertEquals(await listFiles(`${path}/outside`), {});
    });
  }

  it("refers to an existing schema in YAML files", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    for (const kind of ["job", "workflow"]) {
      await runMain(["init", kind], { cwd: path });
    }
    for (const file of ["job.yaml", ".reactorcide/workflows/ci.yaml"]) {
      const text = await Deno.readTextFile(`${path}/${file}`);
      const [, schema] = /^# yaml-language-server: \$schema=(\S+)\n/
        .exec(text)!;
      const url = new URL(schema, `file://${path}/${file}`);
      const { $schema } = JSON.parse(await Deno.readTextFile(url));
      assertEquals($schema, jobFileSchema().$schema);
    }
  });

  it("writes nothing if one of the files exists", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    for (const kind of KINDS) {
      await runMain(["init", kind], { cwd: path });
    }
    await makeFiles(path, { "job.yaml": "mine" });
    const before = await listFiles(path);
    for (const kind of KINDS) {
      const { code, stderr } = await runMain(["init", kind], { cwd: path });
      assertEquals(code, 1);
      assertStringIncludes(stderr, "already");
    }
    assertEquals(await listFiles(path), before);
  });

  it("keeps a deno.json, and shows what to add to it", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "deno.jsonc": "{}" });
    const { code, stdout } = await runMain(["init", "pipeline"], { cwd: path });
    assertEquals(code, 0);
    assertStringIncludes(stdout, "Kept deno.jsonc; for types in the editor");
    assertStringIncludes(stdout, '"@reactorcide/runnerlib": ');
    assertEquals(Object.keys(await listFiles(path)).sort(), [
      "deno.jsonc",
      "pipeline.ts",
    ]);
  });

  it("prompts on a terminal, and writes a job elsewhere", async () => {
    for (
      const [stdin, columns, file] of [
        ["4\n", 80, "plugins/plugin_hello.ts"],
        ["workflow\n", 80, ".reactorcide/workflows/ci.yaml"],
        ["\n", 80, "job.yaml"],
        ["4\n", undefined, "job.yaml"],
      ] as const
    ) {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      const { code, stdout } = await runMain(["init"], {
        cwd: path,
        stdin,
        columns,
      });
      assertEquals(code, 0);
      assertStringIncludes(stdout, `Wrote ${file}`);
      assertEquals(stdout.includes("1) job"), columns !== undefined);
    }
  });

  it("refuses an unknown kind, two kinds and a read-only directory", async () => {
    const init = (...args: string[]) =>
      runMain(["init", ...args], { cwd: "/" });
    const wrong = await init("jbo");
    assertEquals(wrong.code, 2);
    assertStringIncludes(
      wrong.stderr,
      "one of job, pipeline, workflow, plugin",
    );
    assertStringIncludes(
      (await init("job", "--plugin")).stderr,
      "Only one kind can be written, not job and plugin",
    );
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { ".reactorcide": "a file" });
    const { code, stderr } = await runMain(["init", "workflow"], {
      cwd: directory.path,
    });
    assertEquals(code, 1);
    assertStringIncludes(
      stderr,
      'Cannot write ".reactorcide/workflows/ci.yaml"',
    );
  });

  it("writes no file if it cannot write all of them", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { ".reactorcide": "a file" });
    const failed = await runMain(["init"], { cwd: path });
    assertEquals(failed.code, 1);
    const files = await Array.fromAsync(Deno.readDir(path));
    assertEquals(files.map(({ name }) => name), [".reactorcide"]);
    await Deno.remove(`${path}/.reactorcide`);
    assertEquals((await runMain(["init"], { cwd: path })).code, 0);
  });
});
