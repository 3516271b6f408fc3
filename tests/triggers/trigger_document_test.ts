import { assert, assertEquals, assertThrows } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { triggerDocument } from "../../src/triggers/trigger_document.ts";
import type { Trigger } from "../../src/triggers/trigger_options.ts";
import { Random } from "../helpers/random.ts";

function orderOf(triggers: readonly Trigger[]): string[] {
  return triggerDocument(triggers).jobs.map(({ job_name }) => job_name);
}

function refusal(triggers: readonly Trigger[]): string {
  const error = assertThrows(() => triggerDocument(triggers), RunnerError);
  assertEquals(error.code, "invalid-trigger");
  return error.message;
}

Deno.test("triggerDocument() writes a minimal document", () => {
  assertEquals(triggerDocument([{ name: "a" }], { operationId: "id-1" }), {
    type: "trigger_job",
    operation_id: "id-1",
    trigger_type: "runnerlib",
    jobs: [{
      job_name: "a",
      depends_on: [],
      condition: "all_success",
      env: {},
    }],
  });
});

Deno.test("triggerDocument() creates a new operation id each time", () => {
  const ids = [1, 2].map(() => triggerDocument([]).operation_id);
  assert(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(ids[0]));
  assert(ids[0] !== ids[1]);
});

Deno.test("triggerDocument() writes each field under its wire name", () => {
  const [job] = triggerDocument([{
    name: "deploy",
    env: { TARGET: "staging" },
    condition: "always",
    sourceType: "git",
    sourceUrl: "https://example.org/app.git",
    sourceRef: "main",
    ciSourceType: "git",
    ciSourceUrl: "https://example.org/ci.git",
    ciSourceRef: "v1",
    containerImage: "alpine:3",
    jobCommand: "make deploy",
    codeDir: "/job/src",
    jobDir: "/job/src/app",
    workingDir: "/job",
    runAsUser: "root",
    priority: 0,
    timeoutSeconds: 60,
    capabilities: ["gpu"],
    imagePullSecrets: ["key"],
    forEach: [1, "b"],
    itemVar: "OS",
    workerClass: "large",
    characteristics: { os: "linux" },
    resources: { cpu: { limit: 2 } },
    disableRunLocal: false,
    runLocal: { as_runner: true },
  }]).jobs;
  assertEquals(job, {
    job_name: "deploy",
    depends_on: [],
    condition: "always",
    env: { TARGET: "staging" },
    source_type: "git",
    source_url: "https://example.org/app.git",
    source_ref: "main",
    ci_source_type: "git",
    ci_source_url: "https://example.org/ci.git",
    ci_source_ref: "v1",
    container_image: "alpine:3",
    job_command: "make deploy",
    code_dir: "/job/src",
    job_dir: "/job/src/app",
    working_dir: "/job",
    run_as_user: "root",
    priority: 0,
    timeout: 60,
    capabilities: ["gpu"],
    image_pull_secrets: ["key"],
    for_each: ["1", "b"],
    item_var: "OS",
    worker_class: "large",
    characteristics: { os: "linux" },
    resources: { cpu: { limit: 2 } },
    disable_run_local: false,
    run_local: { as_runner: true },
  });
});

Deno.test("triggerDocument() omits empty fields", () => {
  const [job] = triggerDocument([{
    name: "a",
    sourceUrl: "",
    capabilities: [],
    characteristics: {},
    runLocal: {},
    sourceRef: undefined,
  }]).jobs;
  assertEquals(Object.keys(job), [
    "job_name",
    "depends_on",
    "condition",
    "env",
  ]);
});

Deno.test("triggerDocument() omits a job with an empty list of items", () => {
  const { jobs } = triggerDocument([
    { name: "build" },
    { name: "test", dependsOn: ["build", "lint"], forEach: [] },
    { name: "lint" },
    { name: "package", dependsOn: ["test", "build"], forEach: [] },
    { name: "deploy", dependsOn: ["package"] },
  ]);
  assertEquals(
    jobs.map(({ job_name, depends_on }) => [job_name, depends_on]),
    [["build", []], ["lint", []], ["deploy", ["build", "lint"]]],
  );
});

