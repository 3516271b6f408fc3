import { assert, assertEquals } from "@std/assert";
import type {
  Executor,
  LocalJob,
  LocalJobOutcome,
} from "../../src/workflow/local/local_job.ts";
import type {
  NodeEnd,
  NodeStatus,
} from "../../src/workflow/local/node_states.ts";
import { runWorkflow } from "../../src/workflow/local/run_workflow.ts";
import type {
  LocalJobState,
  WorkflowState,
} from "../../src/workflow/local/workflow_state.ts";
import { Random } from "../helpers/random.ts";

/** A state that lasts only for the test. */
function memory(earlier: Record<string, LocalJobState> = {}) {
  const records = new Map(Object.entries(earlier));
  const state: WorkflowState = {
    earlier: new Map(records),
    record(key, record) {
      records.set(key, record);
      return Promise.resolve();
    },
  };
  return { records, state };
}

function job(name: string, more: Partial<LocalJob> = {}): LocalJob {
  return {
    name,
    command: name,
    env: {},
    dependsOn: [],
    condition: "all_success",
    ...more,
  };
}

const well: LocalJobOutcome = { status: "completed", exitCode: 0 };

/** Runs jobs with an executor that knows how each one ends. */
async function run(
  jobs: LocalJob[],
  outcomes: Record<string, Partial<LocalJobOutcome>> = {},
  earlier: Record<string, LocalJobState> = {},
) {
  const started: string[] = [];
  const { state, records } = memory(earlier);
  const results = await runWorkflow({ vars: {}, jobs }, {
    executor: ({ key }) => {
      started.push(key);
      return Promise.resolve({ ...well, ...outcomes[key] });
    },
    concurrency: 1,
    state,
    signal: new AbortController().signal,
  });
  const statuses = Object.fromEntries(
    results.map(({ key, status }) => [key, status]),
  );
  return { statuses, started, records, results };
}

interface RandomNode {
  name: string;
  dependsOn: string[];
  condition: "all_success" | "any_failed" | "always";
  /** Number of items; a job without a list runs once. */
  count?: number;
}

/** Applies the rules to every node, until nothing changes. */
function interpret(
  allJobs: RandomNode[],
  endOf: (displayName: string) => NodeEnd,
): Record<string, NodeStatus> {
  const skipped: Record<string, NodeStatus> = {};
  let jobs = allJobs;
  // A job with an empty list is replaced by its dependencies.
  for (const { name } of allJobs.filter((job) => job.count === 0)) {
    skipped[name] = "skipped";
    jobs = jobs.filter((job) => job.name !== name).map((job) => ({
      ...job,
      dependsOn: job.dependsOn.flatMap((need) =>
        need !== name
          ? [need]
          : jobs.find((other) => other.name === name)!.dependsOn
      ),
    }));
  }
  const nodes = jobs.flatMap((job) =>
    job.count === undefined
      ? [{ ...job, displayName: job.name }]
      : Array.from({ length: job.count }, (_, at) => ({
        ...job,
        displayName: `${job.name}[${at}]`,
      }))
  );
  const statuses: Record<string, NodeStatus> = Object.fromEntries(
    nodes.map(({ displayName }) => [displayName, "pending"]),
  );
  const isOver = (status: NodeStatus) =>
    !["pending", "waiting", "submitted", "running"].includes(status);
  for (let changed = true; changed;) {
    changed = false;
    for (const node of nodes) {
      const status = statuses[node.displayName];
      if (status !== "pending" && status !== "waiting") continue;
      const needs = node.dependsOn.map((name) =>
        nodes.filter((other) => other.name === name)
          .map(({ displayName }) => statuses[displayName])
      );
      if (needs.some((list) => list.length === 0 || !list.every(isOver))) {
        statuses[node.displayName] = "waiting";
        continue;
      }
      const all = needs.flat();
      const runs = node.condition === "always" ||
        (node.condition === "any_failed"
          ? all.some((item) =>
            ["failed", "cancelled", "timeout"].includes(item)
          )
          : all.every((item) => item === "completed"));
      statuses[node.displayName] = runs ? endOf(node.displayName) : "skipped";
      changed = true;
    }
  }
  return { ...statuses, ...skipped };
}

