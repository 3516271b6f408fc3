import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { inlineCommand } from "../../src/steps/shell.ts";
import { Job } from "../../src/steps/job.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

/** Runs a text with a shell, and returns the exit code and output. */
async function run(
  text: string,
  shell?: string[],
  jobShell?: string[],
): Promise<[exitCode: number, output: string]> {
  await using test = await testRunner();
  const job = new Job("x").addStep("step", text, { shell });
  const { exitCode } = await test.runner.runJob(job, { shell: jobShell });
  const lines: string[] = test.stdout().trimEnd().split("\n");
  return [exitCode, lines.map((line) => line.replace(/^step \| /, "")).join()];
}

describe("the text of a step", () => {
  it("stops at the first line that fails", async () => {
    assertEquals(await run("echo one\nfalse\necho two"), [1, "one"]);
    assertEquals(await run("false || echo two"), [0, "two"]);
  });

  it("stops there as well if it is too long for an argument", async () => {
    const filling = `: ${"filling ".repeat(20_000)}\n`;
    assertEquals(await run(`${filling}echo one\nfalse\necho two`), [1, "one"]);
  });

  it("stops in a pipeline with bash alone", async () => {
    const text = "false | cat\necho on";
    assertEquals(await run(text), [0, "on"]);
    assertEquals(await run(text, ["bash"]), [1, ""]);
    assertEquals(await run(text, ["/bin/bash", "-c"]), [0, "on"]);
  });

  it("runs in the shell of the job, unless it has its own", async () => {
    const text = "echo ${BASH_VERSION:+bash}";
    assertEquals(await run(text, undefined, ["bash"]), [0, "bash"]);
    assertEquals(await run("false; echo x", ["sh"], ["bash"]), [1, ""]);
  });

  it("is a file where the shell has a place for one", async () => {
    assertEquals(await run("$& {} 'x'", ["cat", "{}"]), [0, "$& {} 'x'"]);
    assertEquals(
      await run("print(1)\nraise SystemExit(4)", ["python"]),
      [4, "1"],
    );
  });

  it("can be TypeScript", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await Deno.symlink(Deno.execPath(), `${path}/deno`);
    await using test = await testRunner();
    const text = "const code: number = 5;\nDeno.exit(code);";
    const job = new Job("x").addStep("step", text, {
      shell: ["deno"],
      env: { PATH: `${path}:/usr/bin:/bin`, DENO_DIR: `${path}/cache` },
    });
    assertEquals((await test.runner.runJob(job)).exitCode, 5);
  });

  it("fails if there is no such program", async () => {
    const [exitCode] = await run("true", ["no-such-shell-here"]);
    assertEquals(exitCode, 127);
  });
});

describe("the text of a function's command", () => {
  it("stops at the first line that fails", async () => {
    await using test = await testRunner();
    const job = new Job("x").addStep("f", async ({ run, $ }) => {
      const ends = await Promise.all([
        run("false\ntrue").noThrow(),
        $`false; true`.noThrow(),
      ]);
      return ends.map(({ exitCode }) => exitCode);
    }).addStep("g", ({ outputs }) => outputs.f, { dependsOn: ["f"] });
    let codes: unknown;
    job.addStep("h", ({ outputs }) => {
      codes = outputs.f;
    }, { dependsOn: ["f"] });
    await test.runner.runJob(job);
    assertEquals(codes, [1, 1]);
  });
});

describe("the command of a job", () => {
  it("continues after a failing line, unless it has a shell", async () => {
    await using test = await testRunner();
    const command = "false\ntrue";
    const [plain, sh, bash, words] = [
      await test.runner.runJob({ command }),
      await test.runner.runJob({ command, shell: ["sh"] }),
      await test.runner.runJob({ command, shell: ["bash"] }),
      await test.runner.runJob({ command: ["true"], shell: ["bash"] }),
    ];
    assertEquals(
      [plain, sh, bash, words].map(({ exitCode }) => exitCode),
      [0, 1, 1, 0],
    );
  });
});

Deno.test("inlineCommand() rejects a shell that needs a script file", () => {
  assertEquals(inlineCommand(["sh"], "x"), ["/bin/sh", "-e", "-c", "x"]);
  assertEquals(inlineCommand(["python"], "x"), ["python3", "-c", "x"]);
  assertThrows(
    () => inlineCommand(["cat", "{}"], "x"),
    RunnerError,
    'Cannot use shell "cat {}" in a container',
  );
});
