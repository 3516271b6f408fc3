import { assert, assertEquals } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import type { Trigger } from "../../src/triggers/trigger_options.ts";
import {
  startCoordinator,
  type TestCoordinator,
} from "../helpers/coordinator.ts";
import { Random } from "../helpers/random.ts";
import { type TestRunner, testRunner } from "../helpers/test_runner.ts";

/** Number of documents in one run of this test. */
const DOCUMENT_COUNT = Number(Deno.env.get("TRIGGER_DOCUMENTS") ?? 500);

const LONG = "x".repeat(131_072);

/** Field values that are valid in any job. */
const GOOD: { [field in keyof Trigger]?: unknown[] } = {
  env: [
    { A: "1" },
    { A: "", KEY: "${secret:a:b}" },
    { A: LONG.slice(3) },
    { LOWER_org: 'ü\n"' },
  ],
  condition: ["always", " any_failed(needs) ", "all_success", "", "always()"],
  sourceType: ["git", "copy", "none", ""],
  sourceUrl: ["https://git.example/a.git", ""],
  ciSourceType: ["none", ""],
  containerImage: ["alpine:3"],
  jobCommand: ["echo 1", "", LONG.slice(1)],
  runAsUser: ["runner", "root", "0", "1000:1000", "Root", " 5 ", "7:", ""],
  priority: [-5, 2_147_483_647, -2_147_483_648, 0, null],
  timeoutSeconds: [1, 2_147_483_647],
  capabilities: [[]],
  imagePullSecrets: [["a.b-c"], ["a", "a"], [], ["0"], ["a".repeat(253)]],
  forEach: [[], [1, 2], ["a", null, { b: [1e7, true] }], [LONG.slice(20)]],
  itemVar: ["X", ""],
  characteristics: [{ os: "linux", ssd: true }, { a: "" }, {}],
  resources: [
    {},
    { cpu: { limit: 2 } },
    { cpu: { request: "500m", limit: 0.5 }, memory: { limit: "4Gi" } },
    { memory: { limit: "1.5GB" } },
    { memory: { limit: 1e9 } },
    { cpu: { limit: " 2 " }, memory: {} },
    { cpu: { limit: ".5" }, memory: { limit: "1.Ti" } },
    { cpu: { limit: null }, memory: null },
  ],
  disableRunLocal: [true, false],
  runLocal: [{ as_runner: true }],
  workerClass: ["large"],
};

/** Field values that are valid only in a job that an event started. */
const OF_EVENT_JOBS: typeof GOOD = {
  capabilities: [["docker"], ["gpu", "builder"]],
  ciSourceType: ["git"],
  ciSourceUrl: ["https://git.example/ci.git"],
  ciSourceRef: ["main"],
};

/** Field values with which a job is refused, or never runs. */
const BAD: { [field: string]: unknown[] } = {
  name: ["", "  ", "a\0", 5, LONG.slice(0, 3_000), null],
  env: [
    { A: 1 },
    { "": "x" },
    { "A=B": "x" },
    { org: "x" },
    { A: LONG.slice(2) },
    { A: "\0" },
    { A: null, B: true },
    "A=1",
  ],
  condition: ["on_success", "always(needs)", "ALWAYS", 1],
  dependsOn: ["a", [1], [""]],
  sourceType: ["svn", "local", "GIT"],
  ciSourceType: ["tarball"],
  jobCommand: [LONG, 5, "\0"],
  runAsUser: ["host", "me", "1:x", "-1"],
  priority: [2_147_483_648, 1.5, "1"],
  timeoutSeconds: [0, -1, 2 ** 31, "5", 1.5],
  capabilities: ["docker", [""], [1]],
  imagePullSecrets: [["A"], ["a..b"], ["-a"], ["a".repeat(254)], [""], "a"],
  forEach: [[LONG], "abc", [{ org_id: 1 }], [["&".repeat(30_000)]], {}],
  itemVar: ["A=B", "A\0", 1],
  characteristics: [
    { cpus: 4 },
    { "": "x" },
    { a: ["x"] },
    { a: null },
    { organization: "x" },
  ],
  resources: [
    { cpu: { limit: "2Gi" } },
    { cpu: { limit: "1.5m" } },
    { cpu: { limit: -1 } },
    { cpu: 2 },
    { memory: { request: 1 } },
    { memory: { limit: "5B" } },
    { memory: { limit: "lots" } },
    { memory: { limit: "4gi" } },
    { memory: { limit: "" } },
    { disk: {} },
    [],
  ],
  disableRunLocal: ["yes"],
  runLocal: [{ a: { org: 1 } }, []],
  job_file: ["a.yaml"],
  ci_origin: ["base"],
  execution_profile: ["standard"],
};