Deno.test("triggerDocument() sorts jobs by the order in which they become ready", () => {
  assertEquals(
    orderOf([
      { name: "z" },
      { name: "deploy", dependsOn: ["build", "test"] },
      { name: "lint" },
      { name: "test" },
      { name: "build", dependsOn: ["test", "test"] },
    ]),
    ["z", "lint", "test", "build", "deploy"],
  );
});

Deno.test("triggerDocument() names unknown dependencies", () => {
  assertEquals(
    refusal([
      { name: "build", dependsOn: ["tset", "constructor"] },
      { name: "test", dependsOn: ["nothing"] },
    ]),
    'Cannot trigger "build": its dependency "tset" is not triggered; did you mean "test"?; ' +
      'its dependency "constructor" is not triggered; ' +
      'cannot trigger "test": its dependency "nothing" is not triggered',
  );
});

Deno.test("triggerDocument() shows a cycle", () => {
  assertEquals(
    refusal([
      { name: "x", dependsOn: ["a"] },
      { name: "a", dependsOn: ["b"] },
      { name: "b", dependsOn: ["c"] },
      { name: "c", dependsOn: ["a"] },
    ]),
    'Cannot trigger "a": it waits for itself: a → b → c → a',
  );
  assertEquals(
    refusal([{ name: "a", dependsOn: ["a"] }]),
    'Cannot trigger "a": it waits for itself: a → a',
  );
});

Deno.test("triggerDocument() refuses triggers that a queue refuses", () => {
  refusal([{ name: "a" }, { name: "a" }]);
  refusal([{ name: "a", env: { A: 1 } } as unknown as Trigger]);
});

Deno.test("triggerDocument() handles long chains and long cycles", () => {
  const count = 100_000;
  const chain = Array.from({ length: count }, (_, index): Trigger => ({
    name: `j${index}`,
    dependsOn: index + 1 < count ? [`j${index + 1}`] : [],
  }));
  const order = orderOf(chain);
  assertEquals(order.length, count);
  assertEquals(order[0], `j${count - 1}`);
  assertEquals(order[count - 1], "j0");
  const cycle = [...chain.slice(0, -1), {
    name: `j${count - 1}`,
    dependsOn: ["j0"],
  }];
  assert(refusal(cycle).includes("j9 → (99990 more) → j0"), refusal(cycle));
});

Deno.test("triggerDocument() orders random graphs like a naive version", () => {
  const random = new Random();
  for (let round = 0; round < 300; round++) {
    const names = Array.from({ length: random.below(12) }, (_, i) => `n${i}`);
    const triggers = names.map((name): Trigger => ({
      name,
      dependsOn: names.filter(() => random.below(6) === 0),
    }));
    const expected = simpleOrder(triggers);
    const hint = `seed ${random.seed}, round ${round}`;
    if (expected === null) {
      assert(refusal(triggers).includes("it waits for itself"), hint);
    } else assertEquals(orderOf(triggers), expected, hint);
  }
});

/**
 * Orders jobs naively: each one as soon as its dependencies are placed; `null`
 * for a cycle.
 */
function simpleOrder(triggers: readonly Trigger[]): string[] | null {
  const order: string[] = [];
  const isReady = ({ name, dependsOn = [] }: Trigger) =>
    !order.includes(name) && dependsOn.every((need) => order.includes(need));
  let round: string[];
  do {
    // Jobs that become ready with the same job keep their order.
    const before = order.length;
    round = triggers.filter(isReady).map(({ name }) => name);
    if (before === 0) order.push(...round);
    else {
      round.sort((a, b) => lastNeed(a) - lastNeed(b));
      order.push(...round);
    }
  } while (round.length > 0);
  return order.length === triggers.length ? order : null;

  /** Returns the position of the last dependency. */
  function lastNeed(name: string): number {
    const { dependsOn = [] } = triggers.find((trigger) =>
      trigger.name === name
    )!;
    return Math.max(...dependsOn.map((need) => order.indexOf(need)));
  }
}
