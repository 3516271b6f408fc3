import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { pathExists } from "../../src/fs/files.ts";
import { readRecord, type RunRecord } from "../../src/report/run_record.ts";
import { recordLine } from "../helpers/record_lines.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const WORKFLOW = `
name: ship
jobs:
  build:
    steps:
      - { name: compile, run: "echo compiled" }
      - { name: link, run: "echo linked" }
  test:
    depends_on: [build]
    environment: { API_TOKEN: s3cret-word }
    command: echo "it fails of $API_TOKEN"; exit 9
  deploy:
    depends_on: [test]
    command: "true"
`;

const DIRECTORY = ".reactorcide/workflow";

async function recordAt(path: string): Promise<RunRecord> {
  const record = readRecord(await Deno.readTextFile(path));
  assert(record !== undefined, "no record");
  return record;
}

describe("the record of a workflow", () => {
  it("lists its jobs, and refers to their records", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { ".reactorcide/workflows/ship.yaml": WORKFLOW });
    const { code, stderr } = await runMain(["workflow", "run"], { cwd });
    assertEquals(code, 9, stderr);
    const path = `${cwd}/${DIRECTORY}/run.jsonl`;
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    const text = await Deno.readTextFile(path);
    assertEquals(text.includes("s3cret-word"), false);
    const { started, ended, steps } = await recordAt(path);
    assertEquals([started.kind, started.name], ["workflow", "ship"]);
    assertEquals([ended?.status, ended?.exitCode], ["failed", 9]);
    assertEquals(
      steps.map(({ name, dependsOn, outcome, exitCode }) =>
        [name, dependsOn, outcome, exitCode].join(" ")
      ),
      ["build  success 0", "test build failed 9", "deploy test skipped "],
    );
    const [build, test, deploy] = steps;
    assert(test.startMs! >= build.endMs!);
    assertMatch(test.tail.join("\n"), /it fails of \[REDACTED\]/);
    assertEquals([build.attempts.length, deploy.attempts.length], [1, 0]);
    assertEquals(deploy.record, undefined);
    const job = await recordAt(`${cwd}/${DIRECTORY}/${build.record}`);
    assertEquals(job.steps.map(({ name }) => name), ["compile", "link"]);
    const { stdout } = await runMain(["report", path], { cwd });
    assertMatch(stdout, /✗ test +exit code 9/);
  });

  it("shows what failed in a job with steps, and that a job waited", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      ".reactorcide/workflows/ship.yaml": `
name: ship
jobs:
  first:
    failure_policy: continue
    steps:
      - { name: quiet, run: "seq 30" }
      - { name: a, needs: quiet, run: "seq 30; echo 'a is red'; exit 3" }
      - { name: b, needs: quiet, run: "echo 'b is red'; exit 3" }
  second: { command: "true" }
`,
    });
    const { code, stderr } = await runMain(
      ["workflow", "run", "--concurrency=1", "--source=none"],
      { cwd },
    );
    assertEquals(code, 3, stderr);
    const { steps: [first, second] } = await recordAt(
      `${cwd}/${DIRECTORY}/run.jsonl`,
    );
    const lines = Array.from({ length: 8 }, (_, index) => `${index + 23}`);
    assertEquals(first.tail, [
      "a: exit code 3",
      ...lines,
      "a is red",
      "b: exit code 3",
      "b is red",
    ]);
    assertEquals(first.log, `${DIRECTORY}/logs/first.log`);
    const log = await Deno.readTextFile(`${cwd}/${first.log}`);
    assertMatch(log, /a is red/);
    assert(second.queuedMs! <= first.startMs! + 100, "it was ready at once");
    assert(second.startMs! >= first.endMs!);
    const { stdout } = await runMain(["report"], { cwd });
    assertMatch(stdout, /✗ first: exit code 3\n {2}a: exit code 3\n {2}23\n/);
    assertMatch(
      stdout,
      /\n {2}log: \.reactorcide\/workflow\/logs\/first\.log\n/,
    );
  });

  it("is shown as a page with the steps and plugins of its jobs", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      ".reactorcide/workflows/ship.yaml": `
