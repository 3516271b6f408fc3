import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runCli } from "../helpers/cli.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

describe("runnerlib run", () => {
  it("checks out a commit, runs the command in it and exits with its code", async () => {
    await using directory = await temporaryDirectory();
    const repository = await makeRepository(`${directory.path}/repository`);
    const first = await repository.commit({ "file": "1" });
    await repository.commit({ "file": "2" });
    const { code, stdout } = await runCli([
      "run",
      ...["--git-url", "repository", "--git-ref", first],
      ...["--job-command", "git rev-parse HEAD; cat file; exit 7"],
    ], { cwd: directory.path });
    assertEquals(code, 7);
    assertEquals(stdout, `${first}\n1`);
  });

  it("checks out branches, tags and the default branch, repeatedly", async () => {
    await using directory = await temporaryDirectory();
    const repository = await makeRepository(`${directory.path}/repository`);
    await repository.commit({ "file": "tagged" });
    await repository.git("tag", "v1");
    await repository.git("checkout", "--quiet", "-b", "topic");
    await repository.commit({ "file": "topic", "v1": "a file of that name" });
    await repository.git("checkout", "--quiet", "main");
    await repository.commit({ "file": "main" });
    for (
      const [ref, text] of [["v1", "tagged"], ["topic", "topic"], ["", "main"]]
    ) {
      const { code, stdout, stderr } = await runCli(
        [
          ...["run", "--source-type", "git", "--source-url", repository.path],
          ...["--source-ref", ref, "--", "cat", "file"],
        ],
        { cwd: directory.path },
      );
      assertEquals([code, stdout], [0, text], stderr);
    }
  });

  it("prepares the trusted CI source and the source", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const ci = await makeRepository(`${path}/ci-repository`);
    await ci.commit({ "test.sh": 'cat "$REACTORCIDE_CODE_DIR/file"' });
    await makeFiles(`${path}/project`, { "file": "copied" });
    const { code, stdout } = await runCli([
      "run",
      "--job-command",
      "sh ../ci/test.sh",
    ], {
      cwd: path,
      env: {
        REACTORCIDE_CI_SOURCE_TYPE: "git",
        REACTORCIDE_CI_SOURCE_URL: ci.path,
        REACTORCIDE_SOURCE_TYPE: "copy",
        REACTORCIDE_SOURCE_URL: "project",
      },
    });
    assertEquals([code, stdout], [0, "copied"]);
  });

  it("runs in the current directory without a source", async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout } = await runCli(["run", "--", "pwd"], {
      cwd: directory.path,
    });
    assertEquals([code, stdout], [0, `${directory.path}\n`]);
    assertEquals(await exists(`${directory.path}/job`), false);
  });

  it("passes arguments after -- to a program unchanged", async () => {
    await using directory = await temporaryDirectory();
    const words = ["a b", "", "$HOME", "*", "it's", "--flag", "--", "-x=\n"];
    const { stdout } = await runCli(
      ["run", "--", "printf", "<%s>", ...words],
      { cwd: directory.path },
    );
    assertEquals(stdout, words.map((word) => `<${word}>`).join(""));
  });

  it("merges standard error in order, or keeps it separate", async () => {
    await using directory = await temporaryDirectory();
    const command = "for i in 1 2 3; do echo out$i; echo err$i >&2; done";
    const args = ["run", "--job-command", command];
    const merged = await runCli(args, { cwd: directory.path });
    assertEquals(merged.stdout, "out1\nerr1\nout2\nerr2\nout3\nerr3\n");
    const apart = await runCli([...args, "--stderr", "separate"], {
      cwd: directory.path,
    });
    assertEquals(apart.stdout, "out1\nout2\nout3\n");
    assertStringIncludes(apart.stderr, "err1\nerr2\nerr3\n");
  });

  it("shows syntax errors of the shell, on any line", async () => {
    await using directory = await temporaryDirectory();
    for (const [command, line] of [["if then", 1], ["echo\nif then", 2]]) {
      const { code, stdout } = await runCli(
        ["run", "--job-command", `${command}`],
        { cwd: directory.path },
      );
      assertEquals(code, 2);
      assertMatch(stdout, new RegExp(`sh: (line )?${line}: `));
    }
  });

  it("reads a job file, which variables and options override", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job.yaml": `command: echo "$A $B $C"
environment: { A: 1.0, B: yes, C: file }
secret_env_names: ""
`,
    });
    const args = ["run", "--job-file", "job.yaml"];
    const plain = await runCli(args, { cwd: directory.path });
    assertEquals(plain.stdout, "1.0 yes file\n");
    const overridden = await runCli([...args, "--job-env", "C=option"], {
      cwd: directory.path,
      env: { REACTORCIDE_JOB_ENV: "B=variable\nC=variable" },
    });
    assertEquals(overridden.stdout, "1.0 variable option\n");
  });

  it("passes a worker's environment on, but not removed credentials", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job/.reactorcide/vcs-auth/credentials": "https://token@example.com",
      "job/.reactorcide/vcs-auth/gitconfig": "",
    });
    const { stdout } = await runCli(
      [
        "run",
        "--job-command",
        "echo [$GIT_CONFIG_GLOBAL] $RC_WF_ID; git config safe.directory",
      ],
      {
        cwd: path,
        env: {
          RC_WF_ID: "workflow",
          REACTORCIDE_VCS_AUTH_DIR: "/job/.reactorcide/vcs-auth",
          GIT_CONFIG_GLOBAL: "/job/.reactorcide/vcs-auth/gitconfig",
        },
      },
    );
    assertEquals(stdout, "[] workflow\n*\n");
    assertEquals(await exists(`${path}/job/.reactorcide/vcs-auth`), false);
  });

  it("prints the plan in a dry run, and does nothing", async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout, stderr } = await runCli([
      ...["run", "--dry-run", "--job-command", "echo $TOKEN hunter2hunter2"],
      ...[
        "--job-env",
        "TOKEN=hunter2hunter2",
        "--git-url",
        "https://u:p4ssw0rd@h/r",
      ],
    ], { cwd: directory.path });
    assertEquals([code, stdout], [0, ""]);
    assertStringIncludes(stderr, "$ echo $TOKEN [REDACTED]");
    assertStringIncludes(stderr, "Would prepare https://***@h/r");
    assertEquals(await exists(`${directory.path}/job`), false);
  });

  it("continues if its output is no longer read", async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout } = await runCli([
      "run",
      "--job-command",
      `${Deno.execPath()} eval 'Deno.exit(0)'; exit 0`,
    ], { cwd: directory.path });
    assertEquals([code, stdout], [0, ""]);
  });

  it("writes one JSON object per message with LOG_FORMAT=json", async () => {
    await using directory = await temporaryDirectory();
    const { stderr } = await runCli(["run", "--", "false"], {
      cwd: directory.path,
      env: { LOG_FORMAT: "json" },
    });
    const lines = stderr.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(lines.map(({ level, component }) => [level, component]), [
      ["info", "job"],
      ["error", "job"],
    ]);
    assertMatch(lines[0].timestamp, /^\d{4}-\d\d-\d\dT/);
  });
});

describe("runnerlib run reports problems of", () => {
  const cases: [
    name: string,
    args: string[],
    code: number,
    message: RegExp,
    env?: Record<string, string>,
  ][] = [
    [
      "a missing command and job file",
      ["run"],
      1,
      /it needs a command or a job file\n {2}looked for "job.yaml", /,
    ],
    [
      "an empty command",
      ["run", "--job-command", " "],
      1,
      /job_command: must not be empty \(from --job-command\)/,
    ],
    [
      "a path outside /job",
      ["run", "--code-dir", "/job/../etc", "--", "true"],
      1,
      /code_dir: must be "\/job" or a path below it, not "\/job\/..\/etc" \(from --code-dir\)/,
    ],
    [
      "a path beside /job",
      ["run", "--", "true"],
      1,
      /job_dir: must be .* not "\/jobs" \(from REACTORCIDE_JOB_DIR\)/,
      { REACTORCIDE_JOB_DIR: "/jobs" },
    ],
    [
      "an unknown source type",
      ["run", "--source-type", "cvs", "--", "true"],
      1,
      /source_type: must be "none", "git", "copy", "tarball", "hg" or "svn", not "cvs"/,
    ],
    [
      "a missing repository",
      ["run", "--git-url", "nowhere", "--", "true"],
      1,
      /Cannot clone "[^"]*\/nowhere": no such file or directory/,
    ],
    [
      "an option as a repository",
      ["run", "--git-url=--upload-pack=touch x", "--", "true"],
      1,
      /Cannot .*upload-pack/,
    ],
    [
      "a transport that runs commands",
      ["run", "--git-url", "ext::sh -c true", "--", "true"],
      1,
      /ext::sh -c true/,
    ],
    [
      "a missing job file",
      ["run", "--job-file", "no.yaml"],
      1,
      /Cannot read job file "no.yaml": no such file/,
    ],
    [
      "a broken job file",
      ["run", "--job-file", "broken.yaml"],
      1,
      /Cannot read job file "broken.yaml": .*\n {2}broken.yaml:2:\d+: /,
    ],
    [
      "a wrong job file",
      ["run", "--job-file", "wrong.yaml"],
      1,
      /wrong.yaml:2:1: unknown key "comand"; did you mean "command"\?/,
    ],
    [
      "an unwritable workspace",
      ["run", "--work-dir", "blocked", "--git-url", "..", "--", "true"],
      1,
      /Cannot .*not a directory/i,
    ],
    [
      "a missing plugin directory",
      ["run", "--plugin-dir", "nowhere", "--", "true"],
      1,
      /Cannot load plugins from ".*nowhere"/,
    ],
    [
      "a plugin that throws",
      ["run", "--plugin-dir", "plugins", "--", "true"],
      1,
      /Cannot run plugin "broken" in phase pre_execution: no luck/,
    ],
    [
      "a program that does not exist",
      ["run", "--", "no-such-program"],
      127,
      /exit code 127/,
    ],
    [
      "a program that does not exist, apart",
      ["run", "--stderr", "separate", "--", "no-such-program"],
      127,
      /Cannot start "no-such-program": command not found/,
    ],
    [
      "an unknown option",
      ["run", "--job-comand", "x"],
      2,
      /Unknown option --job-comand; did you mean --job-command\?/,
    ],
    [
      "an option without value",
      ["run", "--job-command"],
      2,
      /Option --job-command needs a value/,
    ],
    [
      "a command without --",
      ["run", "make", "test"],
      2,
      /Unexpected argument "make"; put "--" before a command/,
    ],
    [
      "two commands",
      ["run", "--job-command", "x", "--", "y"],
      2,
      /cannot be used together/,
    ],
    [
      "an unknown command",
      ["rn"],
      2,
      /Unknown command "rn"; did you mean "run"\?/,
    ],
    ["no command", [], 2, /^Usage: runnerlib COMMAND/m],
    [
      "a nested container of nothing",
      ["run", "--container", "--", "true"],
      1,
      /Cannot use a nested container: no image is set/,
    ],
  ];
  for (const [name, args, expected, message, env] of cases) {
    it(name, async () => {
      await using directory = await temporaryDirectory();
      await makeFiles(directory.path, {
        "broken.yaml": "command: secret-in-the-file\n  - x: [\n",
        "wrong.yaml": "name: x\ncomand: make\n",
        "blocked/job": "a file",
        "plugins/plugin_broken.ts":
          `export default { name: "broken", preExecution() { throw new Error("no luck"); } };`,
      });
      const { code, stdout, stderr } = await runCli(args, {
        cwd: directory.path,
        env,
      });
      assertMatch(stderr, message);
      assertEquals(code, expected, stderr);
      assert(!/\n\s+at /.test(stderr), `a stack trace: ${stderr}`);
      assert(!(stdout + stderr).includes("secret-in-the-file"));
      assertEquals(await exists(`${directory.path}/x`), false);
    });
  }
});