Deno.test("runWorkflow() agrees with a naive interpreter of the rules", async () => {
  const random = new Random();
  for (let round = 0; round < 400; round++) {
    const names = Array.from(
      { length: 1 + random.below(14) },
      (_, at) => `j${at}`,
    );
    const hasOddities = random.below(8) === 0;
    const jobs = names.map((name, at): RandomNode => ({
      name,
      dependsOn: [
        ...names.slice(0, at).filter(() => random.below(3) === 0),
        ...hasOddities && random.below(6) === 0
          ? [random.pick([...names, "nobody"])]
          : [],
      ],
      condition: random.pick(
        ["all_success", "all_success", "any_failed", "always"] as const,
      ),
      // An empty list in a cycle is refused before anything runs.
      ...random.below(3) === 0
        ? { count: hasOddities ? 1 + random.below(3) : random.below(4) }
        : {},
    }));
    const ends = new Map<string, NodeEnd>();
    const endOf = (name: string): NodeEnd => {
      if (!ends.has(name)) {
        ends.set(
          name,
          random.pick(
            [
              "completed",
              "completed",
              "completed",
              "failed",
              "timeout",
              "cancelled",
            ] as const,
          ),
        );
      }
      return ends.get(name)!;
    };
    const executor: Executor = async ({ key }) => {
      for (let turn = random.below(4); turn > 0; turn--) await null;
      return { status: endOf(key), exitCode: 0 };
    };
    const shuffled = jobs.map((job) => ({ job, at: random.below(1_000) }))
      .sort((a, b) => a.at - b.at).map(({ job }) => job);
    const results = await runWorkflow({
      vars: {},
      jobs: shuffled.map(({ count, ...more }) =>
        job(more.name, {
          ...more,
          ...count === undefined ? {} : { forEach: Array(count).fill("x") },
        })
      ),
    }, {
      executor,
      concurrency: 1 + random.below(4),
      state: memory().state,
      signal: new AbortController().signal,
    });
    const got = Object.fromEntries(
      results.map(({ key, status }) => [key, status]),
    );
    assertEquals(
      got,
      interpret(shuffled, endOf),
      `seed ${random.seed}, round ${round}`,
    );
  }
});

Deno.test("runWorkflow() runs a chain of 20,000 nodes without overflowing the stack", async () => {
  const count = 20_000;
  const { statuses } = await run(
    Array.from({ length: count }, (_, at) =>
      job(`j${at}`, {
        dependsOn: at === 0 ? [] : [`j${at - 1}`, `j${at >> 1}`],
      })),
  );
  assertEquals(Object.keys(statuses).length, count);
  assert(Object.values(statuses).every((status) => status === "completed"));
});

Deno.test("runWorkflow() waits for a large fan-out at little cost", async () => {
  const forEach = Array.from({ length: 5_000 }, (_, at) => `${at}`);
  const { started } = await run([
    job("a", { forEach }),
    job("b", { forEach, dependsOn: ["a"] }),
  ]);
  assertEquals(started.length, 10_000);
  assertEquals(started.at(-1), "b[4999]");
});

Deno.test("runWorkflow() passes each item to its node", async () => {
  const items: string[] = [];
  await runWorkflow({
    vars: {},
    jobs: [
      job("a", { forEach: ["x", null, { b: 1, a: "<" }], itemVar: "IT" }),
    ],
  }, {
    executor: ({ node }) => {
      items.push(`${node.displayName}=${node.job.env.IT}`);
      return Promise.resolve(well);
    },
    concurrency: 1,
    state: memory().state,
    signal: new AbortController().signal,
  });
  assertEquals(items, ["a[0]=x", "a[1]=null", 'a[2]={"a":"\\u003c","b":1}']);
});

Deno.test("runWorkflow() passes on variables and outputs, and fails on a conflict", async () => {
  const seen: Record<string, unknown> = {};
  const results = await runWorkflow({
    vars: { start: 1 },
    jobs: [
      job("a"),
      job("b", { dependsOn: ["a"] }),
      job("c", { dependsOn: ["b"], condition: "any_failed" }),
    ],
  }, {
    executor: ({ key, varsText }) => {
      seen[key] = JSON.parse(varsText());
      return Promise.resolve<LocalJobOutcome>({
        ...well,
        ...key === "a" && { vars: { " x ": [1], "": 2 }, outputs: { y: 1 } },
        ...key === "b" &&
          { vars: { x: { value: [1] }, z: 3, start: "1" } },
      });
    },
    concurrency: 1,
    state: memory().state,
    signal: new AbortController().signal,
  });
  assertEquals(seen, {
    a: { start: 1 },
    b: { start: 1, x: [1], "a.y": 1 },
    // Variables that were merged before the conflict are kept.
    c: { start: 1, x: [1], "a.y": 1, z: 3 },
  });
  assertEquals(results.map(({ status }) => status), [
    "completed",
    "failed",
    "completed",
  ]);
  assertEquals(
    results[1].reason,
    'it sets "start", which already has another value',
  );
});

Deno.test("runWorkflow() runs follow-up jobs as a separate workflow", async () => {
  const triggers = [{
    jobs: [
      { name: "child", jobCommand: "x", forEach: ["1", "2"] },
      { name: "b", jobCommand: "x", dependsOn: ["child"] },
    ],
  }];
  const { statuses, started, records } = await run([
    job("a", { env: { A: "1" } }),
    job("b", { dependsOn: ["a"] }),
  ], { a: { triggers } });
  assertEquals(statuses, {
    a: "completed",
    b: "completed",
    "child[0]": "completed",
    "child[1]": "completed",
    "a/b": "completed",
  });
  assertEquals(new Set(started).size, 5);
  const again = await run(
    [job("a"), job("b", { dependsOn: ["a"] })],
    {},
    Object.fromEntries(
      [...records].map(([key, record]) => [
        key,
        key === "child[1]" || key === "a/b"
          ? { ...record, status: "running" as const }
          : record,
      ]),
    ),
  );
  assertEquals(again.started, ["child[1]", "a/b"]);
  assertEquals(again.statuses, statuses);
});

