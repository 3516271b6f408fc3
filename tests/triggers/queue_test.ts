import { assert, assertEquals, assertThrows } from "@std/assert";
import { RunnerError } from "../../src/errors.ts";
import { TriggerQueue } from "../../src/triggers/queue.ts";
import type { Trigger } from "../../src/triggers/trigger_options.ts";

/** Returns the error message of a queue that refuses triggers. */
function refusal(...triggers: unknown[]): string {
  const queue = new TriggerQueue();
  const error = assertThrows(
    () => queue.addAll(triggers as Trigger[]),
    RunnerError,
  );
  assertEquals(error.code, "invalid-trigger");
  assertEquals(queue.size, 0);
  return error.message;
}

Deno.test("TriggerQueue keeps the order of triggers", () => {
  const queue = new TriggerQueue();
  queue.add({ name: "test" });
  queue.addAll([{ name: "build", dependsOn: ["test"] }, { name: "lint" }]);
  assertEquals(queue.size, 3);
  assertEquals(queue.pending.map(({ name }) => name), [
    "test",
    "build",
    "lint",
  ]);
  queue.clear();
  assertEquals(queue.pending, []);
});

Deno.test("TriggerQueue copies its triggers", () => {
  const queue = new TriggerQueue();
  const env: Record<string, string> = { A: "1" };
  const forEach = [{ os: "linux" }];
  queue.add({ name: "build", env, forEach });
  const before = queue.pending;
  env.A = "2";
  forEach[0].os = "macos";
  queue.add({ name: "test" });
  assertEquals<readonly Trigger[]>(before, [
    { name: "build", env: { A: "1" }, forEach: [{ os: "linux" }] },
  ]);
  assertThrows(
    () => (queue.pending[0].env as Record<string, string>).A = "3",
    TypeError,
  );
});

Deno.test("TriggerQueue accepts every field", () => {
  const trigger: Required<Trigger> = {
    name: "deploy",
    env: { TARGET: "staging", KEY: "${secret:path:key}" },
    dependsOn: ["test"],
    condition: "always",
    sourceType: "git",
    sourceUrl: "https://example.org/app.git",
    sourceRef: "main",
    ciSourceType: "copy",
    ciSourceUrl: "/ci",
    ciSourceRef: "",
    containerImage: "alpine:3",
    jobCommand: "make deploy\n",
    codeDir: "/job/src",
    jobDir: "/job/src/app",
    workingDir: "/job",
    runAsUser: "1001:1001",
    priority: -5,
    timeoutSeconds: 3600,
    capabilities: ["docker"],
    imagePullSecrets: ["registry.key-1"],
    forEach: ["a", true, null, { b: [1, 2.5] }],
    itemVar: "ITEM",
    workerClass: "large",
    characteristics: { arch: "arm64", gpu: false },
    resources: {
      cpu: { request: 0.5, limit: "500m" },
      memory: { limit: "4Gi" },
    },
    disableRunLocal: true,
    runLocal: { as_runner: true, user: "me" },
  };
  const queue = new TriggerQueue();
  queue.add(trigger);
  assertEquals<readonly Trigger[]>(queue.pending, [trigger]);
});

Deno.test("TriggerQueue refuses a name that is already queued", () => {
  const queue = new TriggerQueue();
  queue.add({ name: "build" });
  const error = assertThrows(
    () => queue.addAll([{ name: "lint" }, { name: "build" }]),
    RunnerError,
  );
  assertEquals(
    error.message,
    'Cannot trigger "build": it is already queued',
  );
  assertEquals(queue.size, 1);
  assertEquals(
    refusal({ name: "a" }, { name: "a" }),
    'Cannot trigger "a": its name occurs twice',
  );
});

Deno.test("TriggerQueue reports all problems of a call together", () => {
  assertEquals(
    refusal(
      { name: "build", env: { PORT: 80, DEBUG: true }, priority: 1.5 },
      { name: "fine" },
      { name: "test", dependsOn: "build", condition: "on_success" },
      {},
    ),
    'Cannot trigger "build": env.PORT must be a string, not a number; ' +
      "env.DEBUG must be a string, not a boolean; " +
      "priority must be a whole number from -2147483648 to 2147483647; " +
      'cannot trigger "test": dependsOn must be a list; ' +
      'condition must be "all_success", "any_failed" or "always"; ' +
      'cannot trigger "jobs[3]": needs the key "name"',
  );
});

Deno.test("TriggerQueue limits the number of listed problems", () => {
  const message = refusal(...Array.from({ length: 1_000 }, () => ({})));
  assert(message.endsWith('needs the key "name"; and more problems'));
  assert(message.length < 2_000);
});

