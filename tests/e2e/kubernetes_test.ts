import { assert, assertEquals, assertMatch } from "@std/assert";
import { startCli } from "../helpers/cli.ts";
import {
  type ApiServer,
  startApiServer,
} from "../helpers/kubernetes/api_server.ts";
import { missingForPods } from "../helpers/kubernetes/missing.ts";
import type { ApiObject } from "../helpers/kubernetes/object_store.ts";
import { runMain } from "../helpers/run_main.ts";
import { until } from "../helpers/soon.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const SECRET = "s3cr3t-of-the-app";

const missing = await missingForPods();

/** Defines a test that needs Pods. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: missing !== undefined, fn });
}

/** A provider with a secret. */
const PROVIDERS = {
  REACTORCIDE_SECRET_PROVIDERS: JSON.stringify({
    app: { command: ["printf", "%s", SECRET] },
  }),
};

/** Arguments and environment of a run on a cluster. */
function onCluster(
  { kubeconfig }: ApiServer,
  cwd: string,
  args: readonly string[] = [],
): [string[], { cwd: string; env: Record<string, string> }] {
  return [
    [
      ...["workflow", "run", "ci.yaml", "--executor", "kubernetes"],
      ...["--image", "image:1", ...args],
    ],
    { cwd, env: { KUBECONFIG: kubeconfig, ...PROVIDERS } },
  ];
}

/** Waits until a search finds something, and returns it. */
async function seen<T>(find: () => T | undefined, what: string): Promise<T> {
  let found: T | undefined;
  await until(() => (found = find()) !== undefined, what);
  return found!;
}

/**
 * Returns the Pod of a job when a container of it has the given state, or `any`.
 */
function podOf(
  { store }: ApiServer,
  job: string,
  container = "job",
  state = "running",
): Promise<string> {
  return seen(() => {
    const pod = store.list("pods").find(({ metadata }) =>
      metadata.annotations["reactorcide.io/display-name"] === job
    );
    const statuses = [
      ...pod?.status.initContainerStatuses ?? [],
      ...pod?.status.containerStatuses ?? [],
    ];
    const { state: found } = statuses.find(({ name }: ApiObject) =>
      name === container
    ) ?? {};
    return state === "any" || found?.[state] !== undefined
      ? pod?.metadata.name
      : undefined;
  }, `the container "${container}" of job "${job}"`);
}

/** Asserts that a run has left nothing, and has created no object twice. */
function assertNothingIsLeft({ store }: ApiServer): void {
  for (const resource of ["jobs", "pods", "secrets"]) {
    assertEquals(store.list(resource), []);
  }
  assert(store.created.values().every((count) => count === 1));
}

