import {
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Each step appends its name to `ran`, and fails if a file has its name. */
function jobFile(steps: Readonly<Record<string, string>>): string {
  const lines = Object.entries(steps).map(([name, rest]) =>
    `  - name: ${name}\n    run: echo ${name} >> ran; ${
      name === "build" ? 'echo tag=1.2 > "$REACTORCIDE_OUTPUT"; ' : ""
    }test ! -e fails-${name}\n${rest}`
  );
  return `concurrency: 1\nsteps:\n${lines.join("")}`;
}

const STEPS = {
  build: "",
  lint: "",
  test: "    depends_on: [build]\n",
  deploy: "    depends_on: [test]\n",
  notify: "    depends_on: [test]\n    condition: any_failed\n",
};

/** Runs a job several times in one directory. */
async function job(
  files: Readonly<Record<string, string>>,
): Promise<
  AsyncDisposable & {
    readonly path: string;
    run(...args: string[]): Promise<
      { code: number; stderr: string; ran: string }
    >;
  }
> {
  const directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, files);
  return {
    path,
    async run(...args) {
      await Deno.writeTextFile(`${path}/ran`, "");
      const { code, stderr } = await runMain(["run", ...args], { cwd: path });
      const ran = await Deno.readTextFile(`${path}/ran`);
      return { code, stderr, ran: ran.trim().split("\n").join(" ") };
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

describe("--rerun-failed", () => {
  it("runs what failed, what depends on it, and nothing else", async () => {
    await using test = await job({
      "job.yaml": jobFile(STEPS),
      "fails-test": "",
    });
    const first = await test.run();
    assertEquals([first.code, first.ran], [1, "build lint test notify"]);
    const again = await test.run("--rerun-failed");
    assertEquals([again.code, again.ran], [1, "test notify"]);
    await Deno.remove(`${test.path}/fails-test`);
    const repaired = await test.run("--rerun-failed");
    assertEquals([repaired.code, repaired.ran], [0, "test deploy"]);
    const none = await test.run("--rerun-failed");
    assertEquals([none.code, none.ran], [1, ""]);
    assertMatch(
      none.stderr,
      /Cannot rerun the failed steps: none of the selected steps failed/,
    );
  });

  it("passes the outputs of the last run on", async () => {
    await using test = await job({
      "job.yaml": `steps:
  - name: build
    run: echo tag=1.2 > "$REACTORCIDE_OUTPUT"
  - name: test
    depends_on: [build]
    run: echo "$REACTORCIDE_OUTPUT_BUILD_TAG" > ran; test -e ok
`,
    });
    assertEquals((await test.run()).code, 1);
    await makeFiles(test.path, { ok: "" });
    const { code, ran } = await test.run("--rerun-failed");
    assertEquals([code, ran], [0, "1.2"]);
  });

  it("runs a step again whose outputs were not kept", async () => {
    await using test = await job({
      "job.yaml": jobFile(STEPS),
      "fails-test": "",
    });
    await test.run();
    await Deno.remove(`${test.path}/job/.reactorcide/outputs.json`);
    const { ran, stderr } = await test.run("--rerun-failed");
    assertEquals(ran, "build test notify");
    assertStringIncludes(stderr, "build runs again: its outputs");
  });

  it("starts the services that it needs", async () => {
    await using test = await job({
      "job.yaml": `steps:
  - name: db
    service: true
    ready: { log: up }
    run: echo db >> ran; echo up; exec sleep 1000
  - { name: lint, run: echo lint >> ran }
  - { name: test, depends_on: [db, lint], run: echo test >> ran; test -e ok }
`,
    });
    assertEquals((await test.run()).code, 1);
    await makeFiles(test.path, { ok: "" });
    const { code, ran } = await test.run("--rerun-failed");
    assertEquals([code, ran], [0, "db test"]);
  });

  it("runs steps that the failure policy prevented from starting", async () => {
    await using test = await job({
      "job.yaml": `failure_policy: finish\n${
        jobFile({ build: "", lint: "", docs: "" })
      }`,
      "fails-build": "",
    });
    assertEquals((await test.run()).ran, "build");
    await Deno.remove(`${test.path}/fails-build`);
    assertEquals((await test.run("--rerun-failed")).ran, "build lint docs");
  });

  it("combines with other selections, and shows its plan", async () => {
    await using test = await job({
      "job.yaml": jobFile(STEPS),
      "fails-test": "",
      "fails-lint": "",
    });
    await test.run();
    const { stderr } = await test.run("--rerun-failed", "--dry-run");
    assertStringIncludes(stderr, "[dry-run] test: $");
    assertNotMatch(stderr, /\[dry-run\] build: /);
    const { ran } = await test.run("--rerun-failed", "--skip", "test,deploy");
    assertNotMatch(ran, /build|test|deploy/);
  });

  it("refuses a job without a last run, steps or a record, and changed steps", async () => {
    await using test = await job({
      "job.yaml": jobFile(STEPS),
      "fails-test": "",
    });
    const refusal = async (...args: string[]) => {
      const { code, stderr, ran } = await test.run("--rerun-failed", ...args);
      assertEquals([code, ran], [1, ""]);
      return stderr;
    };
    assertMatch(await refusal(), /there is no last run: ".*run\.jsonl" does/);
    assertMatch(await refusal("--record", "off"), /have no record/);
    assertMatch(await refusal("--job-command", "true"), /the job has no steps/);
    await test.run();
    const { lint: _, ...rest } = STEPS;
    await makeFiles(test.path, {
      "job.yaml": jobFile({ ...rest, format: "" }),
    });
    assertMatch(
      await refusal(),
      /steps have changed since the last run: "format" did not exist; "lint" no longer exists/,
    );
    await Deno.writeTextFile(`${test.path}/job/artifacts/run.jsonl`, "x\n");
    await makeFiles(test.path, { "job.yaml": jobFile(STEPS) });
    assertMatch(await refusal(), /Cannot read the last run .*not a run record/);
  });
});

describe("the block of a failed step", () => {
  it("has the command that runs it again, quoted and without secrets", async () => {
    await using test = await job({
      "my job.yaml": `steps:
  - { name: build, run: "true" }
  - { name: "unit's", matrix: { a: [a], b: [b] }, run: "test -e ok" }
  - { name: lint, run: "true" }
`,
    });
    const { stderr } = await test.run(
      ...["--job-file", "my job.yaml", "--skip", "build", "--verbose"],
      ...["--job-env", "API_TOKEN=hunter2'hunter2", "--concurrency=2"],
    );
    assertNotMatch(stderr, /hunter2/);
    const [, line] = /^ {2}rerun: (.*)$/m.exec(stderr) ?? [];
    assertEquals(
      line,
      `runnerlib run --job-file 'my job.yaml' --job-env 'API_TOKEN=[REDACTED]' --concurrency 2 --verbose --only '["unit'\\''s (a, b)"]'`,
    );
  });

  it("has the command that runs a job of a workflow again", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "ci.yaml": `name: ci
jobs:
  lint: { command: exit 3 }
  test: { command: "true" }
`,
    });
    const { code, stderr } = await runMain(
      ["workflow", "run", "ci.yaml", "--var", "WHO=a b", "--source", "none"],
      { cwd: directory.path },
    );
    assertEquals(code, 3, stderr);
    assertStringIncludes(
      stderr,
      "  rerun: runnerlib workflow run ci.yaml --source none --var 'WHO=a b' --only lint\n",
    );
  });
});