Deno.test("TriggerQueue suggests a field for a misspelled one", () => {
  for (
    const [field, problem] of [
      ["depends_on", 'depends_on is unknown; did you mean "dependsOn"?'],
      ["job_name", 'job_name is unknown; did you mean "name"?'],
      ["timeout", 'timeout is unknown; did you mean "timeoutSeconds"?'],
      ["dependson", 'unknown key "dependson"; did you mean "dependsOn"?'],
      ["priorty", 'unknown key "priorty"; did you mean "priority"?'],
      ["ci_origin", 'unknown key "ci_origin"'],
      ["execution_profile", 'unknown key "execution_profile"'],
      ["constructor", 'unknown key "constructor"'],
      ["toString", 'unknown key "toString"'],
    ]
  ) {
    assertEquals(
      refusal({ name: "a", [field]: "x" }),
      `Cannot trigger "a": ${problem}`,
    );
  }
  assertEquals(
    refusal({ name: "a", job_file: "x" }),
    'Cannot trigger "a": job_file is refused by the coordinator',
  );
});

Deno.test("TriggerQueue refuses values that no consumer accepts", () => {
  for (
    const [fields, problem] of [
      [{ name: " " }, "name must not be empty"],
      [{ name: 7 }, "name must be a string, not a number"],
      [{ sourceType: "svn" }, 'sourceType must be "git", "copy" or "none"'],
      [{ jobCommand: "a\0b" }, "jobCommand must not contain a NUL character"],
      [{ jobCommand: "\ud800" }, "jobCommand must be well-formed Unicode"],
      [{ priority: 2 ** 53 }, "a whole number from -2147483648 to 2147483647"],
      [{ priority: 2 ** 31 }, "a whole number from -2147483648 to 2147483647"],
      [{ timeoutSeconds: 2 ** 31 }, "a whole number from 1 to 2147483647"],
      [{ name: "ä".repeat(1_001) }, "name must be at most 2000 bytes"],
      [{ jobCommand: "x".repeat(131_072) }, "must be at most 131071 bytes"],
      [{ env: { AB: "ü".repeat(65_535) } }, "env.AB must be at most 131068"],
      [{ forEach: ["x", "y".repeat(131_068)] }, "forEach[1] must be at most"],
      [{ forEach: [["&".repeat(30_000)]] }, "forEach[0] must be at most"],
      [{ runAsUser: "host" }, 'must be "runner", "root" or uid[:gid]'],
      [{ runAsUser: "me:1" }, 'must be "runner", "root" or uid[:gid]'],
      [{ priority: 1n }, "priority must be JSON, not a bigint"],
      [{ timeoutSeconds: 0 }, "a whole number from 1"],
      [{ timeoutSeconds: Infinity }, "must be a finite number"],
      [{ capabilities: ["gpu", 1] }, "capabilities[1] must be a string"],
      [{ dependsOn: [""] }, "dependsOn[0] must not be empty"],
      [{ imagePullSecrets: ["My_Key"] }, "name of a Kubernetes secret"],
      [{ itemVar: "A=B" }, 'itemVar must not contain "="'],
      ...["A=B", "A\nB", "A\x85B", "A\u2028B", "\x1b[0m", " ", ""].map((
        name,
      ): [Record<string, unknown>, string] => [
        { env: { [name]: "" } },
        'must be a name without "=" or control characters',
      ]),
      [{ env: { A: undefined } }, "env.A must be JSON, not undefined"],
      [{ env: ["A=B"] }, "env must be an object of strings"],
      [{ forEach: "abc" }, "forEach must be a list, not a string"],
      [{ forEach: [NaN] }, "forEach[0] must be a finite number"],
      [
        { characteristics: { cores: 4 } },
        "must be a string or a boolean, not a",
      ],
      [{ resources: { gpu: 1 } }, 'unknown key "resources.gpu"'],
      [
        { resources: { memory: { request: 1 } } },
        'unknown key "resources.memory.request"',
      ],
      [{ resources: { cpu: { limit: "lots" } } }, "must be cores such as 2"],
      [{ resources: { cpu: { limit: "4Gi" } } }, "must be cores such as 2"],
      [{ resources: { cpu: { limit: "1.5m" } } }, "must be cores such as 2"],
      [{ resources: { cpu: { request: -1 } } }, "must be cores such as 2"],
      [{ resources: { memory: { limit: "5B" } } }, "units Ki, Mi, Gi"],
      [{ resources: { memory: { limit: "4gi" } } }, "units Ki, Mi, Gi"],
      [{ resources: { memory: { limit: "4 Gi" } } }, "units Ki, Mi, Gi"],
      [{ resources: { memory: { limit: "1e9" } } }, "units Ki, Mi, Gi"],
      [{ resources: { cpu: 2 } }, "resources.cpu must be a mapping of keys"],
      [{ disableRunLocal: "yes" }, "must be true or false, not a string"],
      [{ runLocal: [] }, "runLocal must be an object, not a list"],
    ] as [object, string][]
  ) {
    const message = refusal({ name: "a", ...fields });
    assert(message.includes(problem), message);
  }
});

