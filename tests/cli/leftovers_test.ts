import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runTool } from "../helpers/archives.ts";
import { type CliResult, runCli } from "../helpers/cli.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  exists,
  listFiles,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const WORKFLOW = "name: p\njobs:\n  a: { command: 'true' }\n";

async function run(cwd: string, ...args: string[]): Promise<string> {
  return checked(await runMain(args, { cwd }));
}

/** Runs the program in a separate process, as a separate run. */
async function runProgram(cwd: string, ...args: string[]): Promise<string> {
  return checked(await runCli(args, { cwd }));
}

function checked({ code, stdout, stderr }: CliResult): string {
  assertEquals(code, 0, stderr);
  return stdout;
}

/** Returns the files that `git add --all` would add. */
async function untracked(path: string): Promise<string[]> {
  const text = await runTool(
    path,
    ...["git", "ls-files", "--others", "--exclude-standard"],
  );
  return text.split("\n").filter(Boolean).sort();
}

async function namesIn(path: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(path));
  return entries.map(({ name }) => name).sort();
}

describe("what runs leave", () => {
  it("is ignored by git and removed by cleanup, unlike files of the user", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await runTool(path, "git", "init", "--quiet");
    const own = {
      ".reactorcide/jobs/b.yaml": "command: 'true'\n",
      "job.yaml": "steps: [{ name: one, run: echo 1 > ../mine }]\n",
      "wf.yaml": WORKFLOW,
    };
    await makeFiles(path, own);
    await run(path, "workflow", "run", "wf.yaml");
    await run(path, "run", "--job-file", "job.yaml", "--job-dir", "/job/x");
    await run(path, "copy", ".");
    assertEquals(await untracked(path), Object.keys(own));
    await runTool(path, "git", "add", "--all");

    await Deno.remove(`${path}/job/mine`);
    await Deno.remove(`${path}/job/x`);
    const removed = await run(path, "cleanup", "--verbose");
    assertStringIncludes(removed, `${path}/.reactorcide/workflow\n`);
    assertEquals(await namesIn(path), [
      ...[".git", ".reactorcide", "job.yaml", "wf.yaml"],
    ]);
    assertEquals(await namesIn(`${path}/.reactorcide`), ["jobs"]);
    assertEquals(await run(path, "cleanup", "--verbose"), "");
  });

  it("is not ignored where tools would skip code that a run copies", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "code/file": "" });
    await run(path, "copy", "code");
    assertEquals(await exists(`${path}/job/.gitignore`), false);
    await runTool(path, "git", "init", "--quiet");
    await run(path, "copy", "code");
    assertEquals(await untracked(path), ["code/file"]);
  });

  it("is not copied again, wherever earlier runs left it", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const service = `${path}/services/a`;
    await makeFiles(path, {
      "services/a/wf.yaml": WORKFLOW,
      "services/a/.reactorcide/workflows/c.yaml": WORKFLOW,
      "services/b/job/user": "a directory that is called job",
    });
    for (const cwd of [service, path]) {
      await run(service, "workflow", "run", "wf.yaml");
      await run(cwd, "copy", ".");
    }
    const copied = Object.keys(await listFiles(`${path}/job/src`));
    assertEquals(
      copied.filter((name) => !name.endsWith("/")).filter((name) =>
        !name.includes("/.reactorcide/")
      ),
      ["services/a/wf.yaml", "services/b/job/user"],
    );
    assertEquals(copied.some((name) => name.includes("workflow/")), false);
    assertEquals(
      copied.includes("services/a/.reactorcide/workflows/c.yaml"),
      true,
    );
  });

  it("follows no link and replaces no file of the user", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await runTool(path, "git", "init", "--quiet");
    await makeFiles(path, {
      "victim/file": "precious",
      "job/.gitignore": "*.o\n",
      "job/.reactorcide/.gitignore": "-> ../../victim/created",
      ".reactorcide/.gitignore": "-> ../victim/created",
      ".reactorcide/workflow": "-> ../victim",
      "wf.yaml": WORKFLOW,
      "code/file": "",
    });
    await run(path, "copy", "code");
    await run(path, "cleanup");
    assertEquals(await listFiles(`${path}/victim`), { "file": "precious" });
    assertEquals(await exists(`${path}/.reactorcide/workflow`), false);
    await run(path, "workflow", "run", "wf.yaml");
    await run(path, "cleanup");
    assertEquals(await listFiles(`${path}/victim`), { "file": "precious" });
    assertEquals(
      await Deno.readTextFile(`${path}/job/.gitignore`),
      "*.o\n",
    );
  });
});

describe("the logs of steps", () => {
  it("are those of the last run", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    for (const name of ["old", "new"]) {
      await makeFiles(path, {
        [`${name}.yaml`]: `steps: [{ name: ${name}, run: echo ${name} }]\n`,
      });
      await runProgram(path, "run", "--job-file", `${name}.yaml`);
      assertEquals(await namesIn(`${path}/job/artifacts/logs`), [
        `${name}.log`,
      ]);
    }
  });

  it("leave alone a directory of logs that the user created", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job/artifacts/logs/mine.log": "kept",
      "job.yaml": "steps: [{ name: one, run: 'true' }]\n",
    });
    for (let count = 0; count < 2; count++) {
      await run(path, "run", "--job-file", "job.yaml");
    }
    const names = await namesIn(`${path}/job/artifacts/logs`);
    assertEquals(names, ["mine.log", "one.log"]);
  });
});

describe("REACTORCIDE_JOB_DIR and REACTORCIDE_CODE_DIR", () => {
  const print =
    'for d in "$REACTORCIDE_JOB_DIR" ${REACTORCIDE_CODE_DIR+"$REACTORCIDE_CODE_DIR"}; do (cd "$d" && pwd); done';

  it("are directories in which a job can work", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "code/file": "" });
    for (
      const [args, expected] of [
        [[], `${path}\n${path}\n`],
        [["--job-dir", "/job/x"], `${path}/job/x\n`],
        [
          ["--source-type", "copy", "--source-url", "code"],
          `${path}/job/src\n`.repeat(2),
        ],
      ] as const
    ) {
      const stdout = await run(path, "run", ...args, "--job-command", print);
      assertEquals(stdout, expected);
    }
  });

  it("do not move a runner in a job away from the directory of the job", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const nested = "runnerlib run --job-command pwd 2>/dev/null";
    assertEquals(
      await runProgram(path, "run", "--job-command", nested),
      `${path}\n`,
    );
  });
});
