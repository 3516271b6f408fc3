import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { RunnerError } from "../../src/errors.ts";
import type { Runner } from "../../src/runner/runner.ts";
import {
  startCoordinator,
  type TestCoordinator,
} from "../helpers/coordinator.ts";
import type { JobRow } from "../helpers/coordinator_jobs.ts";
import { makeFiles } from "../helpers/temporary_directory.ts";
import { testRunner } from "../helpers/test_runner.ts";

const PROJECT = "5e1f";

/** Creates rows; later ones are newer. */
function rows(...given: Partial<JobRow>[]): JobRow[] {
  return given.map((row, index) => ({
    job_id: `job-${index}`,
    name: "build",
    status: "completed",
    // Go omits trailing zeros in times.
    created_at: new Date(Date.UTC(2026, 0, 1) + index * 250).toISOString()
      .replace(/\.?0+Z$/, "Z"),
    workflow_id: "w1",
    project_id: PROJECT,
    exit_code: 0,
    workflow_node_name: row.name ?? "build",
    ...row,
  }));
}

function envOf(coordinator: TestCoordinator): Record<string, string> {
  return {
    ...coordinator.env,
    REACTORCIDE_READ_TOKEN: coordinator.readToken,
    RC_WF_ID: "w1",
  };
}

async function withCoordinator(
  jobs: JobRow[],
  test: (
    runner: Runner,
    coordinator: TestCoordinator,
  ) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  await using coordinator = startCoordinator({ jobs });
  await using made = await testRunner({ ...envOf(coordinator), ...env }, {
    allowInsecureTransport: true,
  });
  await test(made.runner, coordinator);
}

describe("isJobRunning()", () => {
  it("finds jobs that have not ended", async () => {
    const states = {
      submitted: true,
      queued: true,
      running: true,
      cancelling: true,
      completed: false,
      failed: false,
      cancelled: false,
      timeout: false,
    };
    const jobs = rows(
      ...Object.keys(states).map((status) => ({
        name: `is-${status}`,
        status,
      })),
    );
    await withCoordinator(jobs, async ({ isJobRunning }) => {
      for (const [status, isRunning] of Object.entries(states)) {
        assertEquals(await isJobRunning(`is-${status}`), isRunning, status);
      }
      assertEquals(await isJobRunning("missing"), false);
    });
  });

  it("uses the newest attempt of each instance, on all pages", async () => {
    const old = { status: "running" };
    const others = Array.from({ length: 250 }, (_, at) => ({ name: `x${at}` }));
    const jobs = rows(
      { ...old, name: "retried" },
      { name: "fan", workflow_node_name: "fan[0]" },
      { ...old, name: "fan", workflow_node_name: "fan[1]" },
      ...others,
      { name: "retried" },
    );
    await withCoordinator(jobs, async ({ isJobRunning }, { requests }) => {
      assertEquals(await isJobRunning("retried"), false);
      assertEquals(requests.length, 3);
      assertEquals(await isJobRunning("fan"), true);
      assertEquals(await isJobRunning("fan[0]"), false);
      assertEquals(await isJobRunning("fan[1]"), true);
    });
  });

  it("finds only jobs in its scope", async () => {
    const jobs = rows(
      { name: "deploy", status: "running", workflow_id: "w2" },
      { name: "test", status: "running", project_id: "another" },
    );
    await withCoordinator(jobs, async ({ isJobRunning }, coordinator) => {
      coordinator.jobs.rows.push(
        ...rows({ job_id: coordinator.jobId, name: "me" }),
      );
      assertEquals(await isJobRunning("deploy"), false);
      assertEquals(await isJobRunning("deploy", { scope: "project" }), true);
      const organization = { scope: "organization" } as const;
      assertEquals(await isJobRunning("test", { scope: "project" }), false);
      assertEquals(await isJobRunning("test", organization), true);
    });
  });

  it("fails without a token instead of guessing", async () => {
    await withCoordinator(rows(), async ({ isJobRunning }, coordinator) => {
      const error = await assertRejects(
        () => isJobRunning("build"),
        RunnerError,
      );
      assertEquals(error.code, "coordinator-forbidden");
      assert(error.message.includes("403 forbidden"), error.message);
      assert(!error.message.includes(coordinator.jobToken));
    }, { REACTORCIDE_READ_TOKEN: "1f".repeat(32) });
    await withCoordinator(rows(), async ({ isJobRunning }, { requests }) => {
      const error = await assertRejects(
        () => isJobRunning("build"),
        RunnerError,
      );
      assertEquals(error.code, "coordinator-forbidden");
      assertEquals(
        error.message,
        'Cannot read the state of job "build": REACTORCIDE_READ_TOKEN is not set',
      );
      assertEquals(requests, []);
    }, { REACTORCIDE_READ_TOKEN: "" });
  });
});

