import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CLI, type CliResult, runCli, startCli } from "../helpers/cli.ts";
import { endProcess } from "../helpers/process_table.ts";
import {
  exists,
  makeFiles,
  type TemporaryDirectory,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const RUNNERLIB = `${Deno.execPath()} run -A --no-check ${CLI}`;
const BUSY =
  /^\[runnerlib\] error: Cannot use "[^"]*": process \d+ \(\w[\w ]*\) has held its lock since \d{4}-\d\d-\d\dT[\d:.]+Z$/m;

/** A job on a copy of `one` that ends when the file `go` exists. */
const FIRST = [
  ...["run", "--source-type", "copy", "--source-url", "one", "--job-command"],
  'echo started; until [ -e "$HOME/go" ]; do sleep 0.05; done; cat name',
];

async function project(): Promise<TemporaryDirectory> {
  const directory = await temporaryDirectory();
  await makeFiles(directory.path, {
    "one/name": "one",
    "two/name": "two",
    "w.yaml": "name: w\njobs:\n  a:\n    command: |\n" +
      '      echo started; until [ -e "$HOME/go" ]; do sleep 0.05; done\n',
  });
  return directory;
}

function optionsIn({ path }: TemporaryDirectory) {
  return { cwd: path, env: { HOME: path, LOG_LEVEL: "error" } };
}

function assertRefused({ code, stdout, stderr }: CliResult): void {
  assertEquals([code, stdout], [1, ""], stderr);
  assertMatch(stderr, BUSY);
}

describe("a workspace that a job uses", () => {
  const others: [command: string, args: string[]][] = [
    ["run", ["run", "--job-file", "steps.yaml"]],
    ["copy", ["copy", "two"]],
    ["cleanup", ["cleanup"]],
  ];
  it("cannot be used by another run", async () => {
    await using directory = await project();
    const options = optionsIn(directory);
    await makeFiles(directory.path, {
      "steps.yaml": "steps: [{ name: a, run: 'true' }]",
    });
    await using first = startCli(FIRST, options);
    await first.sees("started");
    for (const [, args] of others) {
      assertRefused(await runCli(args, options));
    }
    // It leaves nothing there.
    const command = ["run", "--job-command", "echo free"];
    assertEquals((await runCli(command, options)).stdout, "free\n");
    await makeFiles(directory.path, { go: "" });
    const { code, stdout } = await first.end();
    assertEquals([code, stdout], [0, "started\none"]);
    assertEquals((await runCli(["cleanup"], options)).code, 0);
    assertEquals(await exists(`${directory.path}/job`), false);
  });

  for (const setting of ["option", "variable"]) {
    it(`is waited for with an ${setting}`, async () => {
      await using directory = await project();
      const options = optionsIn(directory);
      await using first = startCli(FIRST, options);
      await first.sees("started");
      await using second = startCli([
        ...["run", "--source-type", "copy", "--source-url", "two"],
        ...setting === "option" ? ["--wait"] : [],
        ...["--job-command", "cat name"],
      ], {
        cwd: directory.path,
        env: setting === "option" ? {} : { REACTORCIDE_WAIT: "true" },
      });
      await makeFiles(directory.path, { go: "" });
      assertEquals((await first.end()).stdout, "started\none");
      const { code, stdout, stderr } = await second.end();
      assertEquals([code, stdout], [0, "two"], stderr);
    });
  }

  it("can be waited for, until a signal", async () => {
    await using directory = await project();
    const options = optionsIn(directory);
    await using first = startCli(FIRST, options);
    await first.sees("started");
    await using waiting = startCli(["cleanup", "--wait"], {
      ...options,
      env: { ...options.env, LOG_LEVEL: "info" },
    });
    await waiting.sees("Waiting for ", "stderr");
    waiting.child.kill("SIGTERM");
    const { code, stderr } = await waiting.end();
    assertEquals(code, 143);
    assertMatch(stderr, /Waiting for "[^"]*": process \d+ \(run\)/);
    await makeFiles(directory.path, { go: "" });
    assertEquals((await first.end()).code, 0);
  });

  it("is free after the runner was killed, even if its job left processes", async () => {
    await using directory = await project();
    const options = optionsIn(directory);
    await using first = startCli([
      ...["run", "--source-type", "copy", "--source-url", "one"],
      ...["--job-command", "echo pid $$; exec sleep 1000"],
    ], options);
    await first.sees("pid ");
    await first.sees("\n");
    const pid = Number(/pid (\d+)/.exec(first.stdout)![1]);
    first.child.kill("SIGKILL");
    await first.child.status;
    try {
      const second = await runCli([
        ...["run", "--source-type", "copy", "--source-url", "two"],
        ...["--job-command", "cat name"],
      ], options);
      assertEquals([second.code, second.stdout], [0, "two"], second.stderr);
    } finally {
      await endProcess(pid);
      await first.end();
    }
  });

  it("is shared with runners that the job starts", async () => {
    await using directory = await project();
    const options = optionsIn(directory);
    const { code, stdout, stderr } = await runCli([
      ...["run", "--source-type", "copy", "--source-url", "one"],
      "--job-command",
      `cat name; cd ..; ${RUNNERLIB} copy ../two --code-dir /job/two &&
       ${RUNNERLIB} run --source-type copy --source-url ../two --code-dir /job/three --job-dir /job/three -- cat name &&
       cat two/name src/name`,
    ], options);
    assertEquals(
      [code, stdout.replace(/\/.*\n/, "")],
      [0, "onetwotwoone"],
      stderr,
    );
  });

  it("is not shared by two of them in one directory", async () => {
    await using directory = await project();
    const { path } = directory;
    const nested =
      `${RUNNERLIB} run --source-type copy --code-dir /job/x --job-dir /job/x`;
    const { code, stdout, stderr } = await runCli([
      ...["run", "--source-type", "copy", "--source-url", "one"],
      "--job-command",
      `${nested} --source-url ${path}/one --job-command '
         : > "$HOME/there"; until [ -e "$HOME/go" ]; do sleep 0.05; done; cat name' &
       until [ -e "$HOME/there" ]; do sleep 0.05; done
       ${nested} --source-url ${path}/two --job-command 'cat name'; echo "rc $?"
       : > "$HOME/go"; wait`,
    ], optionsIn(directory));
    assertEquals(code, 0);
    assertEquals(
      stdout.replace(BUSY, "busy").trim(),
      "busy\nrc 1\none",
      stderr,
    );
  });
});