/** Whether a process has the configuration of a server in its environment. */
function usesKubeconfig({ kubeconfig }: ApiServer): boolean {
  return Deno.readDirSync("/proc").some(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/${name}/environ`)
        .includes(`KUBECONFIG=${kubeconfig}\0`);
    } catch {
      // It is not a process, or belongs to another user.
      return false;
    }
  });
}

test("a job that Kubernetes ends is reported with the reason", async () => {
  await using server = await startApiServer();
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const job = (rest: string) =>
    `{ raw_command: true, command: "echo started; sleep 300 & wait", ${rest} }`;
  await makeFiles(path, {
    "ci.yaml": `
name: ci
jobs:
  pull: ${job("image: 'missing:1'")}
  select: ${job("node_selector: { disk: tape }")}
  memory: ${job("resources: { memory: { limit: 64Mi } }")}
  evict: ${job("")}
  pod: ${job("")}
  owner: ${job("")}
  good: { raw_command: true, command: "echo good", node_selector: { disk: ssd }, tolerations: [{ key: ci, operator: Exists }] }
`,
  });
  const [args, options] = onCluster(server, path);
  await using run = startCli(args, options);
  const { node, controller } = server;
  node.killForMemory(await podOf(server, "memory"), "job");
  await node.evict(await podOf(server, "evict"));
  controller.deletePod(await podOf(server, "pod"), 1);
  const owned = await podOf(server, "owner");
  controller.delete("jobs", owned.replace(/-[^-]+$/, ""));
  await run.sees(
    "The job is waiting: no node can run its pod (Unschedulable): 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.\n",
    "stderr",
  );
  const waiting = await podOf(server, "select", "prepare", "any");
  controller.delete("jobs", waiting.replace(/-[^-]+$/, ""));
  const { code, stderr } = await run.end();
  assertEquals(code, 1, stderr);
  for (
    const [name, reason] of Object.entries({
      select: "failed, its Job was deleted by another client",
      memory:
        "failed, out of memory: it used more than its memory limit (OOMKilled)",
      evict:
        "failed, its pod was evicted: The node was low on resource: ephemeral-storage.",
      pod: "failed, its pod was deleted by another client",
      owner: "failed, its Job was deleted by another client",
      good: "completed",
    })
  ) {
    assert(stderr.includes(`${name}: ${reason}\n`), `${name}\n${stderr}`);
  }
  assertMatch(
    stderr,
    /pull: failed, the image "missing:1" cannot be pulled \((ErrImagePull|ImagePullBackOff)\): manifest for missing:1 not found\n/,
  );
  assertMatch(stderr, /memory +exit code 137 /);
  assertNothingIsLeft(server);
});

test("a run on Kubernetes survives faults without losing or repeating anything", async () => {
  await using server = await startApiServer();
  await using directory = await temporaryDirectory();
  const { path } = directory;
  const lines = Array.from({ length: 200 }, (_, at) => `line ${at}`);
  await makeFiles(path, {
    "ci.yaml": `
name: ci
jobs:
  loud ${SECRET}:
    raw_command: true
    command: |
      i=0; while [ $i -lt 100 ]; do echo "line $i"; i=$((i + 1)); done
      echo "token $TOKEN"; while [ ! -e /tmp/go ]; do sleep 0.1; done
      while [ $i -lt 200 ]; do echo "line $i"; i=$((i + 1)); done; printf "no end"
    environment: { TOKEN: "\${secret:app:any:value}" }
`,
  });
  // Streams break in the middle of lines, and of the secret.
  server.cutLogsAfterBytes = 1_234;
  // The files arrive, but nothing reports it.
  server.brokenExecCount = 1;
  server.node.clockMs = -3_600_000;
  const [args, options] = onCluster(server, path);
  await using run = startCli(args, options);
  const pod = await podOf(server, "loud [REDACTED]");
  const manifests = JSON.stringify(server.store.list("jobs"));
  assert(!manifests.includes(SECRET) && !manifests.includes(btoa(SECRET)));
  const [secret] = server.store.list("secrets");
  assertEquals(atob(secret.data.TOKEN), SECRET);
  assertEquals(secret.metadata.ownerReferences[0].kind, "Job");
  await run.sees("token");
  await server.goDown();
  // The history is lost as well, as after a restart of the server.
  server.store.forget();
  const go = server.node.container(pod, "job")!.exec(["touch", "/tmp/go"]);
  await go.stdin.close();
  assertEquals((await go.output()).code, 0);
  await seen(
    () =>
      server.store.get("pods", pod).status.containerStatuses[0].state
        .terminated,
    "the end of the job",
  );
  server.goUp();
  const { code, stdout, stderr } = await run.end();
  assertEquals(code, 0, stderr);
  assertEquals(
    stdout,
    [...lines.slice(0, 100), "token [REDACTED]", ...lines.slice(100), "no end"]
      .map((line) => `${line}\n`).join(""),
  );
  assert(!stderr.includes(SECRET));
  assertNothingIsLeft(server);
});

test("two runs of a workflow on Kubernetes pass on only their own artifacts", async () => {
  await using server = await startApiServer();
  await using directory = await temporaryDirectory();
  const run = async (who: string) => {
    const path = `${directory.path}/${who}`;
    await makeFiles(path, {
      "ci.yaml": `
name: ci
vars: { who: x }
jobs:
  a:
    raw_command: true
    command: mkdir dist; echo "$RC_WF_VARS_JSON" > dist/vars
    artifacts: { dist: { paths: [dist/*] } }
  b:
    needs: { job: a, artifacts: dist }
    raw_command: true
    command: "cat dist/vars; [ ! -e fails ] || exit 4"
`,
      ...who === "two" ? { fails: "" } : {},
    });
    const [args, { cwd, env }] = onCluster(
      ...[server, path, ["--var", `who=${who}`]] as const,
    );
    const { code, stdout, stderr } = await runMain(args, {
      cwd,
      env: { ...env, XDG_CACHE_HOME: `${directory.path}/user` },
    });
    return [code, stdout || stderr];
  };
  assertEquals(await Promise.all([run("one"), run("two")]), [
    [0, 'b | {"who":"one"}\n'],
    [4, 'b | {"who":"two"}\n'],
  ]);
  assertNothingIsLeft(server);
});

test("a run on Kubernetes leaves nothing behind when it is cancelled or killed", async () => {
  await using server = await startApiServer();
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "ci.yaml":
      `name: ci\njobs: { a: { raw_command: true, command: "trap 'echo asked; exit 3' TERM; echo ready; sleep 300 & wait" } }`,
  });
  {
    const [args, options] = onCluster(server, path);
    await using run = startCli(args, options);
    await run.sees("ready");
    run.child.kill("SIGTERM");
    const { code, stdout } = await run.end();
    assertEquals([code, stdout], [143, "ready\nasked\n"]);
    assertNothingIsLeft(server);
  }
  const [args, options] = onCluster(server, path);
  await using run = startCli(args, options);
  const pod = await podOf(server, "a");
  run.child.kill("SIGKILL");
  await run.end();
  await until(() => !usesKubeconfig(server), "the end of kubectl");
  const { store, controller } = server;
  controller.skip(400_000);
  assertEquals(store.list("jobs")[0].status.conditions, undefined);
  controller.skip(250_000);
  assertEquals(
    store.list("jobs")[0].status.conditions[0].reason,
    "DeadlineExceeded",
  );
  controller.skip(61_000);
  await until(() => store.get("pods", pod) === undefined, "the end of the pod");
  controller.skip(301_000);
  assertNothingIsLeft(server);
});

test("workflow run reports what keeps jobs from running on Kubernetes", async () => {
  await using server = await startApiServer();
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    "ci.yaml": `
name: ci
jobs:
  steps: { steps: [{ name: s, run: x, env: { A: "\${secret:a:b:c}" } }] }
  docker: { command: x, capabilities: [docker] }
  user: { command: x, run_as: { user: host } }
`,
    "good/ci.yaml":
      `name: ci\njobs: { a: { raw_command: true, command: "true", node_selector: { disk: tape } } }`,
  });
  const refused = await runMain(...onCluster(server, path));
  assertEquals(refused.code, 1);
  for (
    const problem of [
      'job "steps": its steps refer to secrets',
      'job "docker": its capability "docker" needs a privileged container',
      'job "user": its user "host" is not runner, root or uid[:gid]',
    ]
  ) assert(refused.stderr.includes(problem), refused.stderr);
  const forbidden = await runMain(
    ...onCluster(server, `${path}/good`, ["--context", "other"]),
  );
  assertEquals(forbidden.code, 1);
  assertMatch(forbidden.stderr, /jobs is forbidden/);
  assertEquals(server.store.list("jobs"), []);
  const late = await runMain(
    ...onCluster(server, `${path}/good`, ["--start-timeout", "1s"]),
  );
  assertEquals(late.code, 1);
  assertMatch(
    late.stderr,
    /a: failed, it did not start within 1 s: no node can run/,
  );
  assertNothingIsLeft(server);
});