describe("getJobResult()", () => {
  it("returns the result of the newest attempt", async () => {
    const jobs = rows(
      { exit_code: 0 },
      {
        status: "failed",
        exit_code: 3,
        last_error: "it broke",
        started_at: "2026-01-01T00:00:01Z",
        completed_at: "2026-01-01T00:00:02Z",
      },
    );
    await withCoordinator(jobs, async ({ getJobResult }) => {
      const instance = {
        status: "failed",
        exitCode: 3,
        lastError: "it broke",
        jobId: "job-1",
        startedAt: "2026-01-01T00:00:01Z",
        completedAt: "2026-01-01T00:00:02Z",
        logsUrl: "/api/v1/jobs/job-1/logs",
      };
      assertEquals(await getJobResult("build"), {
        name: "build",
        ...instance,
        instances: [{ name: "build", ...instance }],
      } as unknown);
      assertEquals(await getJobResult("missing"), null);
    });
  });

  it("returns the instance that failed", async () => {
    const jobs = rows(
      { workflow_node_name: "build[0]" },
      {
        workflow_node_name: "build[10]",
        status: "running",
        exit_code: undefined,
      },
      { workflow_node_name: "build[2]", status: "failed", exit_code: 9 },
    );
    await withCoordinator(jobs, async ({ getJobResult }) => {
      const result = await getJobResult("build");
      assertEquals([result?.status, result?.exitCode], ["failed", 9]);
      const names = result?.instances.map(({ name }) => name);
      assertEquals(names, ["build[0]", "build[2]", "build[10]"]);
      const one = await getJobResult("build[10]");
      assertEquals([one?.status, one?.exitCode], ["running", null]);
    });
  });

  it("finds published results without a token", async () => {
    const at = (status: string, completed_at: string, node_name: string) => ({
      status,
      exit_code: status === "completed" ? 0 : 1,
      completed_at,
      started_at: completed_at,
      node_name,
    });
    await withCoordinator([], async ({ getJobResult, isJobRunning }) => {
      assertEquals((await getJobResult("build"))?.status, "completed");
      assertEquals((await getJobResult("fan"))?.status, "failed");
      assertEquals((await getJobResult("fan[0]"))?.status, "completed");
      await assertRejects(() => getJobResult("missing"), RunnerError);
      await assertRejects(() => isJobRunning("build"), RunnerError);
    }, {
      REACTORCIDE_READ_TOKEN: "",
      RC_WF_VARS_JSON: JSON.stringify({
        "build.result@1": at("failed", "2026-01-01T00:00:00Z", "build"),
        "build.result@2": at("completed", "2026-01-01T00:00:01Z", "build"),
        "fan.result@3": at("completed", "2026-01-01T00:00:01Z", "fan[0]"),
        "fan.result@4": at("failed", "2026-01-01T00:00:01Z", "fan[1]"),
        "fan.result@5": "nonsense",
        other: 1,
      }),
    });
  });

  it("reads the local workflow on a laptop", async () => {
    await using made = await testRunner();
    const { getJobResult, isJobRunning } = made.runner;
    assertEquals(await isJobRunning("build"), false);
    assertEquals(await getJobResult("build"), null);
    const file = "job/.reactorcide/workflow-state.json";
    await makeFiles(made.path, {
      [file]: JSON.stringify({
        runId: "r1",
        jobs: {
          test: { status: "completed", exitCode: 0, outputs: { a: [1] } },
          build: { status: "running", exitCode: null },
          later: { status: "waiting" },
          "fan[0]": { name: "fan", status: "completed", exitCode: 0 },
          "fan[1]": { name: "fan", status: "failed", exitCode: 2 },
        },
      }),
      [`${file}.log`]: [
        { runId: "r1" },
        { key: "build", record: { status: "failed", exitCode: 4 } },
      ].map((line) => JSON.stringify(line)).join("\n") + '\n{"key": "test',
    });
    assertEquals((await getJobResult("test"))?.outputs, { a: [1] });
    assertEquals(await isJobRunning("build"), false);
    assertEquals((await getJobResult("build"))?.exitCode, 4);
    assertEquals((await getJobResult("fan"))?.exitCode, 2);
    assertEquals((await getJobResult("fan[0]"))?.exitCode, 0);
    assertEquals(await getJobResult("later"), null);
    await makeFiles(made.path, { [file]: "broken" });
    await assertRejects(
      () => isJobRunning("test"),
      RunnerError,
      "not the state",
    );
  });
});
