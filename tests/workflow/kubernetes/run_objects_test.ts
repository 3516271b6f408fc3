import { assert, assertEquals, assertRejects } from "@std/assert";
import { Cluster } from "../../../src/workflow/kubernetes/cluster.ts";
import {
  ClusterError,
  type ClusterTransport,
} from "../../../src/workflow/kubernetes/cluster_transport.ts";
import {
  keepLease,
  RunObjects,
} from "../../../src/workflow/kubernetes/run_objects.ts";
import { until } from "../../helpers/soon.ts";

Deno.test("RunObjects fails when watches have failed for too long", async () => {
  let watchCount = 0;
  const transport: Pick<ClusterTransport, "namespace" | "send" | "stream"> = {
    namespace: "ci",
    send: () =>
      Promise.resolve({ items: [], metadata: { resourceVersion: "1" } }),
    // deno-lint-ignore require-yield
    async *stream() {
      watchCount++;
      await Promise.resolve();
      throw new ClusterError("Cannot reach the cluster", {
        status: undefined,
      });
    },
  };
  const cluster = new Cluster(transport as ClusterTransport);
  await using objects = new RunObjects(cluster, "run", 500);
  const { signal } = new AbortController();
  await assertRejects(
    () => objects.until("job", ({ job }) => job, signal),
    ClusterError,
    "Cannot reach the cluster",
  );
  assertEquals(watchCount > 2, true, String(watchCount));
});

Deno.test("keepLease() extends the deadline until it is disposed of, despite failures", async () => {
  const deadlines: number[] = [];
  let putCount = 0;
  const transport: Pick<ClusterTransport, "namespace" | "send"> = {
    namespace: "ci",
    send({ method, body }) {
      if (method === "GET") return Promise.resolve({ spec: { kept: 1 } });
      if (++putCount === 2) {
        const error = new ClusterError("refused", { status: 403 });
        return Promise.reject(error);
      }
      const { spec } = body as {
        spec: { kept: number; activeDeadlineSeconds: number };
      };
      assertEquals(spec.kept, 1);
      deadlines.push(spec.activeDeadlineSeconds);
      return Promise.resolve({});
    },
  };
  const problems: string[] = [];
  {
    using _ = keepLease(new Cluster(transport as ClusterTransport), "a", {
      seconds: 0.03,
      onProblem: (problem) => problems.push(problem),
    });
    await until(() => deadlines.length === 4, "four extensions");
  }
  // From the start of the Job, so that clocks need not agree.
  assert(deadlines.every((seconds) => seconds > 0.03 && seconds < 60));
  assertEquals(problems, ["Cannot extend the deadline: refused"]);
  const count = putCount;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(putCount, count);
});
