import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { COMMANDS } from "../../src/cli/commands.ts";
import { VERSION } from "../../src/package_version.ts";
import { REPOSITORY } from "../helpers/cli.ts";
import { runMain } from "../helpers/run_main.ts";
import { runTool } from "../helpers/archives.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

describe("runnerlib", () => {
  it("--version prints the version of the package", async () => {
    const { code, stdout } = await runMain(["--version"], { cwd: "/" });
    const config = JSON.parse(
      await Deno.readTextFile(`${REPOSITORY}/deno.json`),
    );
    assertEquals([code, stdout], [0, `${VERSION}\n`]);
    assertEquals(config.version, VERSION);
  });

  it("--help lists every command, and each has a help text", async () => {
    const { code, stdout } = await runMain(["--help"], { cwd: "/" });
    assertEquals(code, 0);
    for (const name of Object.keys(COMMANDS)) {
      assertMatch(stdout, new RegExp(`^  ${name} +\\S`, "m"));
      const help = await runMain([name, "--help"], { cwd: "/" });
      assertEquals([help.code, help.stderr], [0, ""]);
      assertStringIncludes(help.stdout, `Usage: runnerlib ${name}`);
    }
  });
});

describe("runnerlib config", () => {
  it("shows values, where they come from, and no secret", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "job.yaml": "command: make\n" });
    const { code, stdout, stderr } = await runMain([
      ...["config", "--job-file", "job.yaml", "--code-dir", "/job/code"],
      ...["--source-url", "https://u:p4ssw0rd@host/r", "--source-type", "git"],
    ], {
      cwd: directory.path,
      env: { REACTORCIDE_JOB_ENV: "TOKEN=hunter2hunter2" },
    });
    assertEquals([code, stderr], [0, ""]);
    const lines = stdout.split("\n");
    for (
      const line of [
        "job_command = make  # from job.yaml",
        "code_dir = /job/code  # from --code-dir",
        "source_url = https://***@host/r  # from --source-url",
        "job_env = TOKEN=[REDACTED]  # from REACTORCIDE_JOB_ENV",
        "grace = 10s  # from the default",
      ]
    ) assertEquals(lines.includes(line), true, `${line} in\n${stdout}`);
  });

  it("hides possible secrets when the configuration is invalid", async () => {
    const { stdout, stderr } = await runMain(
      ["config", "--job-env", "TOKEN=hunter2hunter2", "--grace", "soon"],
      { cwd: "/" },
    );
    assertStringIncludes(stdout, "job_env = (not shown)");
    assertStringIncludes(stderr, "grace: must be a duration");
    assertEquals((stdout + stderr).includes("hunter2"), false);
  });
});

describe("runnerlib validate", () => {
  it("exits with 0 if a job can be run, and with 1 otherwise", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const valid = await runMain(["validate", "--job-command", "x"], {
      cwd: path,
    });
    assertEquals([valid.code, valid.stdout], [
      0,
      "The configuration is valid\n",
    ]);
    assertStringIncludes(valid.stderr, "does not exist yet");
    const wrong = await runMain(["validate", "--code-dir", "/x"], {
      cwd: path,
    });
    assertEquals([wrong.code, wrong.stdout], [1, ""]);
    assertStringIncludes(wrong.stderr, "code_dir: must be");
    assertStringIncludes(wrong.stderr, "job_command: is required");
  });

  it("checks the directories unless --no-check-files is given", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "job/src": "a file" });
    const args = ["validate", "--job-command", "x"];
    const checked = await runMain(args, { cwd: directory.path });
    assertEquals(checked.code, 1);
    assertStringIncludes(checked.stderr, `src": not a directory`);
    const unchecked = await runMain([...args, "--no-check-files"], {
      cwd: directory.path,
    });
    assertEquals([unchecked.code, unchecked.stderr], [0, ""]);
  });
});

