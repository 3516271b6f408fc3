import { parse } from "@std/yaml/parse";
import { Ajv } from "ajv";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { withoutExcerpts } from "../helpers/problem_text.ts";
import { RunnerError } from "../../src/errors.ts";
import {
  readWorkflow,
  workflowId,
} from "../../src/workflow/definition/read_workflow.ts";
import { type ConfigLayers, loadConfig } from "../../src/config/load_config.ts";
import { readJobDefinition } from "../../src/workflow/definition/job_definition.ts";
import { workflowSchema } from "../../src/workflow/definition/json_schemas.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const accepts = new Ajv({
  strict: true,
  allowUnionTypes: true,
  strictTuples: false,
}).compile(workflowSchema());

/** Gives mappings a prototype, because assertions compare it. */
function plain(value: unknown) {
  return JSON.parse(JSON.stringify(value));
}

/** Reads the named workflow file from a set of files. */
async function read(files: Record<string, string>, name = "w.yaml") {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, files);
  return await readWorkflow(directory.path, name);
}

/** Returns the problems of a workflow, line by line. */
async function problemsOf(
  text: string,
  files: Record<string, string> = {},
): Promise<string[]> {
  try {
    await read({ "w.yaml": text, ...files });
    return [];
  } catch (error) {
    assert(error instanceof RunnerError, `${error}`);
    assertEquals(error.code, "invalid-workflow");
    return withoutExcerpts(error.message).split("\n").filter((line) =>
      !line.startsWith("Cannot use workflow")
    );
  }
}