Deno.test("TriggerQueue treats null as missing, as in documents", () => {
  const queue = new TriggerQueue();
  queue.addWire([{
    job_name: "a",
    priority: null,
    resources: { cpu: { limit: null }, memory: null },
  }]);
  assertEquals<unknown>(queue.pending, [{ name: "a", resources: { cpu: {} } }]);
});

Deno.test("TriggerQueue refuses keys that the coordinator reserves", () => {
  for (const key of ["org", "org_id", "organization"]) {
    for (
      const fields of [
        { [key]: "x" },
        { env: { [key]: "x" } },
        { runLocal: { a: [{ [key]: 1 }] } },
        { forEach: [{ a: { [key]: 1 } }] },
        { characteristics: { [key]: "x" } },
      ]
    ) {
      const message = refusal({ name: "a", ...fields });
      assert(message.includes(`reserved key "${key}"`), message);
    }
  }
});

Deno.test("TriggerQueue normalizes conditions and items", () => {
  const spellings = {
    all_success: ["all_success", " all_success(needs)\n", "", " "],
    any_failed: ["any_failed", "any_failed(needs) "],
    always: ["always", "\talways()"],
  };
  for (const [plain, texts] of Object.entries(spellings)) {
    for (const condition of texts) {
      const queue = new TriggerQueue();
      queue.add({ name: "a", condition } as Trigger);
      assertEquals(queue.pending[0].condition, plain);
    }
  }
  const queue = new TriggerQueue();
  queue.add({ name: "a", forEach: [1_234_567, -0.5, "x", [3]] });
  assertEquals(queue.pending[0].forEach, ["1234567", "-0.5", "x", [3]]);
});

Deno.test("TriggerQueue survives hostile objects", () => {
  const cycle: Record<string, unknown> = {};
  cycle.again = [cycle, cycle];
  let bomb: unknown = "x";
  for (let i = 0; i < 60; i++) bomb = [bomb, bomb];
  let deep: unknown = "x";
  for (let i = 0; i < 100_000; i++) deep = [deep];
  const getter = {
    get x(): unknown {
      throw new Error("must not be called");
    },
  };
  const trap = new Proxy({}, {
    ownKeys() {
      throw Object.create(null);
    },
  });
  const polluting = JSON.parse('{"__proto__": {"polluted": "yes"}}');
  const hostile = [
    cycle,
    bomb,
    deep,
    getter,
    trap,
    polluting,
    1n,
    Symbol("x"),
    () => {},
    new Date(),
    new Map([["a", "b"]]),
    new (class {
      a = 1;
    })(),
    new Array(2 ** 32 - 1),
    { toJSON: () => ({}) },
  ];
  for (const value of hostile) {
    for (const field of ["runLocal", "forEach", "env", "dependsOn", "name"]) {
      refusal({ name: "a", [field]: value });
    }
    refusal({ name: "a", forEach: [value] });
    refusal(value);
  }
  refusal({ ...polluting, name: "a" }, polluting);
  refusal(
    Object.defineProperty({ name: "a" }, "env", {
      enumerable: true,
      get: () => ({}),
    }),
  );
  assertEquals(({} as Record<string, unknown>).polluted, undefined);
  for (const list of ["a", null, {}, undefined]) {
    assertThrows(
      () => new TriggerQueue().addAll(list as unknown as Trigger[]),
      RunnerError,
      'Cannot trigger "jobs": must be a list of triggers',
    );
  }
  assertThrows(
    () => new TriggerQueue().addAll(new Array(2 ** 32 - 1)),
    RunnerError,
  );
});

Deno.test("TriggerQueue prints no values and no control characters", () => {
  const message = refusal({
    name: "a\u001b[2Jb\u202e",
    env: { "K\n": 5 },
    condition: "hunter2",
    sourceType: "hunter2",
  });
  assert(!message.includes("hunter2"));
  assert(message.includes('"a\\u{1b}[2Jb\\u{202e}"'), message);
  assert(message.includes("env.K\\n must"), message);
  assert(refusal({ name: "x".repeat(10_000), env: 1 }).length < 200);
});