describe("runnerlib checkout, copy and cleanup", () => {
  it("put code into the code directory, replace it, and remove it again", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const repository = await makeRepository(`${path}/repository`);
    await repository.commit({ "file": "first" });
    await repository.git("tag", "v1");
    await repository.commit({ "file": "second" });
    await makeFiles(path, { "plain/file": "copied", "job/mine": "kept" });
    const file = () => Deno.readTextFile(`${path}/job/src/file`);
    const options = { cwd: path };

    const checkout = await runMain(
      ["checkout", "repository", "-r", "v1"],
      options,
    );
    assertEquals(
      [checkout.code, checkout.stdout],
      [0, `${path}/job/src\n`],
      checkout.stderr,
    );
    assertEquals(await file(), "first");
    await runMain(["checkout", "repository"], options);
    assertEquals(await file(), "second");
    const copy = await runMain(["copy", "plain"], options);
    assertEquals(copy.code, 0, copy.stderr);
    assertEquals(await listFiles(`${path}/job/src`), { "file": "copied" });

    const cleanup = await runMain(["cleanup", "-v"], options);
    assertEquals(
      [cleanup.code, cleanup.stdout],
      [0, `${path}/job/src\n`],
      cleanup.stderr,
    );
    assertEquals(await listFiles(`${path}/job`), { "mine": "kept" });
    const again = await runMain(["cleanup", "-v"], options);
    assertEquals([again.code, again.stdout], [0, ""]);
  });

  it("unpack archives, copy parts and remove the read-only CI source", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "plain/file": "text",
      "plain/file.o": "",
      "plain/closed/file": "",
    });
    await Deno.chmod(`${path}/plain/closed`, 0o555);
    await runTool(path, "tar", "-czf", "a.tar.gz", "plain");
    const options = { cwd: path };
    const expected = { "closed/": "", "closed/file": "", "file": "text" };

    const unpacked = await runMain(
      [
        ...["checkout", "a.tar.gz", "--source-type", "tarball"],
        "--archive-strip-top",
      ],
      options,
    );
    assertEquals(unpacked.code, 0, unpacked.stderr);
    assertEquals(await listFiles(`${path}/job/src`), {
      ...expected,
      "file.o": "",
    });
    const copied = await runMain(
      ["copy", "plain", "--copy-ignore=*.o"],
      options,
    );
    assertEquals(copied.code, 0, copied.stderr);
    assertEquals(await listFiles(`${path}/job/src`), expected);
    const refused = await runMain(
      ["checkout", "a.tar.gz", "--source-type", "cvs"],
      options,
    );
    assertEquals(refused.code, 2);

    for (let round = 0; round < 2; round++) {
      const { code, stderr } = await runMain([
        ...["run", "--ci-source-type=copy", "--ci-source-url=plain"],
        ...["--source-type=tarball", "--source-url=a.tar.gz"],
        ...["--job-command", "cat plain/file ../ci/file"],
      ], options);
      assertEquals(code, 0, stderr);
    }
    assertEquals((await runMain(["cleanup"], options)).code, 0);
    assertEquals(await exists(`${path}/job`), false);
  });

  it("never touch the user's own directory", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "job/src/mine": "work", "plain/file": "" });
    const { code, stderr } = await runMain(["copy", "plain"], { cwd: path });
    assertEquals(code, 1);
    assertStringIncludes(stderr, "not empty");
    assertEquals((await runMain(["cleanup"], { cwd: path })).code, 0);
    assertEquals(await exists(`${path}/job/src/mine`), true);
  });

  it("require missing arguments", async () => {
    for (const name of ["checkout", "copy"]) {
      const { code, stderr } = await runMain([name], { cwd: "/" });
      assertEquals(code, 2);
      assertStringIncludes(stderr, "A source is required");
    }
  });
});

Deno.test({
  name: "commands name a directory that they cannot create",
  // Not even root can create a directory in /proc, which other systems lack.
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job.yaml": "name: deploy\ncommand: ./deploy.sh\n",
      ".reactorcide/workflows/ci.yaml":
        "name: ci\non: { events: push }\njobs: { a: { command: x } }\n",
    });
    for (
      const args of [
        ["output", "set", "a=b"],
        ["trigger", `${path}/job.yaml`],
        [
          ...["eval", "--event-type", "push", "--branch", "main"],
          ...["--ci-source-dir", path, "--source-dir", path],
        ],
      ]
    ) {
      const { code, stderr } = await runMain(args, { cwd: "/proc" });
      assertEquals(code, 1);
      assertStringIncludes(stderr, 'error: Cannot create "/proc/job": ');
    }
  },
});
