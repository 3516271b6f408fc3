import { assertEquals, assertRejects } from "@std/assert";
import { RunnerError } from "../../../src/errors.ts";
import { Cluster } from "../../../src/workflow/kubernetes/cluster.ts";
import {
  ClusterError,
} from "../../../src/workflow/kubernetes/cluster_transport.ts";
import { httpsTransport } from "../../../src/workflow/kubernetes/https_transport.ts";
import { jobManifest } from "../../../src/workflow/kubernetes/job_manifest.ts";
import { hasNamespaces } from "../../helpers/kubernetes/container_process.ts";
import { startApiServer, TOKEN } from "../../helpers/kubernetes/api_server.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

Deno.test({
  name:
    "httpsTransport() sends requests, reads streams and runs programs with the token of a Pod",
  ignore: !await hasNamespaces(),
  async fn() {
    await using server = await startApiServer();
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "ca.crt": server.ca,
      token: `${TOKEN}\n`,
      namespace: "ci",
    });
    await using transport = await httpsTransport({
      env: {
        KUBERNETES_SERVICE_HOST: "127.0.0.1",
        KUBERNETES_SERVICE_PORT: new URL(server.url).port,
      },
      directory: directory.path,
    });
    const { signal } = new AbortController();
    const cluster = new Cluster(transport);
    const manifest = jobManifest({
      jobId: crypto.randomUUID(),
      suffix: "89abcdef",
      runId: "run",
      queue: "local",
      displayName: "a",
      image: "image:1",
      helperImage: "image:1",
      command: ["true"],
      directory: "/job",
      facts: {},
      hasSecret: false,
      user: { uid: 1001, gid: 1001 },
      resources: {},
      gpuCount: 0,
      imagePullSecrets: [],
      nodeSelector: {},
      tolerations: [],
      leaseSeconds: 600,
    });
    const { name } = manifest.metadata;
    const job = await cluster.create("jobs", manifest, signal);
    // It is not created again if only the response was lost.
    const again = await cluster.create("jobs", manifest, signal);
    assertEquals(again.metadata.uid, job.metadata.uid);
    await cluster.extendDeadline(name, 700, signal);
    const { spec } = (await cluster.get("jobs", name, signal))!;
    assertEquals(spec?.activeDeadlineSeconds, 700);
    let pod = "";
    while (server.node.container(pod, "prepare") === undefined) {
      const { items } = await cluster.list("pods", "", signal);
      pod = items[0]?.metadata.name ?? "";
    }
    const target = (...command: string[]) => ({
      ...{ pod, container: "prepare", command },
    });
    const text = new Uint8Array(300_000).fill(97);
    const received = await new Response(
      ReadableStream.from(
        transport.exec(
          target("sh", "-c", "cat; cat /dev/null"),
          ReadableStream.from([text]),
          signal,
        ) as AsyncIterable<Uint8Array<ArrayBuffer>>,
      ),
    ).bytes();
    assertEquals(received.length, text.length);
    const failing = transport.exec(
      target("sh", "-c", "echo why >&2; exit 3"),
      undefined,
      signal,
    );
    await assertRejects(
      async () => {
        for await (const _ of failing);
      },
      ClusterError,
      "why",
    );
    // It is unknown whether the program has succeeded.
    server.brokenExecCount = 1;
    const lost = await assertRejects(
      async () => {
        const output = transport.exec(target("true"), undefined, signal);
        for await (const _ of output);
      },
      ClusterError,
      "Lost the connection to the pod",
    );
    assertEquals(lost.isTransient, true);
    await cluster.delete("jobs", name, { signal });
    await cluster.delete("jobs", name, { signal });
    const path = cluster.path("jobs", name);
    const gone = await assertRejects(
      () => transport.send({ method: "GET", path }, signal),
      ClusterError,
      "not found",
    );
    assertEquals([gone.status, gone.isTransient], [404, false]);
    await Deno.writeTextFile(`${directory.path}/token`, "wrong");
    await assertRejects(
      () => cluster.checkAccess(signal),
      ClusterError,
      "Unauthorized",
    );
  },
});

Deno.test("httpsTransport() opens no client if the Pod has no namespace", async () => {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, { "ca.crt": "", token: TOKEN });
  await assertRejects(
    () =>
      httpsTransport({
        env: { KUBERNETES_SERVICE_HOST: "127.0.0.1" },
        directory: directory.path,
      }),
    RunnerError,
    `Cannot read "${directory.path}/namespace"`,
  );
});
