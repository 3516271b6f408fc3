import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { settingVariables } from "../../src/config/job_keys.ts";
import { triggerDocument } from "../../src/triggers/trigger_document.ts";
import { JOB_KEYS } from "../../src/workflow/definition/job_body.ts";
import {
  definitionTrigger,
  readJobDefinition,
} from "../../src/workflow/definition/job_definition.ts";
import { readWorkflow } from "../../src/workflow/definition/read_workflow.ts";
import { localJob } from "../../src/workflow/local/local_job.ts";
import { withoutExcerpts } from "../helpers/problem_text.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Removes prototypes and undefined values, which assertions would compare. */
function plain(value: unknown) {
  return JSON.parse(JSON.stringify(value));
}

/** Reads one job file, which may have warnings. */
async function readJob(text: string) {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, { "job.yaml": text });
  const warnings: string[] = [];
  const definition = await readJobDefinition(directory.path, "job.yaml", {
    onWarning: (warning) => warnings.push(warning),
  });
  return { ...definition, warnings };
}

/** Reads one workflow file, and the job files beside it. */
async function readFlow(text: string, files: Record<string, string> = {}) {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, { "w.yaml": text, ...files });
  const warnings: string[] = [];
  const workflow = await readWorkflow(directory.path, "w.yaml", {
    onWarning: (warning) => warnings.push(warning),
  });
  return { ...workflow, warnings };
}

/** Returns the problems of a job file, without the line that names the file. */
async function problemsOf(text: string): Promise<string[]> {
  try {
    await readJob(text);
    return [];
  } catch (error) {
    assert(error instanceof Error);
    return withoutExcerpts(error.message).split("\n").slice(1);
  }
}

/** Every key of a job except its name and what it runs. */
const KEYS = `
  image: registry.test/go:1.25
  timeout: 1800
  priority: 10
  raw_command: false
  capabilities: [docker, builder]
  depends_on: [plan]
  condition: any_failed(needs)
  for_each: [unit, 2, { os: linux }]
  item_var: SUITE
  image_pull_secrets: [registry-a, registry-b.team]
  code_dir: /job/code
  job_dir: /job/code/api
  working_dir: /job/code/api/cmd
  worker_class: large
  run_as: { user: "1001:1001" }
  characteristics: { os: linux, arch: arm64, gpu: true }
  resources:
    cpu: { request: 500m, limit: 2 }
    memory: { limit: 4Gi }
  run_local: { as_runner: true, user: "1000:1000" }
  disable_run_local: true
  checkout: { mode: shared, fetch_depth: 0 }
  cpu_limit: 1.5
  memory_limit: 512Mi
  source: { type: git, url: https://git.test/a.git, ref: main, path: ./a }
  command_prefix: bash -c
`;

/** The same keys, as they are submitted. */
const SENT = {
  job_name: "all",
  depends_on: ["plan"],
  condition: "any_failed",
  env: {
    REACTORCIDE_CHECKOUT_MODE: "shared",
    REACTORCIDE_FETCH_DEPTH: "0",
    CI: "true",
  },
  container_image: "registry.test/go:1.25",
  job_command: "runnerlib run --job-command 'make test'",
  code_dir: "/job/code",
  job_dir: "/job/code/api",
  working_dir: "/job/code/api/cmd",
  run_as_user: "1001:1001",
  priority: 10,
  timeout: 1800,
  capabilities: ["docker", "builder"],
  image_pull_secrets: ["registry-a", "registry-b.team"],
  for_each: ["unit", "2", { os: "linux" }],
  item_var: "SUITE",
  worker_class: "large",
  characteristics: { os: "linux", arch: "arm64", gpu: true },
  resources: {
    cpu: { request: "500m", limit: "2" },
    memory: { limit: "4Gi" },
  },
  disable_run_local: true,
  run_local: { as_runner: true, user: "1000:1000" },
};

const HEAD = `
name: all
description: Every key
triggers: { events: [push, tag_created], branches: [main, "v*"] }
paths: { include: [src/**], exclude: ["*.md"] }
environment: { CI: true }
`;