/** A trigger, with its properties by construction. */
interface Sample {
  readonly trigger: {
    readonly name: string;
    readonly [field: string]: unknown;
  };
  /** Fields; the error must name at least one of them. */
  readonly bad: readonly string[];
  /** Whether the trigger needs a job that an event started. */
  readonly isOfEventJob: boolean;
}

function sampleOf(random: Random, name: string, names: string[]): Sample {
  const trigger: Record<string, unknown> = { name };
  let isOfEventJob = false;
  for (const [field, values] of Object.entries(GOOD)) {
    if (random.below(6) === 0) trigger[field] = random.pick(values);
  }
  if (random.below(8) === 0) {
    const [field, values] = random.pick(Object.entries(OF_EVENT_JOBS));
    trigger[field] = random.pick(values);
    isOfEventJob = true;
  }
  if (random.below(3) > 0) {
    trigger.dependsOn = names.filter(() => random.below(3) === 0);
  }
  const bad: string[] = [];
  for (let count = random.below(4) === 0 ? 1 + random.below(2) : 0; count--;) {
    const [field, values] = random.pick(Object.entries(BAD));
    trigger[field] = random.pick(values);
    bad.push(field);
  }
  return { trigger: { ...trigger } as Sample["trigger"], bad, isOfEventJob };
}

/**
 * Repeatedly places jobs whose dependencies are placed, until nothing changes.
 */
function placeable(samples: readonly Sample[]): Sample[] {
  const placed: Sample[] = [];
  const isPlaced = (name: unknown) =>
    placed.some(({ trigger }) => trigger.name === name);
  for (let before = -1; before < placed.length;) {
    before = placed.length;
    for (const sample of samples) {
      const needs = sample.trigger.dependsOn as string[] | undefined ?? [];
      if (!placed.includes(sample) && needs.every(isPlaced)) {
        placed.push(sample);
      }
    }
  }
  return placed;
}

function nodesOf({ trigger }: Sample): string[] {
  const items = trigger.forEach as unknown[] | undefined;
  return items === undefined
    ? [trigger.name]
    : items.map((_, index) => `${trigger.name}[${index}]`);
}

async function checkDocument(
  random: Random,
  at: number,
  { runner }: TestRunner,
  { jobs }: TestCoordinator,
  isEventJob: boolean,
): Promise<void> {
  const names = Array.from({ length: 8 }, (_, index) => `d${at}-${index}`);
  const added: Sample[] = [];
  for (const name of names.slice(0, 1 + random.below(7))) {
    const sample = sampleOf(random, name, names);
    try {
      runner.triggerJob(name, sample.trigger as Omit<Trigger, "name">);
      if (!sample.bad.includes("name")) assertEquals(sample.bad, []);
      added.push(
        sample.bad.length > 0
          ? { ...sample, trigger: { ...sample.trigger, name } }
          : sample,
      );
    } catch (error) {
      assert(error instanceof RunnerError, String(error));
      assert(error.message.startsWith(`Cannot trigger "${name}": `));
      const { message } = error;
      assert(sample.bad.length > 0, message);
      assert(sample.bad.some((field) => message.includes(field)), message);
    }
  }
  const sound = placeable(
    added.filter(({ isOfEventJob }) => isEventJob || !isOfEventJob),
  );
  const before = jobs.submitted.length;
  const error = await runner.flushTriggers().then(
    (triggers) => {
      assertEquals(triggers.length, added.length);
      return undefined;
    },
    (error: unknown) => error,
  );
  assertEquals(error !== undefined, sound.length < added.length);
  if (error !== undefined) {
    assert(error instanceof RunnerError && error.code === "invalid-trigger");
    for (const sample of added.filter((item) => !sound.includes(item))) {
      assert(error.message.includes(`trigger "${sample.trigger.name}": `));
    }
  }
  assertEquals(
    jobs.submitted.slice(before).toSorted(),
    sound.flatMap(nodesOf).toSorted(),
  );
  assertEquals(jobs.refusals, []);
  assertEquals(jobs.orphans, []);
  assertEquals(jobs.doomed, []);
  assertEquals(await runner.flushTriggers(), []);
}

