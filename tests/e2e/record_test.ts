import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readRecord, type RunRecord } from "../../src/report/run_record.ts";
import { pathExistsSync } from "../../src/fs/files.ts";
import { UsageMeter } from "../../src/process/usage.ts";
import { REPORT_FORMATS } from "../../src/options/options.ts";
import { startCli } from "../helpers/cli.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import { endProcess } from "../helpers/process_table.ts";
import { runMain } from "../helpers/run_main.ts";
import { readOutput } from "../helpers/running.ts";
import { until } from "../helpers/soon.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const JOB = `
concurrency: 1
failure_policy: continue
steps:
  - name: build
    run: echo version=7 >> "$REACTORCIDE_OUTPUT"
  - name: test
    matrix: { n: [one, two] }
    depends_on: [build]
    run: echo $n
  - name: flaky
    retry: { attempts: 2, delay: 0 }
    run: test -e tried || { touch tried; exit 3; }
  - name: broken
    run: echo the end is s3cret-word; exit 9
  - name: after
    depends_on: [broken]
    run: "true"
`;

const RECORD = "job/artifacts/run.jsonl";

async function recordAt(path: string): Promise<RunRecord> {
  const record = readRecord(await Deno.readTextFile(path));
  assert(record !== undefined, "no record");
  return record;
}

describe("the record of a run", () => {
  it("describes each step, and prints the same table again", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "job.yaml": JOB });
    const run = await runMain(["run", "--job-file", "job.yaml"], {
      cwd,
      env: { REACTORCIDE_SECRET_VALUES_LIST: "s3cret-word" },
    });
    assertEquals(run.code, 9);
    const text = await Deno.readTextFile(`${cwd}/${RECORD}`);
    assertEquals(text.includes("s3cret-word"), false);
    const record = await recordAt(`${cwd}/${RECORD}`);
    assertEquals(
      record.steps.map(({ name, group, outcome, attempts, exitCode }) =>
        [name, group, outcome, attempts.length, exitCode].join(" ")
      ),
      [
        "build build success 1 0",
        "test (one) test success 1 0",
        "test (two) test success 1 0",
        "flaky flaky success 2 0",
        "broken broken failed 1 9",
        "after after skipped 0 ",
      ],
    );
    const [build, , second, flaky, broken] = record.steps;
    assertEquals(build.outputs, ["version"]);
    assertEquals(build.log, "job/artifacts/logs/build.log");
    assertEquals(build.logBytes, 0);
    assertEquals(broken.logBytes, "the end is [REDACTED]\n".length);
    assertEquals(broken.tail, ["the end is [REDACTED]"]);
    assertEquals(text.match(/"flaky":true/g)?.length, 1);
    assertEquals(flaky.attempts.map((one) => one.exitCode), [3, 0]);
    assert(flaky.attempts[0].startMs < flaky.attempts[1].startMs);
    assert(second.queuedMs! < second.startMs!);
    assertEquals(record.ended?.status, "failed");
    assertEquals(record.ended?.exitCode, 9);

    const { stdout, code } = await runMain(["report"], { cwd });
    assertEquals(code, 0);
    const lines = stdout.trimEnd().split("\n");
    const table = lines.slice(0, -2).join("\n");
    const [, printed] = run.stderr.split(/\n\n(✓[^]*?)\n(?=\[job\])/);
    assertEquals(printed, table);
    assertMatch(table, /\n {2}rerun: runnerlib run .*--only broken$/);
    assertMatch(lines.at(-1)!, /^failed in \d+\.\ds, 1 flaky$/);
  });

  it("has the configuration, the source and the names of secrets", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const repository = await makeRepository(`${cwd}/repo`);
    const commit = await repository.commit({ "a.txt": "hello" });
    const url = `file://user:hunter22@localhost${cwd}/repo`;
    await makeFiles(cwd, {
      "job.yaml": `
environment: { DB_PASSWORD: correct-horse, PLAIN: other-value }
secret_env_names: [DB_PASSWORD]
steps: [{ name: a, run: cat a.txt }]
`,
    });
    const run = await runMain([
      "run",
      "--job-file=job.yaml",
      "--source-type=git",
      `--source-url=file://${cwd}/repo`,
      "--source-ref=main",
      "--secret-values-list=listed-value",
      "--timeout=90s",
    ], { cwd, env: { REACTORCIDE_HEAD_URL: url, REACTORCIDE_SHA: commit } });
    assertEquals(run.code, 0, run.stderr);
    const text = await Deno.readTextFile(`${cwd}/${RECORD}`);
    for (const secret of ["correct-horse", "listed-value", "hunter22"]) {
      assertEquals(text.includes(secret), false, secret);
    }
    const { started, options, sources, secrets } = await recordAt(
      `${cwd}/${RECORD}`,
    );
    assertEquals(started.repository, `file://${cwd}/repo`);
    assertEquals([started.ref, started.commit], ["main", commit]);
    const shown = Object.fromEntries(
      options.map(({ name, value, origin }) => [name, `${value} (${origin})`]),
    );
    assertEquals(shown.timeout, "90s (--timeout)");
    assertEquals(shown.job_env, "DB_PASSWORD, PLAIN (job.yaml)");
    assertEquals(
      shown.secret_values_list,
      "(not shown) (--secret-values-list)",
    );
    assertEquals("grace" in shown, false);
    const [source] = sources;
    assertEquals([source.type, source.ref, source.commit], [
      "git",
      "main",
      commit,
    ]);
    assert(source.bytes! > 0);
    assertEquals(source.stages?.map(({ name }) => name), [
      "init",
      "fetch",
      "checkout",
    ]);
    for (const { startMs, durationMs } of source.stages!) {
      assert(startMs >= source.startMs);
      assert(startMs + durationMs <= source.startMs + source.durationMs + 0.01);
    }
    assert(secrets.some(({ name }) => name === "DB_PASSWORD"));
  });

  it("has the sizes of archives and copies, and sources that were kept", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "code/a.txt": "12345", "code/b/c.txt": "678" });
    await readOutput(`tar -C ${cwd}/code -czf ${cwd}/code.tgz .`);
    for (
      const [type, url, stages, bytes] of [
        ["copy", "code", [], 8],
        [
          "tarball",
          "code.tgz",
          ["unpack"],
          (await Deno.stat(`${cwd}/code.tgz`)).size,
        ],
      ] as const
    ) {
      const { code, stderr } = await runMain([
        "run",
        `--source-type=${type}`,
        `--source-url=./${url}`,
        "--job-command=cat a.txt",
      ], { cwd });
      assertEquals(code, 0, stderr);
      const { sources: [source] } = await recordAt(`${cwd}/${RECORD}`);
      assertEquals([source.type, source.bytes], [type, bytes]);
      assertEquals((source.stages ?? []).map(({ name }) => name), [...stages]);
    }
  });

  it("has the access that a plugin was denied", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "job.yaml": "steps: [{ name: a, run: 'true' }]\n",
      "plugins/plugin_spy.ts": `export default {
  name: "spy",
  errorPolicy: "continue",
  async preExecution(context) {
    context.metric("tries", 2);
    await Deno.readTextFile("/etc/hostname");
  },
};
`,
    });
    const { stderr } = await runMain(
      ["run", "--job-file=job.yaml", "--plugin-dir=plugins"],
      { cwd },
    );
    const record = await recordAt(`${cwd}/${RECORD}`);
    const spy = record.plugins.find(({ error }) => error !== undefined);
    assertEquals(spy?.denied, ["read /etc/hostname"], stderr);
    assertEquals(record.metrics.map(({ name, value }) => [name, value]), [
      ["tries", 2],
    ]);
  });

  it("has the memory and the CPU time of a step that takes a while", async () => {
    if (Deno.build.os !== "linux") return;
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "job.yaml": `
steps:
  - name: busy
    run: "touch ${cwd}/begun; while [ ! -e ${cwd}/go ]; do :; done"
`,
    });
    const running = runMain(["run", "--job-file=job.yaml"], { cwd });
    await until(() => pathExistsSync(`${cwd}/begun`), "the step");
    {
      // It begins later, so the other one has measured before it.
      using group = new UsageMeter().open();
      using _ = group.add(Deno.pid);
      await until(() => group.usage.cpuMs !== undefined, "a measurement");
    }
    await makeFiles(cwd, { go: "" });
    assertEquals((await running).code, 0);
    const { steps: [{ attempts: [attempt] }] } = await recordAt(
      `${cwd}/${RECORD}`,
    );
    assert(attempt.cpuMs! >= 0, JSON.stringify(attempt));
    assert(attempt.peakMemoryBytes! >= 100_000, JSON.stringify(attempt));
  });

  it("is not written by a command in the user's own directory, unless requested", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const command = ["run", "--job-command", "exit 3"];
    await runMain(command, { cwd });
    assertEquals(await Array.fromAsync(Deno.readDir(cwd)), []);
    await runMain([...command, "--record", "out/run.jsonl"], { cwd });
    const { steps, ended } = await recordAt(`${cwd}/out/run.jsonl`);
    assertEquals(steps.map(({ exitCode }) => exitCode), [3]);
    assertEquals(ended?.exitCode, 3);
  });

  it("replaces no directory, not even an empty one", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await Deno.mkdir(`${cwd}/records`);
    const { code, stderr } = await runMain(
      ["run", "--job-command", "true", "--record", "records"],
      { cwd },
    );
    assertEquals(code, 0);
    assertMatch(
      stderr,
      /Cannot write the run record "[^"]*\/records": is a directory/,
    );
    assertEquals((await Deno.stat(`${cwd}/records`)).isDirectory, true);
  });

  it("can be turned off", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "job.yaml": "steps: [{ name: a, run: 'true' }]\n" });
    await runMain(["run", "--job-file", "job.yaml", "--record", "off"], {
      cwd,
    });
    const files = await Array.fromAsync(Deno.readDir(`${cwd}/job/artifacts`));
    assertEquals(files.map(({ name }) => name).includes("run.jsonl"), false);
  });

  it("can be read during the run, and after the runner was killed", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "job.yaml": `
concurrency: 1
steps:
  - { name: done, run: "true" }
  - name: endless
    run: echo $$ > pid; echo running; exec sleep 1000
  - { name: later, depends_on: [endless], run: "true" }
`,
    });
    const running = await startCli(["run", "--job-file", "job.yaml"], { cwd });
    await running.sees("running");
    // It outlives the runner that is killed.
    const pid = Number(await Deno.readTextFile(`${cwd}/pid`));
    using cleanup = new DisposableStack();
    cleanup.defer(() => endProcess(pid));
    const reportOf = async (...args: string[]) =>
      (await runMain(["report", ...args], { cwd })).stdout;
    const live = await reportOf();
    assertMatch(live, /✓ done +success/);
    assertMatch(live, /▸ endless +running +\d/);
    assertMatch(live, /· later +waiting +–/);
    assertMatch(live, /^running in /m);
    assertEquals(
      JSON.parse(await reportOf("--format", "json")).status,
      "running",
    );
    assertMatch(
      await reportOf("--format", "markdown"),
      /^## ▸ .*: running in /,
    );
    assertMatch(
      await reportOf("--format", "junit"),
      /<skipped message="running">/,
    );
    assertEquals((await reportOf("--format", "prometheus")).trim(), "");
    const [traces] = (await reportOf("--format", "otlp")).split("\n");
    const { spans } = JSON.parse(traces).resourceSpans[0].scopeSpans[0];
    assertEquals(spans.map(({ name }: { name: string }) => name), ["done"]);
    assertMatch(await reportOf(RECORD, RECORD), /^total: .*, running$/m);
    running.child.kill("SIGKILL");
    await running.end();
    const stdout = await reportOf();
    assertMatch(stdout, /✓ done +success/);
    assertMatch(stdout, /– endless +cancelled .*the record ends while it runs/);
    assertMatch(stdout, /^interrupted in /m);
  });

  it("is reported in one message if it cannot be read", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "other.txt": "hello\n", "empty": "", "dir/": "" });
    for (
      const [file, reason] of Object.entries({
        "missing.jsonl": "no such file",
        "other.txt": "it is not a run record",
        "empty": "it is not a run record",
        "dir": "",
      })
    ) {
      const { code, stderr } = await runMain(["report", file], { cwd });
      assertEquals(code, 1);
      assert(
        stderr.includes(`Cannot read the run record "${file}": ${reason}`),
        stderr,
      );
    }
    const { code, stderr } = await runMain(["report", "--format", "pdf"], {
      cwd,
    });
    assertEquals(code, 2);
    assertMatch(stderr, /Option --format must be "table", "json", .*, not "/);
  });
});

