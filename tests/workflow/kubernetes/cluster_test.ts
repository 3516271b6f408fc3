import { assertEquals, assertRejects } from "@std/assert";
import { Cluster } from "../../../src/workflow/kubernetes/cluster.ts";
import {
  ClusterError,
  type ClusterRequest,
  type ClusterTransport,
} from "../../../src/workflow/kubernetes/cluster_transport.ts";
import { RUN_LABEL } from "../../../src/workflow/kubernetes/job_manifest.ts";

const { signal } = new AbortController();

/** A cluster that answers requests, and its requests. */
function clusterOf(
  answer: (request: ClusterRequest, count: number) => unknown,
) {
  const sent: string[] = [];
  const transport: Pick<ClusterTransport, "namespace" | "send"> = {
    namespace: "ci",
    send(request) {
      sent.push(`${request.method} ${request.path.split("/").at(-1)}`);
      const found = answer(request, sent.length);
      return found instanceof Error
        ? Promise.reject(found)
        : Promise.resolve(found);
    },
  };
  return { cluster: new Cluster(transport as ClusterTransport), sent };
}

function refusal(status: number | undefined): ClusterError {
  return new ClusterError("refused", { status });
}

function job(run: string) {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "a", labels: { [RUN_LABEL]: run } },
    spec: {},
  };
}

Deno.test("Cluster adopts an object only if its own failed request created it", async () => {
  const create = (owner: string | undefined) =>
    clusterOf(({ method }) =>
      method === "POST"
        ? refusal(409)
        : owner === undefined
        ? refusal(404)
        : job(owner)
    ).cluster.create("jobs", job("mine"), signal);
  assertEquals((await create("mine")).metadata.name, "a");
  for (const owner of ["other", undefined]) {
    const error = await assertRejects(() => create(owner), ClusterError);
    assertEquals(error.status, 409);
  }
  const { cluster } = clusterOf(() => ({
    metadata: { name: "b", labels: { [RUN_LABEL]: "mine" } },
  }));
  await assertRejects(
    () => cluster.create("jobs", job("mine"), signal),
    ClusterError,
    "the response is another object",
  );
});

Deno.test("Cluster extends a deadline despite conflicting changes, and never creates a job", async () => {
  const bodies: unknown[] = [];
  const { cluster, sent } = clusterOf(({ method, body }, count) => {
    if (method === "GET") return { ...job("mine"), kept: count };
    bodies.push(body);
    return count < 4 ? refusal(409) : {};
  });
  await cluster.extendDeadline("a", 70, signal);
  assertEquals(sent, ["GET a", "PUT a", "GET a", "PUT a"]);
  // Changes by other clients are kept.
  assertEquals(bodies.at(-1), {
    ...job("mine"),
    kept: 3,
    spec: { activeDeadlineSeconds: 70 },
  });
  const stubborn = clusterOf(({ method }) =>
    method === "GET" ? job("mine") : refusal(409)
  );
  const extending = () => stubborn.cluster.extendDeadline("a", 70, signal);
  await assertRejects(extending, ClusterError);
  assertEquals(stubborn.sent.length, 10);
  const gone = clusterOf(() => refusal(404));
  await gone.cluster.extendDeadline("a", 70, signal);
  assertEquals(gone.sent, ["GET a"]);
});

Deno.test("Cluster retries only after transient errors", async () => {
  for (const status of [undefined, 429, 500, 503]) {
    const { cluster, sent } = clusterOf((_request, count) =>
      count === 1 ? refusal(status) : job("mine")
    );
    await cluster.get("jobs", "a", signal);
    assertEquals(sent.length, 2, String(status));
  }
  for (const status of [400, 401, 403, 422]) {
    const { cluster, sent } = clusterOf(() => refusal(status));
    await assertRejects(() => cluster.get("jobs", "a", signal), ClusterError);
    assertEquals(sent.length, 1, String(status));
  }
});