describe("definitions with every key", () => {
  const nested = `${HEAD}job:\n  command: make test\n${KEYS}`;
  const flat = `${HEAD}command: make test\n${KEYS.replace(/^ {2}/gm, "")}`;
  for (const [form, text] of Object.entries({ nested, flat })) {
    it(`are read from a job file, ${form}`, async () => {
      const { job, triggers, paths, warnings } = await readJob(text);
      assertEquals(warnings, []);
      assertEquals(plain({ triggers, paths }), {
        triggers: { events: ["push", "tag_created"], branches: ["main", "v*"] },
        paths: { include: ["src/**"], exclude: ["*.md"] },
      });
      const trigger = { ...definitionTrigger(job), dependsOn: ["plan"] };
      const { jobs } = triggerDocument([
        { name: "plan", jobCommand: "plan" },
        trigger,
      ]);
      assertEquals(plain(jobs[1]), SENT);
    });
  }

  const entries = {
    "a flat entry": `  command: make test${KEYS}`,
    "a nested entry": `  job:\n    command: make test${
      KEYS.replace(/^(?=.)/gm, "  ")
    }`,
    "a job file": "  job_file: all.yaml\n",
  };
  for (const [form, entry] of Object.entries(entries)) {
    it(`are read from a workflow file, as ${form}`, async () => {
      const indented = entry.replace(/^(?=.)/gm, "  ");
      const { jobs, warnings } = await readFlow(
        `id: all\nname: All\ndescription: x\nvars: { a: 1 }
on: { events: [push] }
paths: { include: [src/**] }
jobs:
  plan: { command: plan }
  all:
${indented}
    description: x
    environment: { CI: true }
    triggers: { events: [push] }
    paths: { include: [a] }
`,
        { "all.yaml": nested },
      );
      assertEquals(warnings, []);
      const { jobs: sent } = triggerDocument(jobs.map(definitionTrigger));
      assertEquals(plain(sent[1]), SENT);
    });
  }
});