name: ship
jobs:
  build:
    steps:
      - { name: compile, run: "echo compiled" }
      - name: link
        run: "test -e tried || { touch tried; exit 3; }"
        retry: { attempts: 2, delay: 0 }
  test: { command: "true" }
`,
    });
    const { code } = await runMain(["workflow", "run"], { cwd });
    assertEquals(code, 0);
    const jobs = `${cwd}/${DIRECTORY}/jobs`;
    const record = `${jobs}/test/job/artifacts/run.jsonl`;
    const call = recordLine("plugin.called", 1, {
      plugin: "<b>timer",
      phase: "post_execution",
      durationMs: 1_200,
    });
    await Deno.writeTextFile(record, `${call}\n`, { append: true });
    const pageOf = async () => {
      const { stdout } = await runMain(["report", "--format=html"], { cwd });
      return stdout.replace(/<(?!small)[^>]*>/g, "");
    };
    const page = await pageOf();
    assertMatch(page, /build✓success · 2 steps · 1 flaky/);
    assertMatch(page, /step link: ✓success <small>.* · flaky · 2 attempts/);
    assertMatch(page, /plugin &#60;b&#62;timer <small>1\.2s/);
    assertMatch(page, /&#60;b&#62;timer<small>in 1 job\s*post_exec/);
    // A job may have changed the record to show those of other jobs.
    const workflow = `${cwd}/${DIRECTORY}/run.jsonl`;
    const text = await Deno.readTextFile(workflow);
    await Deno.copyFile(record, `${cwd}/other.jsonl`);
    await Deno.symlink(`${cwd}/other.jsonl`, `${jobs}/link.jsonl`);
    for (
      const path of [
        `${cwd}/other.jsonl`,
        "../../other.jsonl",
        "jobs/link.jsonl",
        "jobs/../../../other.jsonl",
      ]
    ) {
      await Deno.writeTextFile(
        workflow,
        text.replace("jobs/test/job/artifacts/run.jsonl", path),
      );
      assertEquals((await pageOf()).includes("timer"), false, path);
    }
    await Deno.remove(jobs, { recursive: true });
    const alone = await pageOf();
    assertMatch(alone, /build✓success(?! ·)/);
  });

  it("lists jobs that succeeded earlier if the run is resumed", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { ".reactorcide/workflows/ship.yaml": WORKFLOW });
    await runMain(["workflow", "run"], { cwd });
    const { code } = await runMain(
      ["workflow", "run", "--resume", "--record=again.jsonl"],
      { cwd },
    );
    assertEquals(code, 9);
    const { steps } = await recordAt(`${cwd}/again.jsonl`);
    assertEquals(steps.map(({ name, outcome }) => `${name} ${outcome}`), [
      "build success",
      "test failed",
      "deploy skipped",
    ]);
    assertEquals(steps[0].startMs, undefined);
  });

  it("is not written if records are off, and never replaces those of jobs", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, { ".reactorcide/workflows/ship.yaml": WORKFLOW });
    const job = `${cwd}/${DIRECTORY}/jobs/build/job/artifacts/run.jsonl`;
    await runMain(["workflow", "run"], {
      cwd,
      env: { REACTORCIDE_RECORD: "off" },
    });
    assertEquals(await pathExists(`${cwd}/${DIRECTORY}/run.jsonl`), false);
    assertEquals(await pathExists(job), false);
    await runMain(["workflow", "run"], {
      cwd,
      env: { REACTORCIDE_RECORD: "all.jsonl" },
    });
    assertEquals((await recordAt(`${cwd}/all.jsonl`)).started.name, "ship");
    assertEquals((await recordAt(job)).started.kind, "job");
  });
});
