import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { triggerDocument } from "../../src/triggers/trigger_document.ts";
import type { Trigger } from "../../src/triggers/trigger_options.ts";
import { startCoordinator } from "../helpers/coordinator.ts";
import { Random } from "../helpers/random.ts";
import { decodeDocument, hasReservedKey } from "../helpers/trigger_decoder.ts";

/** A decoder that accepts everything would prove nothing. */
Deno.test("decodeDocument() is as strict as the coordinator", () => {
  const wrong = [
    "",
    "[]",
    "{}",
    '{"type": " trigger_job"}',
    '{"type": "trigger_job", "version": null}',
    '{"type": "trigger_job", "jobs": {}}',
    '{"type": "trigger_job", "workflows": [{"approval_id": 1}]}',
  ];
  const wrongJobs = [
    '"timeout": 1.0',
    '"timeout": 1e1',
    '"timeout": "1"',
    '"priority": 9007199254740993',
    '"env": {"A": 1}',
    '"ENV": {"A": true}',
    '"depends_on": "a"',
    '"for_each": {}',
    '"disable_run_local": 1',
    '"job_file": "a.yaml"',
    '"ci_origin": "base"',
    '"job_name": 1',
    '"for_each": [NaN]',
  ];
  const jobs = wrongJobs.map((job) =>
    `{"type": "trigger_job", "jobs": [{${job}}]}`
  );
  for (const json of [...wrong, ...jobs]) {
    assertThrows(() => decodeDocument(json), Error, undefined, json);
  }
  const { workflows: [{ jobs: [job] }] } = decodeDocument(
    '{"TYPE": "trigger_job", "Jobs": [{"env": {"A": null}, "Env": {"B": null}, "timeout": 60, "other": 1}]}',
  );
  assertEquals([job.env, job.timeout], [{ B: "" }, 60]);
});

Deno.test("triggerDocument() writes documents that the strict decoder accepts", () => {
  const random = new Random();
  const names = Array.from({ length: 12 }, (_, at) => `job ${at} ü"\\`);
  for (let round = 0; round < 300; round++) {
    const triggers = names.slice(0, 1 + random.below(12))
      .map((name, at): Trigger => ({
        name,
        dependsOn: names.slice(0, at).filter(() => random.below(3) === 0),
        ...randomFields(random),
      }));
    const document = triggerDocument(triggers);
    const json = JSON.stringify(document);
    const { workflows, operation_id } = decodeDocument(json);
    assertEquals(operation_id, document.operation_id);
    assertEquals(workflows[0].jobs.length, triggers.length);
    const seen = new Set<string>();
    for (const job of workflows[0].jobs) {
      const trigger = triggers.find(({ name }) => name === job.job_name)!;
      assert(job.depends_on.every((name) => seen.has(name)), json);
      seen.add(job.job_name);
      assertEquals(job.env, trigger.env ?? {});
      assertEquals(job.timeout, trigger.timeoutSeconds);
      assertEquals(job.characteristics, trigger.characteristics ?? {});
      assertEquals(job.run_local ?? {}, trigger.runLocal ?? {});
      assert(job.for_each.every((item) => typeof item !== "number"), json);
    }
  }
});

Deno.test("the fake coordinator behaves like the real one in edge cases", async () => {
  await using coordinator = startCoordinator({ hasOrphans: true });
  const post = async (body: string, token = coordinator.jobToken) => {
    const response = await fetch(
      `${coordinator.url}/api/v1/jobs/${coordinator.jobId}/triggers`,
      { method: "POST", body, headers: { authorization: `Bearer ${token}` } },
    );
    const { error, count } = await response.json();
    return [response.status, error ?? count];
  };
  const document = (id: string, name: string, rest = "") =>
    `{"type": "trigger_job", "operation_id": "${id}", "jobs": [{"job_name": "${name}"${rest}}]}`;
  assert(hasReservedKey('{"a": [{"org_id": null}]}'));
  assertEquals(await post(document("1", "a")), [201, 1]);
  // With a known ID, other jobs are dropped silently.
  assertEquals(await post(document("1", "b")), [201, 0]);
  assertEquals(await post(document("2", "c", ', "env": {"org": ""}')), [
    500,
    "internal_error",
  ]);
  assertEquals(await post(document("3", "d", ', "timeout": 1.0')), [
    400,
    "invalid_input",
  ]);
  const waits = ', "depends_on": ["missing"]';
  assertEquals(await post(document("4", "e", waits)), [201, 0]);
  assertEquals(await post(document("5", "f", ', "condition": "never"')), [
    201,
    0,
  ]);
  assertEquals(await post(document("6", "g"), "wrong"), [401, "unauthorized"]);
  assertEquals(await post(document("7", "h"), coordinator.readToken), [
    403,
    "forbidden",
  ]);
  assertEquals(coordinator.jobs.submitted, ["a", "e", "f"]);
  assertEquals(coordinator.jobs.orphans, []);
  // Jobs before a refused one stay in the queue.
  const refused = ', "resources": {"disk": {}}';
  const both = document("8", "i", refused)
    .replace("[", '[{"job_name": "h"}, ');
  assertEquals(await post(both), [
    400,
    "invalid_input",
  ]);
  assertEquals(coordinator.jobs.submitted, ["a", "e", "f"]);
  assertEquals(coordinator.jobs.orphans.length, 1);
  const read = await fetch(`${coordinator.url}/api/v1/jobs`, {
    headers: { authorization: `Bearer ${coordinator.jobToken}` },
  });
  await read.body?.cancel();
  assertEquals(read.status, 403);
});

function randomFields(random: Random): Partial<Trigger> {
  const fields: Partial<Trigger> = {
    env: { A: random.text(random.below(5), 'a"\\\n ü$'), B: "" },
    condition: random.pick(["all_success", "any_failed", "always"]),
    sourceType: random.pick(["git", "copy", "none"]),
    sourceUrl: "https://example.org/a.git",
    containerImage: "alpine:3",
    jobCommand: random.text(8, "echo '\" "),
    runAsUser: "1000:1000",
    priority: random.below(100) - 50,
    timeoutSeconds: 1 + random.below(10_000),
    capabilities: ["gpu"],
    imagePullSecrets: ["a-key"],
    forEach: [random.below(2_000_000), 0.5, "x", null, true, { b: [1], a: 2 }],
    itemVar: "OS",
    characteristics: { os: "linux", ssd: true },
    resources: { cpu: { request: 0.5, limit: "500m" }, memory: { limit: 512 } },
    disableRunLocal: random.below(2) === 0,
    runLocal: { as_runner: true },
  };
  return Object.fromEntries(
    Object.entries(fields).filter(() => random.below(2) === 0),
  );
}

Deno.test("the fake coordinator fails a test that leaves orphans", async () => {
  const left = startCoordinator();
  left.jobs.queue.push("an-orphan");
  await assertRejects(
    () => left[Symbol.asyncDispose](),
    Error,
    "1 orphans are in the queue",
  );
});
