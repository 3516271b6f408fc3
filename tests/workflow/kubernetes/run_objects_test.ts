import { assertEquals, assertRejects } from "@std/assert";
import { Cluster } from "../../../src/workflow/kubernetes/cluster.ts";
import {
  ClusterError,
  type ClusterTransport,
} from "../../../src/workflow/kubernetes/cluster_transport.ts";
import { RunObjects } from "../../../src/workflow/kubernetes/run_objects.ts";

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
