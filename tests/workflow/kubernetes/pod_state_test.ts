import { assertEquals } from "@std/assert";
import { readObject } from "../../../src/workflow/kubernetes/cluster_objects.ts";
import { exitIn } from "../../../src/workflow/kubernetes/pod_state.ts";
import type { JobView } from "../../../src/workflow/kubernetes/run_objects.ts";

function podOf(status: unknown, metadata = {}) {
  return readObject({ metadata: { name: "pod", ...metadata }, status })!;
}

function jobOf(reason: string, type = "Failed") {
  return readObject({
    metadata: { name: "job" },
    status: { conditions: [{ type, status: "True", reason, message: "m" }] },
  })!;
}

const RUNNING = { phase: "Running" };

const PREEMPTED = {
  ...RUNNING,
  conditions: [{
    type: "DisruptionTarget",
    status: "True",
    reason: "PreemptionByScheduler",
    message: "for another",
  }],
};

function ended(exitCode: number, rest = {}) {
  const terminated = { exitCode, ...rest };
  return {
    ...RUNNING,
    containerStatuses: [{ name: "job", state: { terminated } }],
  };
}

Deno.test("exitIn() explains how a job ended, from the states of its Pod and its Job", () => {
  const cases: [Partial<JobView>, [number, string?] | undefined][] = [
    [{}, undefined],
    [{ pod: podOf(RUNNING) }, undefined],
    [{ pod: podOf(ended(0)) }, [0]],
    [{ pod: podOf(ended(3)) }, [3]],
    [{ pod: podOf(ended(0)), isPodGone: true, isJobGone: true }, [0]],
    [
      { pod: podOf(PREEMPTED), isPodGone: true },
      [1, "its pod was preempted by one of higher priority: for another"],
    ],
    [
      { pod: podOf(RUNNING), isPodGone: true },
      [1, "its pod was deleted by another client"],
    ],
    [
      { pod: podOf(RUNNING), isJobGone: true },
      [1, "its Job was deleted by another client"],
    ],
    [
      { pod: podOf(ended(137, { reason: "OOMKilled" })) },
      [
        137,
        "out of memory: it used more than its memory limit (OOMKilled)",
      ],
    ],
    // The deadline, which the runner did not extend, explains the signal.
    [
      { pod: podOf(ended(143)), job: jobOf("DeadlineExceeded") },
      [
        143,
        "the runner lost its connection for too long, and Kubernetes ended it (DeadlineExceeded)",
      ],
    ],
    [{ pod: podOf(ended(0)), job: jobOf("DeadlineExceeded") }, [0]],
    [
      { job: jobOf("BackoffLimitExceeded") },
      [1, "its Job failed (BackoffLimitExceeded): m"],
    ],
    // The state of the Pod arrives later, and contains more details.
    [{ pod: podOf(RUNNING), job: jobOf("BackoffLimitExceeded") }, undefined],
    [
      { pod: podOf({ phase: "Failed", reason: "Evicted", message: "disk" }) },
      [1, "its pod was evicted: disk"],
    ],
    [
      {
        pod: podOf(ended(143), { deletionTimestamp: "2026-01-01T00:00:00Z" }),
      },
      [143, "its pod was deleted by another client"],
    ],
  ];
  for (const [view, expected] of cases) {
    const exit = exitIn({ isPodGone: false, isJobGone: false, ...view });
    const [exitCode, reason] = expected ?? [];
    assertEquals(
      exit,
      exitCode === undefined
        ? undefined
        : { exitCode, ...reason === undefined ? {} : { reason } },
      JSON.stringify(view),
    );
  }
});