describe("values of definitions", () => {
  /** Values, and how Go's YAML decoder parses them. */
  const numbers: [string, number | undefined][] = [
    ["90", 90],
    ["1_800", 1800],
    ["0x10", 16],
    ["0X1f", 31],
    ["0b11", 3],
    ["0o17", 15],
    ["017", 15],
    ["18e2", 1800],
    ["60.0", 60],
    ['"90"', 90],
    ["15m", 900],
    ["1h30m", 5400],
    ["1000ms", 1],
    ["~", undefined],
    ["", undefined],
  ];
  for (const [written, value] of numbers) {
    it(`reads a timeout of ${written || "nothing"}`, async () => {
      for (const key of ["timeout", "timeout_seconds"]) {
        const { job } = await readJob(
          `name: a\njob: { command: x, ${key}: ${written} }`,
        );
        assertEquals(job.body.timeoutSeconds, value, key);
      }
    });
  }

  it("treats a timeout of 0 as none, like the coordinator", async () => {
    const { job, warnings } = await readJob(
      "name: a\njob: { command: x, timeout: 0 }",
    );
    assertEquals(job.body.timeoutSeconds, undefined);
    assertEquals(warnings.length, 1);
  });

  for (const written of ["0s", "1.5", "1500ms", "-1", "soon"]) {
    it(`refuses a timeout of ${written}, as a job file does`, async () => {
      const text = `name: a\njob: { command: x, timeout: ${written} }`;
      const error = await readJob(text).catch((error) => error);
      assertStringIncludes(
        error.message,
        "job.yaml:2:20: job.timeout must be ",
      );
    });
  }

  const flags: [string, boolean][] = [
    ...["true", "True", "TRUE", "yes", "Yes", "y", "on", '"yes"', '"true"']
      .map((word): [string, boolean] => [word, true]),
    ...["false", "False", "no", "n", "off", "OFF", '"no"']
      .map((word): [string, boolean] => [word, false]),
  ];
  for (const [written, value] of flags) {
    it(`reads the flag ${written}`, async () => {
      const { job } = await readJob(
        `name: a\njob: { command: x, raw_command: ${written} }`,
      );
      assertEquals(job.body.rawCommand, value);
    });
  }

  it("keeps strings as written", async () => {
    const { job } = await readJob(`
name: 1.0
job: { command: 0x10, image: 2024-01-02, worker_class: yes, run_as: { user: 0755 } }
environment:
  INT: 007
  FLOAT: 1.50
  BIG: 12345678901234567890
  EXPONENT: 1e3
  YES: yes
  TRUE: True
  NULL: null
  TILDE: ~
  EMPTY:
  QUOTED_NULL: "null"
  DATE: 2024-01-02
  TIME: 2024-01-02T03:04:05Z
  SEXAGESIMAL: 1:30
  INFINITY: .inf
  BLOCK: |
    two
    lines
  FOLDED: >-
    one
    line
  1: number
  on: word
  0x1F: ~
`);
    assertEquals(plain(job), {
      name: "1.0",
      body: {
        command: "0x10",
        image: "2024-01-02",
        workerClass: "yes",
        runAs: { user: "0755" },
      },
      env: {
        INT: "007",
        FLOAT: "1.50",
        BIG: "12345678901234567890",
        EXPONENT: "1e3",
        YES: "yes",
        TRUE: "True",
        NULL: "",
        TILDE: "",
        EMPTY: "",
        QUOTED_NULL: "null",
        DATE: "2024-01-02",
        TIME: "2024-01-02T03:04:05Z",
        SEXAGESIMAL: "1:30",
        INFINITY: ".inf",
        BLOCK: "two\nlines\n",
        FOLDED: "one line",
        "1": "number",
        on: "word",
        "0x1F": "",
      },
    });
  });

  it("treats empty strings and nulls as missing keys", async () => {
    const { job, triggers, paths, warnings } = await readJob(`
name: a
description: ""
triggers:
paths: ~
environment:
job:
  command: x
  image: ""
  code_dir: ""
  job_dir: ~
  working_dir: ""
  worker_class: ""
  item_var: ""
  condition: ""
  run_as: { user: "" }
  run_local: { user: "" }
  characteristics: {}
  resources: {}
  capabilities: []
  image_pull_secrets:
  for_each:
  cpu_limit: ""
  source: { type: "" }
`);
    assertEquals(warnings, []);
    assertEquals(plain({ job, triggers, paths }), {
      job: {
        name: "a",
        body: {
          command: "x",
          condition: "all_success",
          runAs: {},
          runLocal: {},
          characteristics: {},
          resources: {},
          capabilities: [],
        },
        env: {},
      },
      triggers: {},
      paths: {},
    });
  });

  it("resolves anchors and merge keys, and rejects duplicate keys", async () => {
    const { job } = await readJob(`
name: a
job: &job
  command: x
  resources: &small { cpu: { limit: 1 } }
  run_local: { <<: { as_runner: yes }, user: host }
environment: { <<: [{ A: 1, B: 1 }, { B: 2, C: 2 }], A: 0 }
`);
    assertEquals(plain(job), {
      name: "a",
      body: {
        command: "x",
        resources: { cpu: { limit: "1" } },
        runLocal: { asRunner: true, user: "host" },
      },
      env: { A: "0", B: "1", C: "2" },
    });
    const error = await readJob("name: a\njob: { command: x }\nname: b")
      .catch((error) => error);
    assertStringIncludes(
      error.message,
      'the key "name" is defined twice; first at',
    );
  });

  it("reads events as a list, and as a string", async () => {
    const events: [string, string[]][] = [
      ["push", ["push"]],
      ["[push, tag_created]", ["push", "tag_created"]],
      ["push, tag_created", ["push", "tag_created"]],
      ["~", []],
      ["[]", []],
    ];
    for (const [written, expected] of events) {
      const { triggers, warnings } = await readJob(
        `name: a\njob: { command: x }\ntriggers: { events: ${
          written.includes(", ") && written[0] !== "["
            ? `"${written}"`
            : written
        } }`,
      );
      assertEquals(triggers.events ?? [], expected as never[], written);
      assertEquals(warnings, []);
    }
  });

  it("reads a condition with blanks around it", async () => {
    const { job } = await readJob(
      'name: a\njob: { command: x, condition: " any_failed(needs) " }',
    );
    assertEquals(job.body.condition, "any_failed");
  });

  it("allows a raw command to work outside /job, where a runner cannot", async () => {
    const { job } = await readJob(
      "name: a\njob: { command: x, raw_command: true, working_dir: /app }",
    );
    assertEquals(job.body.workingDir, "/app");
    assertEquals(
      await problemsOf("name: a\njob: { command: x, working_dir: /app }"),
      ['job.yaml:2:20: job.working_dir must be "/job" or a path below it'],
    );
  });

  it("prefers keys below job over others, and replaces variables", async () => {
    const { job } = await readJob(`
name: a
image: flat
command: flat
timeout_seconds: 5
environment: { A: 1 }
job: { command: nested, environment: { B: 2 } }
`);
    assertEquals(plain(job), {
      name: "a",
      body: { image: "flat", command: "nested", timeoutSeconds: 5 },
      env: { B: "2" },
    });
  });
});