describe("a workflow that runs", () => {
  it("is refused a second time, and waits with an option", async () => {
    await using directory = await project();
    const options = optionsIn(directory);
    const args = ["workflow", "run", "w.yaml"];
    await using first = startCli(args, options);
    await first.sees("started");
    assertRefused(await runCli(args, options));
    assertRefused(
      await runCli(["run", "--job", "a", "--workflow-file", "w.yaml"], options),
    );
    await using second = startCli([...args, "--wait"], options);
    await makeFiles(directory.path, { go: "" });
    assertEquals((await first.end()).code, 0);
    assertEquals((await second.end()).code, 0);
    assert(!await exists(`${directory.path}/.reactorcide/lock`));
  });
});

describe("follow-up jobs that several programs of a job submit concurrently", () => {
  it("are all in the file, without those of an earlier run", async () => {
    await using directory = await temporaryDirectory();
    const names = Array.from({ length: 6 }, (_, at) => `job${at}`);
    await makeFiles(directory.path, {
      "job/triggers.json": "stale",
      ...Object.fromEntries(
        names.map((name) => [
          `${name}.yaml`,
          `name: ${name}\njob: { command: "true" }\n`,
        ]),
      ),
    });
    const { code, stderr } = await runCli([
      ...["run", "--job-command"],
      `for n in ${
        names.join(" ")
      }; do ${RUNNERLIB} trigger $n.yaml & done; wait`,
    ], optionsIn(directory));
    assertEquals(code, 0, stderr);
    const text = await Deno.readTextFile(`${directory.path}/job/triggers.json`);
    const jobs: { job_name: string }[] = JSON.parse(text).jobs;
    assertEquals(jobs.map(({ job_name }) => job_name).sort(), names);
  });
});
