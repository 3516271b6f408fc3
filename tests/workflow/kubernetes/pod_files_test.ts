import { assertEquals, assertRejects } from "@std/assert";
import { RunnerError } from "../../../src/errors.ts";
import { Cluster } from "../../../src/workflow/kubernetes/cluster.ts";
import type { ClusterTransport } from "../../../src/workflow/kubernetes/cluster_transport.ts";
import { httpsTransport } from "../../../src/workflow/kubernetes/https_transport.ts";
import {
  fetchFiles,
  sendFiles,
} from "../../../src/workflow/kubernetes/pod_files.ts";
import { startApiServer, TOKEN } from "../../helpers/kubernetes/api_server.ts";
import { missingForPods } from "../../helpers/kubernetes/missing.ts";
import { until } from "../../helpers/soon.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

/** A cluster whose Pods send a directory. */
function clusterOf(directory: string): Cluster {
  return new Cluster(
    {
      async *exec() {
        const { stdout } = await new Deno.Command("tar", {
          args: ["-czf", "-", "-C", directory, "."],
        }).output();
        yield stdout;
      },
    } as unknown as ClusterTransport,
  );
}

/** Fetches `src/out/x` from a Pod. */
async function fetchFrom(path: string): Promise<string[]> {
  return await fetchFiles(clusterOf(`${path}/pod`), {
    pod: "pod",
    workspace: `${path}/job`,
    paths: { artifacts: "artifacts", code: ["src/out/x"] },
    signal: new AbortController().signal,
  });
}

Deno.test("fetchFiles() replaces code and keeps what the runner wrote", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "pod/src/out/x/new": "new",
    "pod/artifacts/a": "of the pod",
    "pod/artifacts/b": "of the pod",
    "job/src/out/x/old": "old",
    "job/artifacts/a": "of the runner",
  });
  assertEquals(await fetchFrom(path), ["artifacts/a"]);
  const names = await Array.fromAsync(Deno.readDir(`${path}/job/src/out/x`));
  assertEquals(names.map(({ name }) => name), ["new"]);
  assertEquals(
    await Deno.readTextFile(`${path}/job/artifacts/b`),
    "of the pod",
  );
});

Deno.test("fetchFiles() follows no link out of the workspace, nor out of what a Pod sent", async () => {
  for (const side of ["job", "pod"]) {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "outside/x": "kept",
      "pod/src/out/x": "hostile",
      "job/src/keep": "",
    });
    await Deno.mkdir(`${path}/${side}/src`, { recursive: true });
    await Deno.remove(`${path}/${side}/src/out`, { recursive: true })
      .catch(() => {});
    await Deno.symlink(`${path}/outside`, `${path}/${side}/src/out`);
    await assertRejects(() => fetchFrom(path), RunnerError, "src/out");
    assertEquals(await Deno.readTextFile(`${path}/outside/x`), "kept", side);
  }
});

Deno.test({
  name: "sendFiles() waits for a program that still unpacks the files",
  ignore: await missingForPods() !== undefined,
  async fn() {
    await using server = await startApiServer();
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "token/ca.crt": server.ca,
      "token/token": TOKEN,
      "token/namespace": "ci",
      "first/who": "first",
      "second/who": "second",
      "second/other": "",
    });
    await using transport = await httpsTransport({
      env: {
        KUBERNETES_SERVICE_HOST: "127.0.0.1",
        KUBERNETES_SERVICE_PORT: new URL(server.url).port,
      },
      directory: `${path}/token`,
    });
    const { signal } = new AbortController();
    const shared = { name: "job", mountPath: "/job" };
    const containerOf = (name: string, script: string) => ({
      ...{ name, image: "image:1", command: ["sh", "-c", script] },
      volumeMounts: [shared],
    });
    const securityContext = { runAsUser: 1001, runAsGroup: 1001 };
    await new Cluster(transport).create("jobs", {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "a", labels: {} },
      spec: {
        template: {
          metadata: { labels: {} },
          spec: {
            ...{ restartPolicy: "Never", securityContext },
            initContainers: [
              containerOf(
                "prepare",
                "mkfifo /tmp/runnerlib-start; cat /tmp/runnerlib-start",
              ),
            ],
            containers: [containerOf("job", "cat /job/who; ls /job")],
            volumes: [{ name: "job", emptyDir: {} }],
          },
        },
      },
    }, signal);
    const podOf = () => server.store.list("pods")[0]?.metadata.name ?? "";
    await until(
      () => server.node.container(podOf(), "prepare") !== undefined,
      "the container",
    );
    await server.node.container(podOf(), "prepare")!.started;
    const stop = new AbortController();
    const hasSent = Promise.withResolvers<void>();
    const send = (
      workspace: string,
      paced: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
    ) =>
      sendFiles(
        new Cluster({
          ...transport,
          exec: (target, input, signal) =>
            transport.exec(target, input && paced(input), signal),
        }),
        {
          pod: podOf(),
          workspace: `${path}/${workspace}`,
          signal: stop.signal,
        },
      );
    const first = send("first", async function* (bytes) {
      const all = await Array.fromAsync(bytes);
      yield* all.slice(0, -1);
      await hasSent.promise;
      // The other program has received all bytes, and could unpack them.
      await new Promise((resolve) => setTimeout(resolve, 300));
      yield* all.slice(-1);
    });
    const probe = server.node.container(podOf(), "prepare")!.exec([
      ...["sh", "-c", "until [ -e /tmp/runnerlib-lock/pid ]; do :; done"],
    ]);
    await probe.stdin.close();
    assertEquals((await probe.output()).code, 0);
    const second = send("second", async function* (bytes) {
      yield* bytes;
      hasSent.resolve();
    });
    await first;
    stop.abort();
    await Promise.allSettled([second]);
    await until(
      () => server.node.container(podOf(), "job") !== undefined,
      "the job",
    );
    const job = server.node.container(podOf(), "job")!;
    assertEquals(await job.exitCode, 0);
    const lines = job.log.lines(0n, true, false);
    const text = (await Array.fromAsync(lines))
      .map((line) => new TextDecoder().decode(line)).join("");
    assertEquals(text, "firstwho\n");
  },
});
