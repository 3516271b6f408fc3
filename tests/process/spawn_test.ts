import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { fixedEnvironment } from "../../src/environment/child_environment.ts";
import { RunnerError } from "../../src/errors.ts";
import { type Command, spawn } from "../../src/process/spawn.ts";
import { readProcessEntry } from "../helpers/process_table.ts";
import { BARE_ENV, readOutput, run } from "../helpers/running.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const MODES = ["merged", "separate"] as const;

/** Variables that the shell that merges the streams sets itself. */
const SHELL_VARIABLES = ["PWD", "OLDPWD", "SHLVL", "_"];

function startError(
  command: Command,
  options: { cwd?: string; stderr?: "merged" | "separate" } = {},
): { code: string; exitCode: number; message: string } {
  const { code, exitCode, message } = assertThrows(
    () => spawn(command, { cwd: "/", env: BARE_ENV, ...options }),
    RunnerError,
  );
  return { code, exitCode, message };
}

function variablesIn(
  output: string,
  stderr: "merged" | "separate",
): Record<string, string> {
  const variables = output.split("\0").filter(Boolean).map((line) => {
    const equals = line.indexOf("=");
    return [line.slice(0, equals), line.slice(equals + 1)];
  });
  return Object.fromEntries(
    stderr === "separate"
      ? variables
      : variables.filter(([name]) => !SHELL_VARIABLES.includes(name)),
  );
}

Deno.test("spawn() merges standard error into standard output in the original order", async () => {
  const lines = Array.from({ length: 200 }, (_, i) => `line ${i}`);
  const script = lines.map((line, i) => `echo ${line} >&${1 + i % 2}`);
  assertEquals(await readOutput(script.join("\n")), lines.join("\n") + "\n");
});

Deno.test("spawn() keeps standard error separate if requested", async () => {
  const running = run("echo out; echo err >&2", { stderr: "separate" });
  await running.supervise();
  assertEquals(running.stdout.text, "out\n");
  assertEquals(running.stderr.text, "err\n");
});

Deno.test("spawn() passes arguments unchanged", async () => {
  const args = [
    "two words",
    "'single' \"double\"",
    "line\nbreak",
    "",
    "$HOME `id` $(id) * \\",
    "-n",
    "--",
    "é✓",
  ];
  const printArgs = ["sh", "-c", 'printf "%s\\0" "$@"', "sh"];
  for (const stderr of MODES) {
    const output = await readOutput([...printArgs, ...args], { stderr });
    assertEquals(output.split("\0"), [...args, ""], stderr);
  }
});

Deno.test("spawn() passes text to one shell only", async () => {
  assertEquals(
    await readOutput("printf '%s %s' \"$0\" $#; exit 0"),
    "/bin/sh 0",
  );
});

Deno.test("spawn() starts a program in the given environment", async () => {
  const env = { ...BARE_ENV, ONE: "1", TEXT: "a b\n'c'", EMPTY: "" };
  for (const stderr of MODES) {
    const output = await readOutput(["env", "-0"], { env, stderr });
    assertEquals(variablesIn(output, stderr), env, stderr);
  }
});

Deno.test("spawn() keeps variables whose names are not identifiers", async () => {
  const env = {
    ...BARE_ENV,
    "with.dot": '1 "2" $HOME ${PATH} \\\n3',
    "with-dash": "",
    "BASH_FUNC_greet%%": "() {  echo hello\n}",
    "-S": "an option?",
    "9": "nine",
    "a b": "c",
    "'single'": "1",
    '"double"': "2",
    "$PATH": "3",
    "\\": "4",
    "#": "5",
    "*": "6",
    "line\nbreak": "7",
    "größe": "8",
    IFS: "|",
    OPTIND: "7",
  };
  for (const stderr of MODES) {
    const output = await readOutput(["env", "-0"], { env, stderr });
    assertEquals(variablesIn(output, stderr), env, stderr);
  }
});

Deno.test("spawn() reports a missing program even with unusual variables", async () => {
  const env = { ...BARE_ENV, "with.dot": "1" };
  const missing = run(["no-such-program"], { env });
  assertEquals((await missing.supervise()).exitCode, 127);
  assertStringIncludes(missing.stdout.text, "no-such-program");
  await using directory = await temporaryDirectory();
  const program = `${directory.path}/a=b`;
  await Deno.writeTextFile(program, '#!/bin/sh\necho "got $1"', {
    mode: 0o755,
  });
  assertEquals(await readOutput([program, "x"], { env }), "got x\n");
});

Deno.test("spawn() passes functions of bash to bash", async () => {
  const env = { ...BARE_ENV, "BASH_FUNC_greet%%": "() {  echo hello\n}" };
  assertEquals(await readOutput(["bash", "-c", "greet"], { env }), "hello\n");
});

Deno.test("spawn() does not search the PATH of this process", async () => {
  await using directory = await temporaryDirectory();
  const program = `${directory.path}/only-here`;
  await Deno.writeTextFile(program, "#!/bin/sh\n", { mode: 0o755 });
  const helper = import.meta.resolve("../helpers/running.ts");
  const script = `
    import { run } from ${JSON.stringify(helper)};
    for (const stderr of ["merged", "separate"]) {
      const program = run(["only-here"], { env: {}, stderr });
      console.log((await program.supervise()).exitCode);
    }`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    env: { PATH: `${directory.path}:${Deno.env.get("PATH")}` },
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "127\n127\n");
});

