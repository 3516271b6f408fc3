import { assert, assertEquals, assertMatch } from "@std/assert";
import { type CliResult, runCli, startCli } from "../helpers/cli.ts";
import {
  type ApiServer,
  startApiServer,
} from "../helpers/kubernetes/api_server.ts";
import type { ApiObject } from "../helpers/kubernetes/object_store.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const SECRET = "s3cr3t-of-the-app";

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

/** Waits until the server has what is looked for. */
async function seen<T>(find: () => T | undefined): Promise<T> {
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Returns the Pod of a job when a container of it has the given state. */
function podOf(
  { store }: ApiServer,
  job: string,
  container = "job",
  state: string | undefined = "running",
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
    return state === undefined || found?.[state] !== undefined
      ? pod?.metadata.name
      : undefined;
  });
}

/** Asserts that a run has left nothing, and has created no object twice. */
function assertNothingIsLeft({ store }: ApiServer): void {
  for (const resource of ["jobs", "pods", "secrets"]) {
    assertEquals(store.list(resource), []);
  }
  assert(store.created.values().every((count) => count === 1));
}

/** A workflow with all that its graph can do. */
const WORKFLOW = `
name: ci
vars: { given: 1 }
jobs:
  build:
    command: |
      cat code.txt; echo "$((6 * 7))" '$$(HOME)' '$$' "token $TOKEN"
      echo '{"outputs":{"x":[1]},"vars":{"v":"e"}}' > "$RC_WF_OUTPUT_FILE"
      exit 0
    environment: { TOKEN: "\${secret:app:any:value}" }
  test:
    needs: build
    for_each: [a, b]
    item_var: PART
    raw_command: true
    command: echo "$PART $RC_WF_VARS_JSON $RC_WF_NODE_NAME $V"
    environment: { V: "$(HOME) $$ 1" }
  broken: { needs: build, raw_command: true, command: "echo '$$(HOME)' '$$' $(HOME= ; echo x); exit 7" }
  never: { needs: broken, command: echo never }
  alarm: { needs: broken, condition: any_failed, raw_command: true, command: pwd }
  always:
    needs: [never, alarm]
    condition: always
    raw_command: true
    command: |
      cd "\${RC_WF_OUTPUT_FILE%/*}"; mkdir -p artifacts/x; echo hi > artifacts/x/a.txt; printf end
`;

/** What a run tells, without times and places. */
async function toldBy(
  { code, stdout, stderr }: CliResult,
  path: string,
): Promise<unknown> {
  const table = stderr.split("\n").filter((line) => /^[✓✗–] \w/.test(line))
    .map((line) => line.replace(/ +(?:[\d.]+s|–)(?= |$)/, "").trimEnd());
  const output = stdout.split("\n").map((line) => line.replace(/ +\|/, " |"))
    .filter((line) => !line.includes("[job]") && /\| \S/.test(line))
    .map((line) => line.replace(/(?:\/\S*)?\/job\/src$/, "/job/src"))
    .sort();
  const record = await Deno.readTextFile(
    `${path}/.reactorcide/workflow/run.jsonl`,
  );
  const steps = record.trim().split("\n").map((line) => JSON.parse(line))
    .filter(({ event }) => event === "step.ended")
    .map(({ step, outcome, exitCode, reason, record }) => ({
      ...{ step, outcome, exitCode, reason, record },
    }))
    .sort((a, b) => a.step < b.step ? -1 : 1);
  return { code, table, output, steps };
}

Deno.test("a workflow ends on Kubernetes as on this machine", async () => {
  await using server = await startApiServer();
  const told = [];
  for (const isRemote of [false, true]) {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, { "ci.yaml": WORKFLOW, "code.txt": "code\n" });
    const result = isRemote
      ? await runCli(...onCluster(server, path))
      : await runCli(["workflow", "run", "ci.yaml"], {
        cwd: path,
        env: PROVIDERS,
      });
    assert(!(result.stdout + result.stderr).includes(SECRET));
    told.push(await toldBy(result, path));
    const workspace = `${path}/.reactorcide/workflow/jobs/always/job`;
    assertEquals(
      await Deno.readTextFile(`${workspace}/artifacts/x/a.txt`),
      "hi\n",
    );
  }
  assertEquals(told[1], told[0]);
  const { code, output } = told[1] as { code: number; output: string[] };
  assertEquals(code, 7);
  assert(
    output.includes("build | 42 $$(HOME) $$ token [REDACTED]"),
    output.join(),
  );
  assertNothingIsLeft(server);
});

Deno.test("a job that Kubernetes ends is told as what it is", async () => {
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
    "The job waits: no node can run its pod (Unschedulable): 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.\n",
    "stderr",
  );
  const waiting = await podOf(server, "select", "prepare", undefined);
  controller.delete("jobs", waiting.replace(/-[^-]+$/, ""));
  const { code, stderr } = await run.end();
  assertEquals(code, 1, stderr);
  for (
    const [name, reason] of Object.entries({
      select: "failed, its Job was deleted by somebody else",
      memory:
        "failed, out of memory: it used more than its memory limit (OOMKilled)",
      evict:
        "failed, its pod was evicted: The node was low on resource: ephemeral-storage.",
      pod: "failed, its pod was deleted by somebody else",
      owner: "failed, its Job was deleted by somebody else",
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