Deno.test("runWorkflow() ends a chain of jobs that trigger themselves", async () => {
  const started: string[] = [];
  const results = await runWorkflow({ vars: {}, jobs: [job("again")] }, {
    executor: ({ key }) => {
      started.push(key);
      const triggers = [{ jobs: [{ name: "again", jobCommand: "x" }] }];
      return Promise.resolve({ ...well, triggers });
    },
    concurrency: 1,
    state: memory().state,
    signal: new AbortController().signal,
  });
  assertEquals(started.length, 51);
  assertEquals(results.at(-1)?.status, "failed");
});

Deno.test("runWorkflow() starts no more jobs after a cancellation", async () => {
  const end = new AbortController();
  const { state, records } = memory();
  const results = await runWorkflow({
    vars: {},
    jobs: [job("a"), job("b"), job("c", { dependsOn: ["a"] })],
  }, {
    executor: () => {
      end.abort();
      throw new Error("ended");
    },
    concurrency: 1,
    state,
    signal: end.signal,
  });
  assertEquals(results.map(({ status }) => status), [
    "cancelled",
    "submitted",
    "skipped",
  ]);
  assertEquals(records.get("b"), undefined);
});

Deno.test("runWorkflow() resumes with the jobs that have not succeeded", async () => {
  const record: LocalJobState = {
    name: "a",
    status: "completed",
    exitCode: 0,
    outputs: { sha: "abc" },
    vars: { v: 1 },
  };
  const jobs = [
    job("a"),
    job("b", { dependsOn: ["a"] }),
    job("c", { dependsOn: ["b"] }),
  ];
  const { started, statuses } = await run(jobs, {}, {
    a: record,
    b: { ...record, name: "b", status: "failed", exitCode: 1 },
    c: { ...record, name: "c", status: "skipped", exitCode: null },
  });
  assertEquals(started, ["b", "c"]);
  assertEquals(statuses, { a: "completed", b: "completed", c: "completed" });
});

Deno.test("runWorkflow() fails if its state cannot be saved", async () => {
  const error = await runWorkflow({
    vars: {},
    jobs: [job("a"), job("b", { dependsOn: ["a"] })],
  }, {
    executor: () => Promise.resolve(well),
    concurrency: 1,
    state: {
      earlier: new Map(),
      record: () => Promise.reject(new Error("disk full")),
    },
    signal: new AbortController().signal,
  }).catch((error) => error);
  assertEquals(error.message, "disk full");
});

Deno.test("runWorkflow() waits until jobs elsewhere start, and runs those that others add", async () => {
  const { state, records } = memory();
  const changes: string[] = [];
  const results = await runWorkflow({
    vars: {},
    jobs: [job("a"), job("b", { dependsOn: ["a"] })],
  }, {
    async executor({ key, onStart, node }) {
      await Promise.resolve();
      changes.push(`${key} is queued`);
      if (key === "b") return { status: "cancelled", exitCode: null };
      onStart();
      onStart();
      return { ...well, durationMs: 12, reason: node.job.remoteId };
    },
    reportsStart: true,
    followOthers(add) {
      add(job("a", { remoteId: "1" }), "a");
      add(job("c", { remoteId: "2" }), undefined);
      return Promise.resolve();
    },
    concurrency: 1,
    state,
    signal: new AbortController().signal,
    onChange: ({ key, status }) => changes.push(`${key}: ${status}`),
  });
  assertEquals(
    changes.toSorted(),
    [
      ...["a is queued", "a/a is queued", "b is queued", "c is queued"],
      ...["a/a: completed", "a/a: running", "a: completed", "a: running"],
      ...["b: cancelled", "c: completed", "c: running"],
    ].toSorted(),
  );
  assertEquals(
    results.map(({ key, durationMs, startedAt, reason }) => [
      ...[key, durationMs, startedAt !== null, reason],
    ]).sort(),
    [
      ["a", 12, true, undefined],
      ["a/a", 12, true, "1"],
      ["b", 0, false, undefined],
      ["c", 12, true, "2"],
    ],
  );
  assertEquals(records.get("a/a")?.origin, "a");
});

Deno.test("runWorkflow() waits for jobs that others added, even if it can no longer follow them", async () => {
  const { state, records } = memory();
  const ending = Promise.withResolvers<void>();
  const running = runWorkflow({ vars: {}, jobs: [] }, {
    async executor() {
      await ending.promise;
      return well;
    },
    followOthers(add) {
      add(job("added"), undefined);
      return Promise.reject(new Error("coordinator gone"));
    },
    concurrency: 1,
    state,
    signal: new AbortController().signal,
  });
  let isOver = false;
  const error = running.catch((error) => error)
    .finally(() => isOver = true);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(isOver, false);
  ending.resolve();
  assertEquals((await error).message, "coordinator gone");
  assertEquals(records.get("added")?.status, "completed");
});