describe("readWorkflow()", () => {
  it("reads every property, and keeps variables as written", async () => {
    const { hasOwnId, ...workflow } = await read({
      "w.yaml": `
id: main-ci
name: Main
description: All of it
on: { events: [push, tag_created], branches: main }
paths: { include: [src/**], exclude: "**/*.md" }
vars: { count: 3, on: true, no: no, list: [1.5, ~, { a: 0x10 }] }
jobs:
  build:
    image: node:22
    command: make
    timeout: 90
    priority: -2
    raw_command: true
    capabilities: docker
    needs: []
    environment: { A: 1.0, B: yes, C: 0x10, D: , E: "null", F: 1:30 }
    run_as: { user: 1000 }
    characteristics: { arch: arm64, gpu: true }
    resources: { cpu: { limit: 2, request: 500m }, memory: { limit: 4Gi } }
    run_local: { as_runner: true }
    code_dir: /job/src
    for_each: [1, 1.0, ~, text, { b: 1 }]
    item_var: PART
  test:
    needs: build
    condition: always()
    job: { command: test }
    image_pull_secrets: [a.b]
`,
    });
    assert(hasOwnId);
    assertEquals(plain(workflow), {
      id: "main-ci",
      name: "Main",
      description: "All of it",
      triggers: { events: ["push", "tag_created"], branches: ["main"] },
      paths: { include: ["src/**"], exclude: ["**/*.md"] },
      vars: { count: 3, on: true, no: "no", list: [1.5, null, { a: 16 }] },
      sourceFile: "w.yaml",
      dependencyPaths: ["w.yaml"],
      jobs: [
        {
          name: "build",
          body: {
            image: "node:22",
            command: "make",
            timeoutSeconds: 90,
            priority: -2,
            rawCommand: true,
            capabilities: ["docker"],
            dependsOn: [],
            runAs: { user: "1000" },
            characteristics: { arch: "arm64", gpu: true },
            resources: {
              cpu: { limit: "2", request: "500m" },
              memory: { limit: "4Gi" },
            },
            runLocal: { asRunner: true },
            codeDir: "/job/src",
            forEach: ["1", "1.0", null, "text", { b: 1 }],
            itemVar: "PART",
          },
          env: { A: "1.0", B: "yes", C: "0x10", D: "", E: "null", F: "1:30" },
        },
        {
          name: "test",
          body: {
            dependsOn: ["build"],
            condition: "always",
            imagePullSecrets: ["a.b"],
            command: "test",
          },
          env: {},
        },
      ],
    });
  });

  it("merges entries into job files, key by key", async () => {
    const { jobs, dependencyPaths } = await read({
      ".reactorcide/workflows/PR Main.yaml": `
name: x
true: { events: [push] }
jobs:
- { name: a, job_file: build.yaml, environment: { B: 2 }, timeout: 1, job: { timeout: 5 } }
- { name: b, job_file: ci/build.yaml, command: mine, needs: [a] }
`,
      ".reactorcide/jobs/build.yaml":
        "name: other\nenvironment: { A: 1, B: 1 }\njob: { command: make, image: x, timeout: 9, depends_on: [] }",
      "ci/build.yaml": "job: { steps: [{ name: s, run: x }], image: y }",
    }, ".reactorcide/workflows/PR Main.yaml");
    assertEquals(plain(jobs), [
      {
        name: "a",
        body: { command: "make", image: "x", timeoutSeconds: 5, dependsOn: [] },
        env: { A: "1", B: "2" },
      },
      {
        name: "b",
        body: { image: "y", command: "mine", dependsOn: ["a"] },
        env: {},
      },
    ]);
    assertEquals(dependencyPaths, [
      ".reactorcide/workflows/PR Main.yaml",
      ".reactorcide/jobs/build.yaml",
      "ci/build.yaml",
    ]);
  });

  it("passes on options of job files with the same meaning", async () => {
    const options = `
concurrency: 2
archive_timeout: 2m
secret_env_names: [A, "B,c"]
timestamps: true
max_line_bytes: 256
copy_ignore: ["*.o", "build/"]
plugin_timeout: 90
plugin_permissions: { a: { run: ["*"], read: [x, y] } }
plugins:
- url: npm:a@1.0.0
  integrity: sha512-a
- { url: npm:b@1.0.0, integrity: sha512-b }
fetch_depth: 5
report: [json=a.json, table]
shell: [bash, -e]
artifacts_dir: /job/out
secret_values_list: "hunter2hunter2,other-secret"
grace: 1500ms
failure_policy: kill
stderr: separate
log_group: true
inherit_env: [HOME, "LC_ALL"]
pipeline_permissions: { net: [a.test] }
`;
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await makeFiles(cwd, {
      "job.yaml": `command: make\n${options}`,
      "definition.yaml":
        `name: a\n${options}job:\n  command: make\n  wait: false`,
    });
    const warnings: string[] = [];
    const { job } = await readJobDefinition(cwd, "definition.yaml", {
      onWarning: (warning) => warnings.push(warning),
    });
    assertEquals(warnings, []);
    assertEquals(Object.keys(job.body), ["command"]);
    const configOf = async (
      env: Record<string, string>,
      layers: ConfigLayers,
    ) => {
      const { config, problems } = await loadConfig({ env, cwd }, layers);
      assertEquals(problems, []);
      // Only `runnerlib exec` reads the permissions of a pipeline.
      const { wait: _, plugins, ...rest } = plain(config);
      return { ...rest, plugins: { ...plugins, pipelinePermissions: [] } };
    };
    const command = { value: "make", origin: "" };
    assertEquals(
      await configOf(job.env, { layer: { job_command: command } }),
      await configOf({}, { jobFile: "job.yaml" }),
    );
    assertEquals(job.env.REACTORCIDE_WAIT, "false");
  });

  it("refuses options that a definition cannot set, with their positions", async () => {
    await using directory = await temporaryDirectory();
    const lines: [line: string, problem: string][] = [
      ["only: [a]", "only selects steps of a single run, as with --only"],
      ["from: [a]", "from selects steps of a single run, as with --from"],
      ["skip: [a]", "skip selects steps of a single run, as with --skip"],
      ["mask: false", "mask must not be in a job file, which may be untrusted"],
      [
        "cache_store: /x",
        "cache_store must not be in a job file, which may be untrusted: only the caller sets it, as with REACTORCIDE_CACHE_STORE",
      ],
      ["triggers_file: /job/t.json", "triggers_file is set by the worker"],
      ['shell: ["my shell", "{}"]', "shell must be words without white space"],
    ];
    for (const [line, problem] of lines) {
      await makeFiles(directory.path, { "a.yaml": `command: x\n${line}\n` });
      const error = await assertRejects(
        () => readJobDefinition(directory.path, "a.yaml"),
        RunnerError,
      );
      assertStringIncludes(error.message, `a.yaml:2:1: ${problem}`);
    }
  });

  it("passes on checkout options as variables, which environment overrides", async () => {
    const files = {
      "job.yaml": `
name: job
checkout: { fetch_depth: 5, submodules: "on", lfs: "off" }
job: { command: make, checkout: { submodules: recursive } }
environment: { REACTORCIDE_GIT_LFS: auto }
`,
      "w.yaml": `
name: W
jobs:
  flat: { command: make, checkout: { fetch_depth: 0, sparse_paths: [a, b/c] } }
  nested: { job: { command: make, checkout: { fetch_depth: 0 } } }
  over: { job_file: job.yaml, checkout: { fetch_depth: 0, lfs: "off" } }
  said:
    command: make
    checkout: { fetch_depth: 0 }
    environment: { REACTORCIDE_FETCH_DEPTH: "7" }
`,
    };
    const { jobs } = await read(files);
    assertEquals<unknown>(jobs.map(({ name, env }) => ({ name, ...env })), [
      {
        name: "flat",
        REACTORCIDE_FETCH_DEPTH: "0",
        REACTORCIDE_SPARSE_PATHS: "a,b/c",
      },
      { name: "nested", REACTORCIDE_FETCH_DEPTH: "0" },
      {
        name: "over",
        REACTORCIDE_FETCH_DEPTH: "0",
        REACTORCIDE_SUBMODULES: "recursive",
        REACTORCIDE_GIT_LFS: "off",
      },
      { name: "said", REACTORCIDE_FETCH_DEPTH: "7" },
    ]);
    assert(jobs.every(({ body }) => !("checkout" in body)));
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, files);
    const { job } = await readJobDefinition(directory.path, "job.yaml");
    assertEquals(plain(job), {
      name: "job",
      body: { command: "make" },
      env: {
        REACTORCIDE_FETCH_DEPTH: "5",
        REACTORCIDE_SUBMODULES: "recursive",
        REACTORCIDE_GIT_LFS: "auto",
      },
    });
  });

  it("reports every problem with its position", async () => {
    assertEquals(
      await problemsOf(`
id: Not an id
nam: x
on: { events: [pushed, push], branchs: [x] }
vars: { org: 1, big: 12345678901234567890, ok: { organization: 2 } }
jobs:
  a: { command: x, needs: [b, absent], authority: x }
  b: { command: x, needs: a }
  c: { image: x }
  d: { command: x, steps: [{ name: a, run: x }] }
  e:
  f: { command: x, environment: { org_id: 1, "a=b": 2 } }
  g: { command: x, timeout: soon, code_dir: /etc, condition: sometimes }
  h: { command: x, resources: { memory: { request: 1Gi } } }
  i: { command: x, characteristics: { cores: 4 }, image_pull_secrets: [A_b] }
`),
      [
        "w.yaml:2:1: id must consist of up to 63 lowercase letters, digits and dashes",
        'w.yaml:2:1: needs the key "name"',
        'w.yaml:3:1: unknown key "nam"; did you mean "name"?',
        'w.yaml:4:16: on.events[0] is not an event and never matches; did you mean "push"?',
        'w.yaml:4:31: unknown key "on.branchs"; did you mean "on.branches"?',
        "w.yaml:5:9: vars.org has a name that is reserved for the coordinator",
        "w.yaml:5:17: vars.big must be quoted: JSON cannot represent this number exactly",
        "w.yaml:5:50: vars.ok.organization has a name that is reserved for the coordinator",
        "w.yaml:7:28: jobs.a waits for itself: a → b → a",
        'w.yaml:7:31: jobs.a.needs[1] refers to "absent", which is not a job; the jobs are "a", "b", "c", "d", "f", "g", "h", "i"',
        "w.yaml:7:40: jobs.a.authority can be set only by the coordinator",
        'w.yaml:9:3: jobs.c needs the key "command"',
        "w.yaml:10:3: jobs.d must not have both steps and a command",
        "w.yaml:11:3: jobs.e must be a mapping of keys",
        "w.yaml:12:35: jobs.f.environment.org_id has a name that is reserved for the coordinator",
        'w.yaml:12:46: jobs.f.environment.a=b must be a name without "=" or control characters',
        'w.yaml:13:20: jobs.g.timeout must be a duration such as "90s", "15m" or "2h", not "soon"',
        'w.yaml:13:35: jobs.g.code_dir must be "/job" or a path below it',
        'w.yaml:13:51: jobs.g.condition must be "all_success", "any_failed" or "always", not "sometimes"',
        'w.yaml:14:43: unknown key "jobs.h.resources.memory.request"',
        "w.yaml:15:39: jobs.i.characteristics.cores must be quoted to be a string",
        "w.yaml:15:72: jobs.i.image_pull_secrets[0] must be the name of a Kubernetes secret",
      ],
    );
  });

  it("reports what is wrong with job files", async () => {
    const one = (file: string, files: Record<string, string> = {}) =>
      problemsOf(`name: x\njobs: { a: { job_file: ${file} } }`, files);
    assertEquals(await one("/etc/passwd"), [
      'w.yaml:2:14: jobs.a.job_file names "/etc/passwd", which cannot be used',
      'Cannot use job file "/etc/passwd": it must be a path below the root without ".."',
    ]);
    assertEquals(await one("../x.yaml"), [
      'w.yaml:2:14: jobs.a.job_file names "../x.yaml", which cannot be used',
      'Cannot use job file "../x.yaml": it must be a path below the root without ".."',
    ]);
    assertEquals(await one("x.yaml"), [
      'w.yaml:2:14: jobs.a.job_file names "x.yaml", which cannot be used',
      'Cannot use job file "x.yaml": not found here or in .reactorcide/jobs',
    ]);
    assertEquals(await one("x.yaml", { "x.yaml": "-> /etc/passwd" }), [
      'w.yaml:2:14: jobs.a.job_file names "x.yaml", which cannot be used',
      'Cannot use job file "x.yaml": it is outside the root',
    ]);
    assertEquals(await one("x.yaml", { "x.yaml": "job: { comand: x }" }), [
      'w.yaml:2:9: jobs.a needs the key "command"',
    ]);
    assertEquals(await one("x.yaml", { "x.yaml": "job: { command: [x] }" }), [
      'w.yaml:2:14: jobs.a.job_file names "x.yaml", which cannot be used',
      'Cannot use job file "x.yaml": 1 problem',
      "x.yaml:1:8: job.command must be a single value",
    ]);
    assertEquals(await one("x.yaml", { "x.yaml": "job: { image: x }" }), [
      'w.yaml:2:9: jobs.a needs the key "command"',
    ]);
  });

  it("agrees with its schema", async () => {
    const valid = [
      "name: x\njobs: { a: { command: x } }",
      "name: 1\njobs: [{ name: a, command: x }, { name: b, job: { command: 1 }, needs: a }]",
      "name: x\non: { events: [push] }\nvars: { a: [1] }\njobs: { a: { command: x, for_each: [1, ~, {}] } }",
      "name: x\ntriggers: \npaths: { include: a }\njobs: { a: { steps: [{ name: a, run: x }], environment: { A: } } }",
      "name: x\njobs: { a: { command: x, priority: -3, timeout: 5, characteristics: { a: true }, resources: { cpu: { limit: 0.5 } } } }",
      "name: x\non: { events: push }\njobs: { a: { command: x } }",
      "name: x\nid: ''\njobs: { a: { command: x, timeout: 15m, cpu_limit: '', source: { type: git } } }",
      "name: x\njobs: { a: { command: x, timeout_seconds: 1_800, raw_command: yes, image: '', condition: '' } }",
    ];
    const invalid = [
      "[]",
      "name: x",
      "jobs: { a: { command: x } }",
      "name: x\njobs: {}",
      "name: x\njobs: []",
      "name: x\njobs: { a: x }",
      "name: x\njobs: { a: ~ }",
      "name: x\njobs: [{ command: x }]",
      "name: x\nid: A\njobs: { a: { command: x } }",
      "name: x\nvars: [1]\njobs: { a: { command: x } }",
      "name: x\nvars: { org: 1 }\njobs: { a: { command: x } }",
      "name: x\non: {}\ntriggers: {}\njobs: { a: { command: x } }",
      "name: x\njobs: { a: { command: x, needs: [], depends_on: [] } }",
      "name: x\njobs: { a: { command: x, timeout: -1 } }",
      "name: x\njobs: { a: { command: x, raw_command: maybe } }",
      "name: x\njobs: { a: { command: x, priority: 1.5 } }",
      "name: x\njobs: { a: { command: x, for_each: x } }",
      "name: x\njobs: { a: { command: x, item_var: 5 } }",
      "name: x\njobs: { a: { command: x, characteristics: { a: 4 } } }",
      "name: x\njobs: { a: { command: x, resources: { cpu: { max: 4 } } } }",
      "name: x\njobs: { a: { command: x, image_pull_secrets: [A_b] } }",
      "name: x\njobs: { a: { command: x, execution_profile: p } }",
    ];
    for (const text of valid) {
      assertEquals(await problemsOf(text), [], text);
      const data = parse(text, { schema: "core" });
      assert(accepts(data), `${text}: ${JSON.stringify(accepts.errors)}`);
    }
    for (const text of invalid) {
      assert((await problemsOf(text)).length > 0, text);
      assert(!accepts(parse(text, { schema: "core" })), text);
    }
    // Editors also underline what is only a warning, because a schema has no warnings.
    for (
      const text of [
        "name: x\nnam: y\njobs: { a: { command: x } }",
        "name: x\non: { events: [pushed] }\njobs: { a: { command: x } }",
      ]
    ) {
      assertEquals(await problemsOf(text), [], text);
      assert(!accepts(parse(text, { schema: "core" })), text);
    }
  });
});