describe("unknown keys", () => {
  it("are warnings with their positions and a suggestion", async () => {
    const { warnings, job } = await readJob(`
name: a
triger: { events: [push] }
triggers: { events: [pushed, push], branch: main }
paths: { includes: [a] }
job:
  command: x
  time_out: 5
  run_local: { as_runer: true }
  run_as: { group: 5 }
  checkout: { depth: 0 }
"a\\nb": 1
`);
    assertEquals(job.body.command, "x");
    assertEquals(warnings, [
      'job.yaml:3:1: unknown key "triger"; did you mean "triggers"?',
      'job.yaml:4:22: triggers.events[0] is not an event and never matches; did you mean "push"?',
      'job.yaml:4:37: unknown key "triggers.branch"; did you mean "triggers.branches"?',
      'job.yaml:5:10: unknown key "paths.includes"; did you mean "paths.include"?',
      'job.yaml:8:3: unknown key "job.time_out"; did you mean "job.timeout"?',
      'job.yaml:9:16: unknown key "job.run_local.as_runer"; did you mean "job.run_local.as_runner"?',
      'job.yaml:10:13: unknown key "job.run_as.group"',
      'job.yaml:11:15: unknown key "job.checkout.depth"',
      'job.yaml:12:1: unknown key "a\\nb"',
    ]);
  });

  it("are warnings in workflows and in the job files that they use", async () => {
    const { warnings } = await readFlow(
      `
name: W
stage: x
jobs:
  a: { name: other, command: x, retries: 3 }
  b: { job_file: b.yaml, job: { comand: x } }
`,
      { "b.yaml": "command: x\nowner: team" },
    );
    assertEquals(warnings, [
      'b.yaml:2:1: unknown key "owner"',
      'w.yaml:3:1: unknown key "stage"',
      'w.yaml:5:33: unknown key "jobs.a.retries"',
      'w.yaml:6:33: unknown key "jobs.b.job.comand"; did you mean "jobs.b.job.command"?',
    ]);
  });

  it("are errors if they would grant permissions to a job", async () => {
    const keys = [
      "authority",
      "ci_origin",
      "execution_profile",
      "policy_revision",
      "policy_rule_id",
      "approval_id",
    ];
    for (const key of keys) {
      for (
        const text of [
          `name: a\ncommand: x\n${key}: trusted`,
          `name: a\njob: { command: x, ${key}: ~ }`,
        ]
      ) {
        const [problem] = await problemsOf(text);
        assert(
          problem?.endsWith(`${key} can be set only by the coordinator`),
          problem,
        );
      }
    }
  });

  it("are errors if the coordinator would refuse the whole document", async () => {
    assertEquals(
      await problemsOf(
        "name: a\njob: { command: x, resources: { memory: { request: 1Gi } } }",
      ),
      ['job.yaml:2:43: unknown key "job.resources.memory.request"'],
    );
    const [problem, ...others] = await problemsOf(
      "name: a\njob: { command: x, resources: { cpu: { limit: 1Xx }, memory: { limit: 1.5Gi } } }",
    );
    assertEquals(others, []);
    assertStringIncludes(
      problem,
      "job.yaml:2:40: job.resources.cpu.limit must be cores such as 2 or 0.5",
    );
  });
});

Deno.test("docs/workflows.md lists every key of a job", async () => {
  const page = await Deno.readTextFile("docs/workflows.md");
  const [, section] = page.split("## Keys of a job\n");
  const listed = section.split("\n## ")[0].split("\n")
    .filter((line) => line.startsWith("| `"))
    .flatMap((line) => line.split("|")[1].match(/[a-z_]+/g) ?? []);
  // Options of job files have a page of their own.
  const known = Object.entries(JOB_KEYS)
    .filter(([variable]) => !Object.hasOwn(settingVariables(), variable))
    .flatMap(([, { key, alias = [] }]) => [key, alias].flat());
  assertEquals(listed.sort(), known.sort());
});

describe("localJob()", () => {
  const of = async (keys: string) => {
    const { job } = await readJob(`name: a\njob: { command: x, ${keys} }`);
    return localJob(job);
  };

  it("runs as the user that run_local names, else as its runner, else as run_as", async () => {
    const all = "run_as: { user: root }, run_local: ";
    const users: [string, string | undefined][] = [
      [`${all}{ user: host, as_runner: true }`, "host"],
      [`${all}{ as_runner: yes }`, "runner"],
      [`${all}{ as_runner: no }`, "root"],
      ["run_as: { user: root }", "root"],
      ["run_local: {}", undefined],
    ];
    for (const [keys, user] of users) {
      assertEquals((await of(keys)).runAsUser, user, keys);
    }
  });

  it("limits a container by the resources, else by the limits", async () => {
    const { resources } = await of("cpu_limit: 2, memory_limit: 1Gi");
    assertEquals(resources, { cpu: { limit: "2" }, memory: { limit: "1Gi" } });
    const own = await of("cpu_limit: 2, resources: { cpu: { limit: 3 } }");
    assertEquals(plain(own.resources), { cpu: { limit: "3" } });
  });
});