describe("the profile of a run", () => {
  it("is printed at its end, and from its record", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "job.yaml": "steps: [{ name: only, run: sleep 0.2 }]",
    });
    const run = await runMain(["run", "--job-file=job.yaml", "--profile"], {
      cwd,
    });
    assertEquals(run.code, 0, run.stderr);
    assertMatch(
      run.stderr,
      /^total .*: steps .*\n\ncritical path, .*\n.* only$/m,
    );
    const report = await runMain(["report", "--format", "profile"], { cwd });
    assert(run.stderr.endsWith(`\n${report.stdout}`), run.stderr);
    // It needs no record.
    const command = await runMain(["run", "--profile", "--", "true"], { cwd });
    assertMatch(command.stderr, /^total .*\n\ncritical path, .*\n.* command$/m);
  });
});

describe("the comparison of two runs", () => {
  it("shows what changed", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const step = (name: string, run: string) =>
      `  - name: ${name}\n    run: ${run}\n`;
    await makeFiles(cwd, {
      "a.yaml": `failure_policy: continue\nsteps:\n${step("same", "'true'")}${
        step("flips", "'true'")
      }${step("old", "'true'")}`,
      "b.yaml": `failure_policy: continue\nsteps:\n${step("same", "'true'")}${
        step("flips", "exit 4")
      }${step("new", "'true'")}`,
    });
    for (const name of ["a", "b"]) {
      await runMain(
        ["run", `--job-file=${name}.yaml`, `--record=${name}.jsonl`],
        { cwd },
      );
    }
    const { stdout, code } = await runMain(["report", "a.jsonl", "b.jsonl"], {
      cwd,
    });
    assertEquals(code, 0);
    assertMatch(stdout, /^total: .* → .* \([+−±]\d.*\), success → failed$/m);
    assertMatch(
      stdout,
      /\nChanged results:\n {2}flips {2}success → exit code 4\n/,
    );
    assertMatch(stdout, /\nNew steps:\n {2}new {2}success, /);
    assertMatch(stdout, /\nMissing steps:\n {2}old {2}success, /);
    // A slow machine may change the time of any step, but not its result.
    const [results] = stdout.split("\nChanged times:");
    assertEquals(results.includes("same"), false);
    const page = await runMain(
      ["report", "a.jsonl", "b.jsonl", "--format=html"],
      { cwd },
    );
    assertEquals(comparisonOf(page.stdout), [
      ["Whole run", "success → failed"],
      ["flips", "success → ✗exit code 4"],
      ["new", "new"],
      ["old", "gone"],
    ]);
    const other = await runMain(
      ["report", "a.jsonl", "b.jsonl", "--format=junit"],
      { cwd },
    );
    assertEquals(other.code, 2);
  });

  it("is in the page of a run of the same job", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const reportOf = async (job: string, ...args: string[]) => {
      await makeFiles(cwd, { "job.yaml": job });
      const { stderr } = await runMain(
        ["run", "--job-file=job.yaml", "--report=html", ...args],
        { cwd, env: { REACTORCIDE_SECRET_VALUES_LIST: "old-s3cret" } },
      );
      const page = await Deno.readTextFile(`${cwd}/job/artifacts/report.html`);
      return { page, stderr };
    };
    const first = await reportOf(
      "steps: [{ name: a, run: 'true' }, { name: b, run: 'true' }]",
      "--record=first.jsonl",
    );
    assertEquals(comparisonOf(first.page), []);
    const other = await reportOf("steps: [{ name: x, run: 'true' }]");
    assertEquals(comparisonOf(other.page), []);
    const flips = "steps: [{ name: a, run: exit 3 }]";
    assertEquals(comparisonOf((await reportOf(flips)).page), []);
    // It replaces the record of the same steps.
    assertEquals(comparisonOf((await reportOf(flips)).page), [
      ["Whole run", ""],
    ]);
    // Another job had the secret in a name, which it did not know.
    const record = await Deno.readTextFile(`${cwd}/first.jsonl`);
    await Deno.writeTextFile(
      `${cwd}/first.jsonl`,
      record.replaceAll('"b"', '"b old-s3cret"'),
    );
    const chosen = await reportOf(flips, "--compare-with=first.jsonl");
    assertEquals(comparisonOf(chosen.page), [
      ["Whole run", "success → failed"],
      ["a", "success → ✗exit code 3"],
      ["b [REDACTED]", "gone"],
    ]);
    const missing = await reportOf(flips, "--compare-with=none.jsonl");
    assertEquals(comparisonOf(missing.page), []);
    assertMatch(missing.stderr, /Cannot compare with "none.jsonl": /);
  });
});

