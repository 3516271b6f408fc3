import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CLI, runCli, type RunningCli, startCli } from "../helpers/cli.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import { waitForExit } from "../helpers/process_table.ts";
import { soon, until } from "../helpers/soon.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { openTmux } from "../helpers/tmux.ts";

const JOB = `steps:
  - name: show
    run: echo "run $(cat src/a.txt)"; date +%N > out.txt
`;

/** A watch and the number of its runs. */
interface Watch extends AsyncDisposable {
  readonly cli: RunningCli;
  readonly path: string;
  /** Waits until a number of runs have ended, and the watch waits. */
  waits(count: number): Promise<void>;
  /** Changes a file like an editor. */
  save(file: string, text: string): Promise<void>;
}

async function watch(
  files: Readonly<Record<string, string>>,
  args: readonly string[] = ["run"],
  isRepository = true,
): Promise<Watch> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  if (isRepository) await makeRepository(path);
  await makeFiles(path, files);
  const cli = stack.use(startCli([...args, "--watch"], { cwd: path }));
  const resources = stack.move();
  return {
    cli,
    path,
    waits: (count) =>
      until(
        () => cli.stderr.split("waiting for changes\n").length > count,
        `run ${count}`,
      ),
    async save(file, text) {
      await Deno.writeTextFile(`${path}/${file}.tmp~`, text);
      await Deno.rename(`${path}/${file}.tmp~`, `${path}/${file}`);
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function interrupt(
  { cli }: Watch,
  signal: Deno.Signal = "SIGINT",
): Promise<{ code: number; stdout: string; stderr: string }> {
  cli.child.kill(signal);
  return await soon(cli.end(), "the end of the watch");
}

describe("run --watch", () => {
  for (const isRepository of [true, false]) {
    const where = isRepository ? "in a repository" : "without a repository";
    it(`runs again after a change, but not for what the run writes, ${where}`, async () => {
      await using test = await watch(
        { "job.yaml": JOB, "src/a.txt": "1" },
        ["run"],
        isRepository,
      );
      await test.waits(1);
      await test.save("src/a.txt", "2");
      await test.waits(2);
      // A directory that was not there before.
      await makeFiles(test.path, { "lib/deep/b.txt": "x" });
      await test.waits(3);
      await test.save("lib/deep/b.txt", "y");
      await test.waits(4);
      await Deno.remove(`${test.path}/lib/deep/b.txt`);
      await test.waits(5);
      const { code, stdout, stderr } = await interrupt(test);
      assertEquals(code, 130);
      assertEquals(stdout, "run 1\nrun 2\nrun 2\nrun 2\nrun 2\n");
      assertMatch(stderr, /\[watch\] Changed: src\/a\.txt\n/);
      assertNotMatch(stderr, /out\.txt/);
      assertEquals(stderr.includes("\x1b"), false);
    });
  }

  it("leaves out ignored files, the repository, artifacts and the report", async () => {
    await using test = await watch({
      "job.yaml": JOB,
      "src/a.txt": "1",
      ".gitignore": "node_modules\n*.log\n",
    }, ["run", "--report", "json=report.json", "--record", "record.jsonl"]);
    await test.waits(1);
    await makeFiles(test.path, {
      "node_modules/x/y.js": "",
      "src/debug.log": "",
      ".git/note": "",
      "job/artifacts/note": "",
      "src/.a.txt.swp": "",
      "report.json": "{}",
      "record.jsonl": "",
    });
    await test.save("src/a.txt", "2");
    await test.waits(2);
    const { stderr } = await interrupt(test);
    assertEquals(stderr.match(/Changed: .*/g), ["Changed: src/a.txt"]);
  });

  it("runs once for a burst of changes", async () => {
    await using test = await watch({ "job.yaml": JOB, "src/a.txt": "1" });
    await test.waits(1);
    for (let count = 0; count < 300; count++) {
      await Deno.writeTextFile(`${test.path}/src/${count}.txt`, "x");
    }
    await test.waits(2);
    const { stderr } = await interrupt(test);
    assertEquals(
      stderr.match(/Changed: .*/g)?.length,
      1,
      stderr,
    );
    assertMatch(stderr, /and 297 more/);
  });

  it("ends the whole process tree of a running step, then runs again", async () => {
    await using test = await watch({
      "job.yaml": `steps:
  - name: hold
    run: |
      setsid sleep 1000 & echo "left=$!"
      trap 'echo ended; exit 1' TERM
      echo "run $(cat src/a.txt)"
      sleep 1000 & wait
`,
      "src/a.txt": "1",
    }, ["run", "--grace", "1s"]);
    await test.cli.sees("run 1");
    const [, pid] = /left=(\d+)/.exec(test.cli.stdout)!;
    await test.save("src/a.txt", "2");
    await test.cli.sees("run 2");
    assertMatch(test.cli.stdout, /ended[^]*run 2/);
    await waitForExit(Number(pid));
    const last = Number(/left=(\d+)[^]*left=(\d+)/.exec(test.cli.stdout)![2]);
    const { code } = await interrupt(test, "SIGTERM");
    assertEquals(code, 143);
    await waitForExit(last);
  });

  it("continues after the job file was invalid for a moment", async () => {
    await using test = await watch({ "job.yaml": JOB, "src/a.txt": "1" });
    await test.waits(1);
    await test.save("job.yaml", "steps: [");
    await test.waits(2);
    assertMatch(test.cli.stderr, /Exit code 1; waiting/);
    await test.save("job.yaml", JOB.replace("echo", "echo repaired"));
    await test.waits(3);
    assertMatch((await interrupt(test)).stdout, /repaired run 1/);
  });

  it("ignores a file that every run changes", async () => {
    await using test = await watch({
      "job.yaml": `steps:
  - name: stamp
    run: date +%N > stamp.txt; sleep 1
`,
      "stamp.txt": "",
    });
    await test.waits(1);
    const { stderr } = await interrupt(test);
    assertMatch(stderr, /stamp\.txt" has changed in 4 runs in a row/);
    assertEquals(stderr.match(/Changed: stamp\.txt/g)?.length, 3);
  });
});

describe("a watch without anything to run", () => {
  it("ends immediately with a usage error", async () => {
    await using directory = await temporaryDirectory();
    for (
      const [args, expected] of [
        [["run", "--watch", "--shell-on-failure"], 2],
        [["run", "--watch"], 1],
        [["workflow", "run", "--watch", "--concurrency", "x", "w.yaml"], 1],
      ] as const
    ) {
      const { code } = await runCli([...args], { cwd: directory.path });
      assertEquals(code, expected, args.join(" "));
    }
    await makeFiles(directory.path, {
      ".reactorcide/workflows/ci.yaml":
        "name: ci\njobs:\n  a:\n    command: echo a\n",
    });
    const { code, stderr } = await runCli(
      ["workflow", "run", "--watch", "--concurrency", "x"],
      { cwd: directory.path },
    );
    assertEquals(code, 2, stderr);
  });
});

describe("workflow run --watch", () => {
  it("runs the jobs again, and ends with the code of the signal", async () => {
    await using test = await watch({
      ".reactorcide/workflows/ci.yaml": `name: ci
jobs:
  a:
    command: echo "job $(cat src/a.txt)"
`,
      "src/a.txt": "1",
    }, ["workflow", "run"]);
    await test.waits(1);
    await test.save("src/a.txt", "2");
    await test.waits(2);
    const { code, stdout, stderr } = await interrupt(test);
    assertEquals(code, 130);
    assertMatch(stdout, /job 1[^]*job 2/);
    assertEquals(stderr.match(/Changed: .*/g), ["Changed: src/a.txt"]);
  });
});

describe("a watch on a terminal", () => {
  if (isProgramMissing("tmux")) return;

  it("clears the screen, and ends with Ctrl-C", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "job.yaml": JOB, "src/a.txt": "1" });
    await using terminal = await openTmux({ cwd: path });
    await terminal.enter(
      `${Deno.execPath()} run -A --no-check ${CLI} run --watch; echo "code=$?"`,
    );
    await terminal.sees(/run 1[^]*waiting for changes/);
    await Deno.writeTextFile(`${path}/src/a.txt`, "2");
    const screen = await terminal.sees(/run 2[^]*waiting for changes/);
    assertNotMatch(screen, /run 1/);
    await terminal.press("C-c");
    await terminal.sees(/code=130/);
  });
});