Deno.test("spawn() inherits nothing from this process", async () => {
  assert(Deno.env.has("PATH"));
  for (const stderr of MODES) {
    const output = await readOutput(["/usr/bin/env", "-0"], {
      env: fixedEnvironment({}),
      stderr,
    });
    assertEquals(variablesIn(output, stderr), {}, stderr);
  }
});

Deno.test("spawn() starts a program in its directory", async () => {
  await using directory = await temporaryDirectory();
  for (const stderr of MODES) {
    assertEquals(
      await readOutput(["pwd", "-P"], { cwd: directory.path, stderr }),
      `${directory.path}\n`,
    );
  }
});

Deno.test("spawn() closes standard input", async () => {
  assertEquals(await readOutput("cat; echo end"), "end\n");
  assertEquals(await readOutput(["cat"]), "");
});

Deno.test("spawn() creates its own session and group", async () => {
  for (const stderr of MODES) {
    const running = run("echo ready; exec cat /proc/self/stat", { stderr });
    await running.supervise();
    const { pid } = running.child;
    const [, , group, session] = running.stdout.text
      .slice(running.stdout.text.lastIndexOf(")") + 2).split(" ");
    assertEquals([Number(group), Number(session)], [pid, pid], stderr);
    assert(readProcessEntry(Deno.pid)!.session !== pid);
  }
});

Deno.test("spawn() reports how the program ended", async () => {
  for (const stderr of MODES) {
    const exits = await Promise.all(
      ["exit 0", "exit 7", "exit 255", "kill -TERM $$", "kill -SEGV $$"]
        .map(async (command) => {
          const running = run(command, { stderr });
          await running.supervise();
          return await running.child.status;
        }),
    );
    assertEquals(exits, [
      { exitCode: 0, signal: null },
      { exitCode: 7, signal: null },
      { exitCode: 255, signal: null },
      { exitCode: 143, signal: "SIGTERM" },
      { exitCode: 139, signal: "SIGSEGV" },
    ]);
  }
});

Deno.test("spawn().signal() does not fail if all processes have exited", async () => {
  const running = run("exit 0");
  await running.supervise();
  running.child.signal("SIGTERM");
});

Deno.test("spawn() fails with 127 if a program does not exist", () => {
  for (const program of ["no-such-program", "/no/such/program"]) {
    assertEquals(startError([program, "x"], { stderr: "separate" }), {
      code: "command-not-found",
      exitCode: 127,
      message: `Cannot start "${program}": command not found`,
    });
  }
});

Deno.test({
  name: "spawn() does not need to read a directory to say what is missing",
  permissions: { run: true, read: false },
  fn() {
    assertEquals(
      startError(["no-such-program"], { stderr: "separate" }).code,
      "command-not-found",
    );
  },
});

Deno.test("spawn() lets the shell report a missing program if streams are merged", async () => {
  for (
    const [program, exitCode] of [
      ["no-such-program", 127],
      ["/etc/passwd", 126],
    ] as const
  ) {
    const running = run([program, "x"]);
    assertEquals((await running.supervise()).exitCode, exitCode);
    assertStringIncludes(running.stdout.text, program);
  }
});

Deno.test("spawn() keeps line numbers in messages of the shell", async () => {
  const second = run("echo first\nif then");
  assertEquals((await second.supervise()).exitCode, 2);
  assertMatch(second.stdout.text, /^first\n\S+: (line )?2: /);

  // The shell cannot merge the streams before it has read the line.
  const first = run("if then");
  assertEquals((await first.supervise()).exitCode, 2);
  assertEquals(first.stdout.text, "");
  assertMatch(first.stderr.text, /^\S+: (line )?1: /);
});

Deno.test("spawn() fails with 126 if a file is not executable", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, { "plain.txt": "hello" });
  const plain = `${directory.path}/plain.txt`;
  for (const program of [plain, directory.path]) {
    assertEquals(startError([program], { stderr: "separate" }), {
      code: "command-not-executable",
      exitCode: 126,
      message: `Cannot start "${program}": permission denied`,
    });
  }
});

Deno.test("spawn() names the program, not the shell, if it cannot start", () => {
  for (const stderr of MODES) {
    const tooLong = startError(["echo", "x".repeat(4 * 1024 * 1024)], {
      stderr,
    });
    assertEquals(tooLong.code, "command-not-executable", stderr);
    assertEquals(tooLong.exitCode, 126, stderr);
    assertStringIncludes(tooLong.message, 'Cannot start "echo": ');
    assert(tooLong.message.length < 200, "tells all the arguments");

    const withNul = startError(["echo", "a\0b"], { stderr });
    assertEquals(withNul.code, "command-not-executable", stderr);
    assertEquals(withNul.exitCode, 126, stderr);
    assertStringIncludes(withNul.message, 'Cannot start "echo": nul byte');
  }
});

Deno.test("spawn() reports a missing directory", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, { "file": "" });
  for (const stderr of MODES) {
    for (const cwd of [`${directory.path}/none`, `${directory.path}/file`]) {
      assertEquals(startError(["echo", "x"], { cwd, stderr }), {
        code: "workspace",
        exitCode: 1,
        message: `Cannot start "echo" in "${cwd}": no such directory`,
      });
    }
  }
});

Deno.test("spawn() accepts signals immediately after the start", async () => {
  for (let time = 0; time < 20; time++) {
    const running = run("sleep 1000");
    // Some of them are signalled before they have created their group.
    for (let turn = 0; turn < time; turn++) await Promise.resolve();
    running.child.signal("SIGTERM");
    assertEquals((await running.supervise()).exitCode, 143);
  }
});