/** Returns names and changes of a page's comparison, without mere times. */
function comparisonOf(page: string): [name: string, change: string][] {
  const [, table = ""] = page.split('<table class="comparison">');
  const [, body = ""] = table.split("</table>")[0].split("<tbody>");
  return Array.from(
    body.matchAll(/<th scope="row">(.*?)<\/th>\s*<td>(.*?)<\/td>/gs),
    ([, name, change]): [string, string] => [
      name,
      change.replace(/<[^>]*>/g, ""),
    ],
  ).filter(([name, change]) =>
    name !== "Critical path" && change !== "slower" && change !== "faster"
  );
}

describe("reports on a run", () => {
  it("are written to the requested paths", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "job.yaml": JOB });
    const { code } = await runMain([
      "run",
      "--job-file=job.yaml",
      "--report=junit=out/results.xml",
      "--report=markdown",
    ], { cwd, env: { REACTORCIDE_SECRET_VALUES_LIST: "s3cret-word" } });
    assertEquals(code, 9);
    const xml = await Deno.readTextFile(`${cwd}/out/results.xml`);
    assertMatch(xml, /<testcase name="broken"/);
    const markdown = await Deno.readTextFile(`${cwd}/job/artifacts/report.md`);
    assertMatch(markdown, /the end is \[REDACTED\]/);
  });

  it("can be read by the user alone if they have lines of output", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { "job.yaml": JOB });
    await runMain([
      "run",
      "--job-file=job.yaml",
      ...REPORT_FORMATS.map((format) => `--report=${format}=out/${format}`),
    ], { cwd });
    const modes = await Promise.all(REPORT_FORMATS.map(async (format) => {
      const { mode } = await Deno.stat(`${cwd}/out/${format}`);
      const text = await Deno.readTextFile(`${cwd}/out/${format}`);
      return [format, mode! & 0o777, text.includes("the end is")] as const;
    }));
    const record = await Deno.stat(`${cwd}/job/artifacts/run.jsonl`);
    assertEquals(record.mode! & 0o777, 0o600);
    assertEquals(
      modes.filter(([, mode]) => mode !== 0o600),
      [
        // A collector of another user reads these.
        ["perfetto", 0o644, false],
        ["prometheus", 0o644, false],
        ["otlp", 0o644, false],
        ["profile", 0o644, false],
      ],
    );
  });

  it("can be set in a job file", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "job.yaml": "report: [json]\nsteps: [{ name: a, run: 'true' }]\n",
    });
    await runMain(["run", "--job-file=job.yaml"], { cwd });
    const text = await Deno.readTextFile(`${cwd}/job/artifacts/report.json`);
    assertEquals(JSON.parse(text).status, "success");
  });

  it("are refused by name", async () => {
    await using directory = await temporaryDirectory();
    const { code, stderr } = await runMain(
      ["run", "--job-command=true", "--report=pdf"],
      { cwd: directory.path },
    );
    assertEquals(code, 1);
    assertMatch(stderr, /report: must be table, json, .*, not "pdf"/);
  });

  it("do not fail a run that cannot write them", async () => {
    await using directory = await temporaryDirectory();
    const { code, stderr } = await runMain(
      ["run", "--job-command=true", "--report=json=/dev/null/x.json"],
      { cwd: directory.path },
    );
    assertEquals(code, 0);
    assertMatch(stderr, /Cannot write the report "\/dev\/null\/x\.json": /);
  });
});
