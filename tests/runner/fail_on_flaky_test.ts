import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { RunnerError } from "../../src/errors.ts";
import { Job } from "../../src/steps/job.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

const FLAKY = `
  - name: unit "tests"
    retry: { attempts: 2, delay: 0 }
    run: test -e a || { touch a; exit 3; }
  - name: e2e
    retry: { attempts: 3, delay: 0 }
    run: test -e b || { touch b; exit 4; }
`;

const STEADY = `
  - name: build
    retry: 3
    run: echo built
`;

const ALLOWED = `
  - name: lint
    continue_on_error: true
    retry: { attempts: 2, delay: 0 }
    run: exit 7
`;

async function runJobFile(
  jobFile: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
) {
  await using directory = await temporaryDirectory();
  const { path: cwd } = directory;
  await makeFiles(cwd, { "job.yaml": jobFile });
  const result = await runMain(
    ["run", "--job-file=job.yaml", "--report=json=report.json", ...args],
    { cwd, env },
  );
  const text = await Deno.readTextFile(`${cwd}/report.json`);
  return { ...result, report: JSON.parse(text) };
}

describe("fail_on_flaky", () => {
  it("fails a run with flaky steps, and names them", async () => {
    const { code, stderr, report } = await runJobFile(
      `steps:${FLAKY}${STEADY}`,
      ["--fail-on-flaky"],
    );
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /error: Flaky steps: "unit "tests"", "e2e" succeeded only after a failed attempt$/m,
    );
    assertEquals([report.status, report.exitCode], ["failed", 1]);
    assertMatch(report.error, /^Flaky steps: /);
    assertEquals(
      report.steps.map((
        step: { name: string; outcome: string; isFlaky: boolean },
      ) => [step.name, step.outcome, step.isFlaky]),
      [
        ['unit "tests"', "success", true],
        ["e2e", "success", true],
        ["build", "success", false],
      ],
    );
  });

  it("can be set by a variable and in a job file", async () => {
    const results = [
      await runJobFile(`steps:${FLAKY}`, [], {
        REACTORCIDE_FAIL_ON_FLAKY: "true",
      }),
      await runJobFile(`fail_on_flaky: true\nsteps:${FLAKY}`),
      await runJobFile(`job:\n  fail_on_flaky: true\nsteps:${FLAKY}`),
    ];
    assertEquals(results.map(({ code }) => code), [1, 1, 1]);
  });

  it("has no effect without flaky steps, and is off by default", async () => {
    const results = [
      await runJobFile(`steps:${FLAKY}`),
      await runJobFile(`fail_on_flaky: true\nsteps:${FLAKY}`, [], {
        REACTORCIDE_FAIL_ON_FLAKY: "false",
      }),
      await runJobFile(`steps:${STEADY}${ALLOWED}`, ["--fail-on-flaky"]),
    ];
    assertEquals(results.map(({ code }) => code), [0, 0, 0]);
  });

  it("keeps the exit code of a step that failed", async () => {
    const { code, stderr } = await runJobFile(
      `steps:${FLAKY}\n  - { name: last, depends_on: [e2e], run: exit 9 }`,
      ["--fail-on-flaky"],
    );
    assertEquals(code, 9);
    assertEquals(/error: Flaky/.test(stderr), false);
  });

  it("does not reject in a pipeline: the result has the error code", async () => {
    await using test = await testRunner();
    let attempts = 0;
    const job = new Job("unsteady").addStep("first", () => {
      attempts++;
      if (attempts === 1) throw new Error("not yet");
    }, { retry: { attempts: 2, delayMs: 0 } });
    const { status, exitCode, error } = await test.runner.runJob(job, {
      failOnFlaky: true,
    });
    assertEquals([status, exitCode], ["failed", 1]);
    assertEquals((error as RunnerError).code, "step-flaky");
  });
});