describe("workflowId()", () => {
  it("is derived from the path", () => {
    const folder = ".reactorcide/workflows";
    assertEquals(workflowId(`${folder}/PR Main.yaml`), "pr-main");
    assertEquals(workflowId(`${folder}/a_b.yml`), "a-b");
    assertEquals(workflowId(`${folder}/-x-.yml`), "x");
    assertEquals(workflowId("ci/pipeline.yaml"), "pipeline");
  });
});

describe("readJobDefinition()", () => {
  it("reads the nested form", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "a.yaml":
        "name: 7\ntriggers: { events: [push] }\njob: { command: x }\nenvironment: { A: off }",
      "b.yaml": "name: x\njob: { image: x }\ntriggers: { events: [x] }",
    });
    assertEquals(plain(await readJobDefinition(directory.path, "a.yaml")), {
      job: { name: "7", body: { command: "x" }, env: { A: "off" } },
      triggers: { events: ["push"] },
      paths: {},
      sourceFile: "a.yaml",
    });
    const error = await readJobDefinition(directory.path, "b.yaml")
      .catch((error) => error);
    assertEquals(withoutExcerpts(error.message).split("\n"), [
      'Cannot use job file "b.yaml": 2 problems',
      'b.yaml:1:1: needs the key "job.command"',
      "b.yaml:3:22: triggers.events[0] is not an event and never matches",
    ]);
  });
});
