import { assertEquals, assertRejects } from "@std/assert";
import type { Host } from "../../../src/host.ts";
import { Cluster } from "../../../src/workflow/kubernetes/cluster.ts";
import { ClusterError } from "../../../src/workflow/kubernetes/cluster_transport.ts";
import { kubectlTransport } from "../../../src/workflow/kubernetes/kubectl_transport.ts";
import { endProcess, waitForExit } from "../../helpers/process_table.ts";
import { soon } from "../../helpers/soon.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../../helpers/temporary_directory.ts";

/** Prints what kubectl prints; the test serves its socket. */
const KUBECTL = `#!/bin/sh
case "$*" in
*"config view"*) printf ci ;;
*broken*) echo 'E1128 12:00:00 log' >&2; printf 'error: context "broken" does not exist\\n' >&2; exit 1 ;;
*proxy*)
  for word do case $word in --unix-socket=*) echo "\${word#*=}" > "$0.socket" ;; esac; done
  echo $$ >> "$0.pids"
  echo "Starting to serve on a socket"
  exec sleep 1000 ;;
esac
`;

/** A directory with a kubectl, and the process around the runner. */
async function fakeKubectl() {
  const directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, { kubectl: KUBECTL });
  await Deno.chmod(`${path}/kubectl`, 0o755);
  const host = {
    cwd: path,
    env: { PATH: `${path}:/usr/bin:/bin`, TMPDIR: path },
  } as unknown as Host;
  const read = async (name: string) =>
    (await Deno.readTextFile(`${path}/kubectl.${name}`)).trim().split("\n");
  return {
    host,
    socket: async () => (await read("socket"))[0],
    pids: async () => (await read("pids")).map(Number),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

Deno.test("kubectlTransport() sends all requests through one kubectl, and starts another if it is killed", async () => {
  await using kubectl = await fakeKubectl();
  const { host } = kubectl;
  {
    await using transport = await kubectlTransport({ host });
    const requests: string[] = [];
    const pending = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("a")),
    });
    await using _server = Deno.serve(
      { path: await kubectl.socket(), onListen: () => {} },
      ({ method, url }) => {
        const { pathname, search } = new URL(url);
        requests.push(`${method} ${pathname}${search}`);
        if (search === "?watch=true") return new Response(pending);
        return pathname.endsWith("secrets")
          ? new Response("dial tcp: \x1b[31mrefused\n", { status: 502 })
          : Response.json({ items: [] });
      },
    );
    const { signal } = new AbortController();
    const cluster = new Cluster(transport);
    await cluster.checkAccess(signal);
    const refused = await assertRejects(
      () => transport.send({ method: "GET", path: "/x/secrets" }, signal),
      ClusterError,
      "The cluster refused a request: dial tcp: refused",
    );
    assertEquals([refused.status, refused.isTransient], [502, true]);
    const stop = new AbortController();
    const stream = transport.stream("/x/jobs?watch=true", stop.signal);
    const reading = assertRejects(async () => {
      for await (const _ of stream) stop.abort();
    }, DOMException);
    await soon(reading, "the end of the stream");
    const [first] = await kubectl.pids();
    endProcess(first);
    await waitForExit(first);
    const another = async () => {
      // Its end is noticed a little later.
      while ((await kubectl.pids()).length < 2) {
        await cluster.checkAccess(signal);
      }
    };
    await soon(another(), "another kubectl");
    assertEquals([...new Set(requests)], [
      "GET /apis/batch/v1/namespaces/ci/jobs?limit=1",
      "GET /x/secrets",
      "GET /x/jobs?watch=true",
    ]);
  }
  for (const pid of await kubectl.pids()) await waitForExit(pid);
});

Deno.test("kubectlTransport() fails with the message of kubectl", async () => {
  await using kubectl = await fakeKubectl();
  const { host } = kubectl;
  await assertRejects(
    () => kubectlTransport({ host, context: "broken" }),
    ClusterError,
    'Cannot run "kubectl proxy": error: context "broken" does not exist',
  );
});
