import { assertEquals, assertRejects } from "@std/assert";
import { RunnerError } from "../../../src/errors.ts";
import { Cluster } from "../../../src/workflow/kubernetes/cluster.ts";
import type { ClusterTransport } from "../../../src/workflow/kubernetes/cluster_transport.ts";
import { fetchFiles } from "../../../src/workflow/kubernetes/pod_files.ts";
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
