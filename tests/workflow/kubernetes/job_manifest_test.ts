import { assertEquals, assertMatch } from "@std/assert";
import {
  jobManifest,
  type JobManifestInput,
  secretManifest,
} from "../../../src/workflow/kubernetes/job_manifest.ts";
import { findObjectProblems } from "../../helpers/kubernetes/object_problems.ts";

const INPUT: JobManifestInput = {
  jobId: "0a1b2c3d-0000-4000-8000-000000000000",
  suffix: "89abcdef",
  runId: "1a1b2c3d-0000-4000-8000-000000000000",
  queue: "local",
  displayName: "tést [0]",
  image: "image:1",
  helperImage: "helper:1",
  command: ["runnerlib", "run", "--job-command=echo $$ $(HOME) $HOME"],
  directory: "/job/src",
  facts: { HOME: "/home/runner", A: "$(B) $$" },
  hasSecret: true,
  user: { uid: 1001, gid: 1001 },
  resources: {
    cpu: { request: "500m", limit: "1.5" },
    memory: { limit: "512KB" },
  },
  gpuCount: 1,
  imagePullSecrets: ["pull"],
  nodeSelector: { disk: "ssd" },
  tolerations: [{ key: "ci", operator: "Exists", effect: "NoSchedule" }],
  serviceAccount: "ci",
  leaseSeconds: 600,
};

// deno-lint-ignore no-explicit-any
const jobOf = (change: Partial<JobManifestInput> = {}): any =>
  jobManifest({ ...INPUT, ...change });

Deno.test("jobManifest() names a Job as the coordinator's worker does", () => {
  const { metadata, spec } = jobOf();
  const name = `reactorcide-job-${INPUT.jobId}-89abcdef`;
  assertEquals(metadata.name, name);
  // A Pod gets the name as a label, too.
  assertEquals(name.length, 61);
  const own = { "reactorcide.io/run-id": INPUT.runId };
  assertEquals(metadata.labels, {
    "reactorcide.io/job-id": INPUT.jobId,
    "reactorcide.io/queue": "local",
    "reactorcide.io/component": "job",
    "reactorcide.io/log-exclude": "true",
    ...own,
  });
  assertEquals(spec.template.metadata.labels, {
    "reactorcide.io/job-id": INPUT.jobId,
    "reactorcide.io/job-name": name,
    "reactorcide.io/log-exclude": "true",
    ...own,
  });
  assertEquals(spec.backoffLimit, 0);
  assertEquals(spec.activeDeadlineSeconds, 600);
  assertEquals(spec.ttlSecondsAfterFinished, 300);
});

Deno.test("jobManifest() creates Jobs that the published schema allows", () => {
  for (
    const change of [
      {},
      { hasSecret: false, resources: {}, gpuCount: 0, facts: {} },
      { user: { uid: 0, gid: 0 }, nodeSelector: {}, tolerations: [] },
      { imagePullSecrets: [], serviceAccount: undefined },
    ]
  ) {
    assertEquals(findObjectProblems(jobOf(change)), []);
  }
  const bad = jobOf();
  bad.spec.template.spec.containers[0].image = 1;
  bad.spec.template.spec.contaners = [];
  assertEquals(findObjectProblems(bad).length, 2);
});

Deno.test("jobManifest() creates only unprivileged containers", () => {
  const { spec } = jobOf().spec.template;
  assertEquals(spec.automountServiceAccountToken, false);
  assertEquals(spec.securityContext.runAsNonRoot, true);
  assertEquals(spec.securityContext.seccompProfile, { type: "RuntimeDefault" });
  for (const container of [...spec.initContainers, ...spec.containers]) {
    assertEquals(container.securityContext, {
      allowPrivilegeEscalation: false,
      privileged: false,
      capabilities: { drop: ["ALL"] },
    });
  }
  const root = jobOf({ user: { uid: 0, gid: 0 } }).spec.template.spec;
  assertEquals(root.securityContext.runAsNonRoot, false);
});

Deno.test("jobManifest() passes what the job file requests, in units of Kubernetes", () => {
  const { spec } = jobOf().spec.template;
  assertEquals(spec.nodeSelector, INPUT.nodeSelector);
  assertEquals(spec.tolerations, INPUT.tolerations);
  assertEquals(spec.imagePullSecrets, [{ name: "pull" }]);
  assertEquals(spec.containers[0].resources, {
    limits: { cpu: "1.5", memory: "512k", "nvidia.com/gpu": "1" },
    requests: { cpu: "500m", memory: "512k" },
  });
  for (
    const [limit, memory] of [
      ["4Gi", "4Gi"],
      ["4GiB", "4Gi"],
      ["1000", "1000"],
      ["2M", "2M"],
      ["1K", "1k"],
    ]
  ) {
    const { resources } = jobOf({ resources: { memory: { limit } } })
      .spec.template.spec.containers[0];
    assertEquals(resources.limits.memory, memory);
  }
});

/** Expands a text as Kubernetes does. */
function expanded(text: string, env: Record<string, string>): string {
  return text.replace(
    /\$(?:\$|\(([^()]*)\))/g,
    (whole, name) => whole === "$$" ? "$" : env[name] ?? whole,
  );
}

Deno.test("jobManifest() keeps dollar signs that Kubernetes would replace", () => {
  const [{ command, env }] = jobOf().spec.template.spec.containers;
  const expand = (text: string) => expanded(text, { HOME: "x", B: "y" });
  assertEquals(command.map(expand), [
    ...["sh", "-c", 'mkdir -p -- "$0" && cd -- "$0" && exec "$@"'],
    ...["/job/src", ...INPUT.command],
  ]);
  assertEquals(
    env.map((item: { name: string; value: string }) => [
      item.name,
      expand(item.value),
    ]),
    Object.entries(INPUT.facts),
  );
});

Deno.test("secretManifest() creates a Secret that its Job owns", () => {
  const job = { metadata: { ...jobOf().metadata, uid: "u" } };
  const secret = secretManifest(job, { TOKEN: "s" });
  assertEquals(findObjectProblems(secret), []);
  assertMatch(secret.metadata.name, /^reactorcide-job-/);
  assertEquals(secret.metadata.ownerReferences, [{
    ...{ apiVersion: "batch/v1", kind: "Job", uid: "u" },
    name: secret.metadata.name,
  }]);
});

Deno.test("jobManifest() keeps log collectors away from output that is not masked yet", () => {
  const { metadata, spec } = jobOf();
  for (const { annotations, labels } of [metadata, spec.template.metadata]) {
    assertEquals(labels["reactorcide.io/log-exclude"], "true");
    for (
      const [name, value] of Object.entries({
        "fluentbit.io/exclude": "true",
        "fluentd.kubernetes.io/exclude": "true",
        "promtail.io/ignore": "true",
        "co.elastic.logs/enabled": "false",
        "vector.dev/exclude": "true",
      })
    ) assertEquals(annotations[name], value, name);
  }
});
