import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import { Job } from "../../src/steps/job.ts";
import { inlineCommand, passableCommand } from "../../src/steps/shell.ts";
import { readOutput } from "../helpers/running.ts";
import { temporaryDirectory } from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

/** Runs a script with a shell, and returns the exit code and output. */
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

describe("the script of a step", () => {
  it("stops at the first line that fails", async () => {
    assertEquals(await run("echo one\nfalse\necho two"), [1, "one"]);
    assertEquals(await run("false || echo two"), [0, "two"]);
  });

  it("also stops there if it is too long for an argument", async () => {
    const filling = `: ${"filling ".repeat(20_000)}\n`;
    assertEquals(await run(`${filling}echo one\nfalse\necho two`), [1, "one"]);
  });

  it("stops at a failing pipeline only with bash", async () => {
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

  it("is passed as a file if the command of the shell contains {}", async () => {
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

describe("the command of a function", () => {
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

/** Lines that together are too long for an argument. */
const FILLING = `: ${"filling ".repeat(10)}\n`.repeat(2_000);

const SHELLS = {
  "the default one": undefined,
  "sh": ["sh"],
  "sh -c": ["sh", "-c"],
  "sh -euc": ["sh", "-euc"],
  "sh -e -u -c": ["sh", "-e", "-u", "-c"],
};

for (const [name, shell] of Object.entries(SHELLS)) {
  Deno.test(`passableCommand() runs a long script as a short one: ${name}`, async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const temporaryPlace = {
      env: { TMPDIR: path },
      workspace: { base: path },
    };
    const script = (filling: string) =>
      `${filling}echo "$- $#"; echo warning >&2; (exit 3) || echo "got $?"`;
    const outputs: string[] = [];
    for (const filling of ["", FILLING]) {
      using passable = await passableCommand(script(filling), {
        shell,
        temporaryPlace,
      });
      const isFile = filling !== "";
      assertEquals(
        (await Array.fromAsync(Deno.readDir(path))).length,
        isFile ? 1 : 0,
      );
      outputs.push(await readOutput(passable.command));
    }
    // The flags "c" and "s" only say where a shell reads its script.
    const [short, long] = outputs.map((text) => text.replace(/^[cs]+/, ""));
    assertEquals(long, short);
    assertStringIncludes(long, "warning\ngot 3\n");
    assertEquals(await Array.fromAsync(Deno.readDir(path)), []);
  });
}

Deno.test("passableCommand() keeps the file to its owner", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  using passable = await passableCommand(FILLING, {
    shell: ["cat"],
    temporaryPlace: { env: { TMPDIR: path }, workspace: { base: path } },
  });
  const file = passable.command[1];
  assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
  const parent = file.slice(0, file.lastIndexOf("/"));
  assertEquals((await Deno.stat(parent)).mode! & 0o777, 0o700);
  assertEquals(await readOutput(passable.command), FILLING);
});

Deno.test("a job runs long scripts, and reports other values that are too large", async () => {
  await using test = await testRunner();
  const { runner } = test;
  const command = await runner.runJob({ command: `${FILLING}echo whole` });
  assertEquals([command.exitCode, test.stdout()], [0, "whole\n"]);
  const steps = await runner.runJob(
    new Job("x")
      .addStep("long", `${FILLING}echo step; exit 4`, { continueOnError: true })
      .addStep("large", "true", { env: { LARGE: "x".repeat(140_000) } }),
  );
  assertEquals(steps.steps.map(({ exitCode }) => exitCode), [4, 126]);
  assert(
    test.stderr().includes('its variable "LARGE" has 140006 bytes'),
    test.stderr(),
  );
});

Deno.test("a step runs even if the outputs before it do not fit into an environment", async () => {
  await using test = await testRunner();
  const write = (count: number) =>
    `for i in $(seq ${count}); do printf "k$i="; head -c 100000 /dev/zero | tr '\\0' x; echo; done > "$REACTORCIDE_OUTPUT"`;
  const result = await test.runner.runJob(
    new Job("x")
      .addStep("one", write(9))
      .addStep("two", `${write(9)}; echo small=1 >> "$REACTORCIDE_OUTPUT"`)
      .addStep(
        "use",
        "env | grep -c ^REACTORCIDE_OUTPUT_; env | grep SMALL",
        { dependsOn: ["one", "two"] },
      ),
  );
  assertEquals(result.exitCode, 0, test.stderr());
  assertStringIncludes(test.stdout(), "REACTORCIDE_OUTPUT_TWO_SMALL=1");
  assertStringIncludes(
    test.stderr(),
    'Step "use" gets no variables for 9 outputs',
  );
});