Deno.test(`triggerJob() and flushTriggers() refuse what the coordinator would refuse, in ${DOCUMENT_COUNT} documents`, async () => {
  const random = new Random();
  for (const isEventJob of [true, false]) {
    await using coordinator = startCoordinator(
      isEventJob ? {} : { parent: {} },
    );
    await using made = await testRunner(coordinator.env, {
      allowInsecureTransport: true,
    });
    for (let at = 0; at < DOCUMENT_COUNT / 2; at++) {
      try {
        await checkDocument(random, at, made, coordinator, isEventJob);
      } catch (cause) {
        throw new Error(
          `seed ${random.seed}, document ${at}, event ${isEventJob}`,
          { cause },
        );
      }
    }
  }
});

const WIRE: Record<string, string> = {
  name: "job_name",
  dependsOn: "depends_on",
  sourceType: "source_type",
  ciSourceType: "ci_source_type",
  jobCommand: "job_command",
  runAsUser: "run_as_user",
  timeoutSeconds: "timeout",
  imagePullSecrets: "image_pull_secrets",
  forEach: "for_each",
  itemVar: "item_var",
  disableRunLocal: "disable_run_local",
};

/** Problems that only the runner refuses, because they can only be mistakes. */
const OURS_ALONE = new Set([
  'name:""',
  'name:"  "',
  "name:null",
  'env:{"A":null,"B":true}',
  "priority:null",
  "timeoutSeconds:0",
  "timeoutSeconds:-1",
  "runLocal:[]",
  'capabilities:[""]',
]);

Deno.test("the fake coordinator refuses or never runs each bad value", async () => {
  await using coordinator = startCoordinator({ hasOrphans: true });
  const { jobs, url, jobId, jobToken } = coordinator;
  const unnoticed: string[] = [];
  let orphanCount = 0;
  for (const [field, values] of Object.entries(BAD)) {
    for (const [index, value] of values.entries()) {
      const job = {
        job_name: `${field}-${index}`,
        [WIRE[field] ?? field]: value,
      };
      const response = await fetch(`${url}/api/v1/jobs/${jobId}/triggers`, {
        method: "POST",
        headers: { authorization: `Bearer ${jobToken}` },
        body: JSON.stringify({
          type: "trigger_job",
          operation_id: job.job_name,
          jobs: [{ job_name: "first" }, {
            item_var: "I",
            for_each: field === "itemVar" ? [1] : [],
            ...job,
          }],
        }),
      });
      await response.body?.cancel();
      const isNoticed = response.status !== 201 || jobs.doomed.length > 0;
      if (!isNoticed) unnoticed.push(`${field}:${JSON.stringify(value)}`);
      jobs.doomed.length = 0;
      orphanCount += jobs.orphans.length > orphanCount ? 1 : 0;
    }
  }
  assertEquals(unnoticed.filter((item) => !OURS_ALONE.has(item)), []);
  assert(orphanCount > 10, `${orphanCount}`);
});
