import { assertEquals, assertRejects } from "@std/assert";
import type { CoordinatorClient } from "../../src/coordinator/client.ts";
import { RunnerError } from "../../src/errors.ts";
import { JobWatcher } from "../../src/workflow/coordinator/job_watcher.ts";

const ID = crypto.randomUUID();

/** Watches a workflow for one poll. */
async function watch(
  workflow: Record<string, unknown>,
  jobs: Readonly<Record<string, unknown[]>>,
): Promise<JobWatcher> {
  const client: CoordinatorClient = {
    url: "https://coordinator.example",
    send({ path }) {
      const { searchParams, pathname } = new URL(path, "https://x.example");
      const value = pathname.startsWith("/api/v1/workflows/")
        ? { workflow_id: ID, name: "w", status: "running", ...workflow }
        : { jobs: jobs[searchParams.get("workflow_id")!] ?? [] };
      return Promise.resolve({ value, attempt: 1 });
    },
  };
  const stop = new AbortController();
  const watcher = new JobWatcher({
    ...{ client, workflowId: ID, pollMs: 60_000, signal: stop.signal },
  });
  watcher.start();
  await watcher.next();
  stop.abort();
  await watcher.next().catch(() => {});
  return watcher;
}

function row(job_id: string, created_at: string, rest = {}) {
  return { job_id, name: "a", status: "failed", created_at, ...rest };
}

Deno.test("JobWatcher uses the newest job of a node, in any order of the list", async () => {
  const old = row("old", "2026-01-01T00:00:00Z");
  const retried = row("new", "2026-01-01T00:00:01Z", { status: "running" });
  for (const rows of [[old, retried], [retried, old]]) {
    const watcher = await watch({}, { [ID]: rows });
    assertEquals(watcher.rows.get("a")?.job_id, "new");
    assertEquals([watcher.isActive, watcher.isOver], [true, false]);
  }
});

Deno.test("JobWatcher follows submitted workflows, each once, even if they contain each other", async () => {
  const child = (id: string, children: unknown[] = []) => ({
    workflow_id: id,
    name: id,
    status: "success",
    origin_job_id: `origin of ${id}`,
    children,
  });
  const watcher = await watch({
    status: "success",
    children: [child("one", [child("two", [child("one")]), child(ID)])],
  }, {
    [ID]: [row("own", "", { status: "completed" })],
    one: [row("1", "", { status: "completed" })],
    two: [row("2", "", { status: "cancelled" })],
  });
  assertEquals(
    watcher.followUps.map(({ job, parentId }) => [job.job_id, parentId])
      .toSorted(),
    [["1", "origin of one"], ["2", "origin of two"]],
  );
  assertEquals([watcher.isActive, watcher.isOver], [false, true]);
});

Deno.test("JobWatcher rejects all waiting callers if it cannot read the workflow", async () => {
  const client: CoordinatorClient = {
    url: "https://coordinator.example",
    send: () => Promise.resolve({ value: [], attempt: 1 }),
  };
  const { signal } = new AbortController();
  const watcher = new JobWatcher({
    ...{ client, workflowId: ID, pollMs: 1, signal },
  });
  watcher.start();
  const waiting = [watcher.next(), watcher.next()];
  for (const one of [...waiting, watcher.next()]) {
    await assertRejects(() => one, RunnerError, "is not a workflow");
  }
});
