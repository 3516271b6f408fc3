import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CLI, runCli, startCli } from "../helpers/cli.ts";
import {
  endProcess,
  findProcesses,
  waitForExit,
} from "../helpers/process_table.ts";
import { until } from "../helpers/soon.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const JOB = `
name: test-and-build
steps:
  - name: checkout
    run: echo "sha=abc" > "$REACTORCIDE_OUTPUT"
  - name: test
    run: echo "testing $REACTORCIDE_OUTPUT_CHECKOUT_SHA on $os"; [ $os != mac ]
    needs: checkout
    matrix: { os: [linux, mac] }
  - name: build
    run: echo building
    needs: [test]
  - name: report
    run: echo reporting
    needs: [build]
    condition: always
`;

describe("runnerlib run with steps", () => {
  it("runs them as a graph, writes their logs and reports the results", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "job.yaml": JOB });
    const { code, stdout, stderr } = await runCli(
      ["run", "--job-file", "job.yaml", "--concurrency", "1"],
      { cwd: path },
    );
    assertEquals(code, 1);
    assertEquals(
      stdout,
      `test (linux) | testing abc on linux
test (mac)   | testing abc on mac
report       | reporting
`,
    );
    assertMatch(stderr, /✓ checkout +success/);
    assertMatch(stderr, /✗ test \(mac\) +exit code 1/);
    assertMatch(stderr, /– build +skipped/);
    assertStringIncludes(stderr, "  testing abc on mac\n");
    assertStringIncludes(
      stderr,
      '[job] error: Step "test (mac)" ended with exit code 1',
    );
    const logs = await Array.fromAsync(
      Deno.readDir(`${path}/job/artifacts/logs`),
      ({ name }) => name,
    );
    assertEquals(logs.sort(), [
      "checkout.log",
      "report.log",
      "test (linux).log",
      "test (mac).log",
    ]);
  });

  it("prints JSON objects with LOG_FORMAT=json", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job.json": JSON.stringify({
        steps: [{ name: "a", run: "echo out; echo err >&2" }],
      }),
    });
    const { code, stdout } = await runCli(
      ["run", "--job-file", "job.json", "--stderr", "separate"],
      { cwd: directory.path, env: { LOG_FORMAT: "json" } },
    );
    assertEquals(code, 0);
    const { timestamp, trace_id, span_id, ...rest } = JSON.parse(stdout);
    assertEquals(rest, {
      stream: "stdout",
      message: "out",
      step: "a",
      attempt: 1,
    });
    assertMatch(`${trace_id} ${span_id}`, /^[0-9a-f]{32} [0-9a-f]{16}$/);
    assertMatch(timestamp, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it("breaks long lines if a worker reads them", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "job/src/keep": "" });
    const { code, stdout } = await runCli(
      [
        "run",
        "--max-line-bytes",
        "100",
        "--job-command",
        "head -c 250 /dev/zero | tr '\\0' x; echo",
      ],
      { cwd: directory.path },
    );
    assertEquals(code, 0);
    assertEquals(stdout.trimEnd().split("\n").map(({ length }) => length), [
      100,
      100,
      50,
    ]);
  });

  it("refuses a cycle before anything runs, also in validate", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job.yaml":
        "steps:\n- {name: a, run: touch ran, needs: b}\n- {name: b, run: x, needs: a}\n",
    });
    for (const command of ["run", "validate"]) {
      const { code, stdout, stderr } = await runCli(
        [command, "--job-file", "job.yaml"],
        { cwd: directory.path },
      );
      assertEquals([code, stdout], [1, ""]);
      assertStringIncludes(stderr, "waits for itself: a → b → a");
    }
    assertEquals(await Deno.stat(`${directory.path}/ran`).catch(() => 0), 0);
  });

  it("leaves no process behind if it is cancelled while ten steps run", async () => {
    await using directory = await temporaryDirectory();
    const seconds = `${1000 + Math.floor(Math.random() * 1e6)}.5`;
    const sleep = `sleep ${seconds}`;
    const steps = Array.from({ length: 10 }, (_, index) => ({
      name: `s${index}`,
      run: `${sleep} & setsid ${sleep} & ${sleep}`,
    }));
    await makeFiles(directory.path, { "job.json": JSON.stringify({ steps }) });
    await using cli = startCli(
      [
        "run",
        "--job-file",
        "job.json",
        "--concurrency",
        "10",
        "--grace",
        "2s",
      ],
      { cwd: directory.path },
    );
    const sleeping = () =>
      findProcesses(`sleep\0${seconds}`).filter((pid) => pid !== Deno.pid);
    await until(() => sleeping().length >= 30, "thirty sleeping programs");
    const pids = sleeping();
    cli.child.kill("SIGTERM");
    const { code, stderr } = await cli.end();
    assertEquals(code, 143, stderr);
    for (const pid of pids) await waitForExit(pid);
    assertEquals(sleeping(), []);
  });

  it("removes unfinished logs of a killed run, and reports them", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job.yaml": "steps: [{name: a, run: 'echo begun; sleep 1000'}]\n",
      "next.yaml": "steps: [{name: a, run: 'echo done'}]\n",
    });
    await using cli = startCli(["run", "--job-file", "job.yaml"], {
      cwd: path,
    });
    await cli.sees("begun");
    cli.child.kill("SIGKILL");
    await cli.child.status;
    for (const pid of findProcesses("echo begun; sleep 1000")) {
      endProcess(-pid);
    }
    await cli.end();
    const log = `${path}/job/artifacts/logs/a.log`;
    assertEquals(await Deno.stat(log).catch(() => "none"), "none");
    const next = await runCli(["run", "--job-file", "next.yaml"], {
      cwd: path,
    });
    assertEquals(next.code, 0);
    assertStringIncludes(
      next.stderr,
      "An earlier run was killed; removed its unfinished logs: .a.log.partial",
    );
    assertEquals(await Deno.readTextFile(log), "done\n");
    assert(!next.stderr.includes("error"));
  });

  it("does not change the logs of the outer job", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const script = `cd "${path}" && ` +
      `"${Deno.execPath()}" run -A "${CLI}" run --job-file inner.yaml && ` +
      "ls -A job/artifacts/logs";
    await makeFiles(path, {
      "inner.yaml": "steps: [{name: b, run: 'echo inner'}]\n",
      "outer.yaml": JSON.stringify({ steps: [{ name: "a", run: script }] }),
    });
    const { code, stdout, stderr } = await runCli(
      ["run", "--job-file", "outer.yaml"],
      { cwd: path },
    );
    assertEquals([code, stdout], [0, "inner\n.a.log.partial\nb.log\n"], stderr);
    assert(!stderr.includes("An earlier run was killed"), stderr);
  });
});
