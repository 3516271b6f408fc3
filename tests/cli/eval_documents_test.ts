import { Ajv } from "ajv";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { triggerSchema } from "../../src/workflow/definition/json_schemas.ts";
import { runnerCommand } from "../../src/command_text.ts";
import { startCoordinator } from "../helpers/coordinator.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { decodeDocument } from "../helpers/trigger_decoder.ts";

const accepts = new Ajv({ allowUnionTypes: true }).compile(triggerSchema());

const MAIN = `
id: main
name: Main
on: { events: [push], branches: [main] }
vars: { channel: [1] }
jobs:
  deploy: { command: "echo 'it''s done'", needs: test, timeout: 60, worker_class: x }
  test: { command: runnerlib run --job-command x, environment: { A: 1.0, REACTORCIDE_SHA: mine }, for_each: [1, 2.0] }
  raw: { command: make, raw_command: true, disable_run_local: true, capabilities: [docker] }
`;

/** The same for pull requests that change the code. */
const PULL_REQUESTS = MAIN.replace(
  "events: [push]",
  "events: [pull_request_opened]",
) + "paths: { include: [src/**] }\n";

interface RawDocument {
  type: string;
  operation_id: string;
  trigger_type: string;
  workflows: { [key: string]: unknown; jobs: Record<string, unknown>[] }[];
  jobs: Record<string, unknown>[];
  policy_violations: Record<string, string>[];
  changed_ci_paths: string[];
}

/** Evaluates in a directory with `ci` and `src`, and reads the document. */
async function evaluate(
  path: string,
  args: string[] = [],
  env: Record<string, string> = {},
) {
  await Deno.mkdir(`${path}/src`, { recursive: true });
  const result = await runMain([
    "eval",
    ...["--ci-source-dir", `${path}/ci`, "--source-dir", `${path}/src`],
    ...["--triggers-file", `${path}/out/triggers.json`],
    ...args,
  ], { cwd: path, env });
  const file = `${path}/out/triggers.json`;
  let document: RawDocument | undefined;
  if (await exists(file)) {
    const text = await Deno.readTextFile(file);
    decodeDocument(text);
    document = JSON.parse(text);
    assert(accepts(document), JSON.stringify(accepts.errors));
    await Deno.remove(file);
  }
  return { ...result, document };
}

const PUSH = ["--event-type", "push", "--branch", "main"];

describe("runnerlib eval", () => {
  it("writes the workflows that a push starts, with every field", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "ci/.reactorcide/workflows/main.yaml": MAIN,
      "ci/.reactorcide/workflows/other.yaml":
        "name: x\non: { events: [tag_created] }\njobs: { a: { command: x } }",
      "ci/.reactorcide/jobs/unused.yaml": "broken",
    });
    const { code, document, stderr } = await evaluate(path, PUSH, {
      REACTORCIDE_SOURCE_URL: "https://x/src.git",
      REACTORCIDE_SHA: "abc",
      REACTORCIDE_CI_SOURCE_URL: "https://x/ci.git",
      REACTORCIDE_CI_SOURCE_REF: "def",
      ...await withTrees(path),
    });
    assertEquals(code, 0, stderr);
    const { operation_id, ...rest } = document!;
    assert(/^[0-9a-f-]{36}$/.test(operation_id));
    const event = {
      REACTORCIDE_EVENT_TYPE: "push",
      REACTORCIDE_BRANCH: "main",
      REACTORCIDE_SHA: "abc",
      REACTORCIDE_SOURCE_URL: "https://x/src.git",
      REACTORCIDE_CI_SOURCE_URL: "https://x/ci.git",
      REACTORCIDE_CI_SOURCE_REF: "def",
    };
    const sources = {
      source_type: "git",
      source_url: "https://x/src.git",
      source_ref: "abc",
      ci_source_type: "git",
      ci_source_url: "https://x/ci.git",
      ci_source_ref: "def",
    };
    assertEquals(rest as unknown, {
      type: "trigger_job",
      trigger_type: "runnerlib_eval",
      workflows: [{
        id: "main",
        name: "Main",
        source_file: ".reactorcide/workflows/main.yaml",
        ci_origin: "base",
        ci_repository: "https://x/ci.git",
        ci_sha: "def",
        execution_profile: "standard",
        worker_class: "default",
        policy_revision: "",
        policy_rule_id: "",
        approval_id: null,
        dependency_paths: [".reactorcide/workflows/main.yaml"],
        vars: { channel: [1] },
        jobs: [
          {
            job_name: "test",
            depends_on: [],
            condition: "all_success",
            env: { A: "1.0", ...event },
            ...sources,
            job_command: "runnerlib run --job-command x",
            for_each: ["1", "2.0"],
          },
          {
            job_name: "raw",
            depends_on: [],
            condition: "all_success",
            env: event,
            ...sources,
            job_command: "make",
            capabilities: ["docker"],
            disable_run_local: true,
          },
          {
            job_name: "deploy",
            depends_on: ["test"],
            condition: "all_success",
            env: event,
            ...sources,
            job_command:
              "runnerlib run --job-command 'echo '\\''it'\\'''\\''s done'\\'''",
            timeout: 60,
            worker_class: "x",
          },
        ],
      }],
      policy_violations: [],
      changed_ci_paths: [],
      actor_subjects: [],
    });
  });

  it("writes plain jobs when there are no workflows", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "src/": "",
      "ci/.reactorcide/jobs/a.yaml":
        "name: a\ntriggers: { events: [push] }\njob: { command: x }",
      "ci/.reactorcide/jobs/b.yaml": "name: b\njob: { command: x }",
    });
    const { document } = await evaluate(path, PUSH);
    assertEquals(Object.keys(document!), [
      "type",
      "operation_id",
      "trigger_type",
      "jobs",
    ]);
    assertEquals(document!.trigger_type, "runnerlib");
    assertEquals(document!.jobs.map(({ job_name }) => job_name), ["a"]);
  });

  it("writes nothing if nothing starts, except an empty document where one is required", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const file = "ci/.reactorcide/workflows/main.yaml";
    await makeFiles(path, { "src/": "", [file]: MAIN });
    const other = ["--event-type", "tag_created", "--branch", "v1"];
    const nothing = await evaluate(path, other);
    assertEquals([nothing.code, nothing.document], [0, undefined]);
    const { document } = await evaluate(path, [
      ...other,
      "--workflow-file",
      `${path}/${file}`,
    ]);
    assertEquals(document!.workflows.map(({ id, jobs }) => [id, jobs]), [
      ["main", []],
    ]);
    const outside = await evaluate(path, [...other, "--workflow-file", "/x"]);
    assertEquals(outside.code, 1);
  });

  it("submits the valid definitions if others are invalid, and fails", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "src/": "",
      "ci/.reactorcide/workflows/a.yaml": "name: x\njobs: [",
      "ci/.reactorcide/workflows/b.yaml": "name: x\njobs: { a: { comand: x } }",
      "ci/.reactorcide/workflows/c.yaml": MAIN,
    });
    const { code, stderr, document } = await evaluate(path, PUSH);
    assertEquals(code, 1);
    assertEquals(document!.workflows.map(({ id }) => id), ["main"]);
    assertStringIncludes(
      stderr,
      'Cannot read workflow file ".reactorcide/workflows/a.yaml"',
    );
    assertStringIncludes(
      stderr,
      '.reactorcide/workflows/b.yaml:2:14: unknown key "jobs.a.comand"',
    );
    assertEquals((await evaluate(path)).code, 2);
    assertEquals((await evaluate(path, ["--event-type", "pushed"])).code, 1);
  });

  it("skips invalid files in a folder of job files, and starts the rest", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const job = (name: string, keys: string) =>
      `name: ${name}\ntriggers: { events: [push] }\n${keys}\n`;
    const broken: Record<string, string> = {
      "a-yaml": "name: [a",
      "a-list": "- a",
      "an-empty-file": "",
      "two-documents": "name: a\n---\nname: b\n",
      "a-key-twice": job("twice", "command: x\ncommand: y"),
      "no-command": job("none", "image: x"),
      "steps": job(
        "steps",
        'steps: [{ name: a, run: x, env: { A: "${secret:a:b}" } }]',
      ),
      "resources": job("res", "job: { command: x, resources: { gpu: 1 } }"),
      "a-long-variable": job(
        "long",
        `command: x\nenvironment: { A: ${"a".repeat(200_000)} }`,
      ),
      "unknown-need": job("need", "command: x\nneeds: nothing"),
      "cycle-1": job("cycle1", "command: x\ndepends_on: [cycle2]"),
      "cycle-2": job("cycle2", "command: x\ndepends_on: [cycle1]"),
      "behind-a-cycle": job("behind", "command: x\nneeds: [cycle1]"),
      "name-1": job("same", "command: x"),
      "name-2": job("same", "command: x"),
      "rights": job("rights", "command: x\nexecution_profile: trusted"),
    };
    const folder = "ci/.reactorcide/jobs";
    await makeFiles(path, {
      ...Object.fromEntries(
        Object.entries(broken).map(([name, text]) => [
          `${folder}/${name}.yaml`,
          text,
        ]),
      ),
      [`${folder}/zz-sound.yaml`]: job("sound", "command: make"),
    });
    await Deno.writeFile(
      `${path}/${folder}/bytes.yaml`,
      Uint8Array.of(0xff, 0xfe),
    );
    await Deno.symlink("/nowhere", `${path}/${folder}/link.yaml`);
    const { code, document, stderr } = await evaluate(path, PUSH);
    assertEquals(code, 1);
    assertEquals(document?.jobs.map(({ job_name }) => job_name), ["sound"]);
    const problems = stderr.split("\n").filter((line) =>
      line.includes(" Cannot ")
    );
    // Two files have the same name, which is one problem.
    assertEquals(problems.length, Object.keys(broken).length + 1, stderr);
  });

  it("sends the steps of a job for a runner on a worker, of both kinds of files", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const steps = "steps: [{ name: one, run: 'echo 010', retry: 2 }]";
    const sent = (job: Record<string, unknown>) => {
      const { RUNNERLIB_STEPS, OWN } = job.env as Record<string, string>;
      return [
        /runnerlib run --job-file=-/.test(String(job.job_command)),
        JSON.parse(RUNNERLIB_STEPS),
        OWN,
      ];
    };
    const expected = [true, [{ name: "one", run: "echo 010", retry: 2 }], "1"];
    const own = "environment: { OWN: 1 }";
    await makeFiles(path, {
      "ci/.reactorcide/jobs/a.yaml":
        `name: a\ntriggers: { events: [push] }\n${steps}\n${own}\n`,
    });
    const { code, document, stderr } = await evaluate(path, PUSH);
    assertEquals(code, 0, stderr);
    assertEquals(document!.jobs.map(sent), [expected]);
    await makeFiles(path, {
      "ci/.reactorcide/workflows/w.yaml":
        `name: w\non: { events: [push] }\njobs:\n  a: { ${steps}, ${own} }\n`,
    });
    const { document: workflows } = await evaluate(path, PUSH);
    assertEquals(workflows!.workflows[0].jobs.map(sent), [expected]);
  });

  it("warns about unknown keys, and starts the jobs that contain them", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "ci/.reactorcide/jobs/a.yaml": `name: a
triggers: { events: push }
command: make
worker_class: large
timeout_seconds: 60
run_local: { as_runner: yes }
owner: team
`,
    });
    const { code, document, stderr } = await evaluate(path, PUSH);
    assertEquals(code, 0, stderr);
    assertStringIncludes(
      stderr,
      '.reactorcide/jobs/a.yaml:7:1: unknown key "owner"',
    );
    const { env: _, ...job } = document!.jobs[0];
    assertEquals(job, {
      job_name: "a",
      depends_on: [],
      condition: "all_success",
      job_command: runnerCommand("make"),
      timeout: 60,
      worker_class: "large",
      run_local: { as_runner: true },
    });
  });

  it("prints why it skips a definition, and sends changed CI files with every event", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "src/": "",
      "ci/.reactorcide/workflows/docs.yaml":
        "name: Docs\non: { events: [push] }\npaths: { include: [docs/**] }\njobs: { a: { command: x } }",
      "ci/.reactorcide/workflows/main.yaml": MAIN,
      "ci/.reactorcide/workflows/tag.yaml":
        "name: Tag\non: { events: [tag_created] }\njobs: { a: { command: x } }",
    });
    const files = [
      ".reactorcide/workflows/main.yaml",
      ".reactorcide/policy.yaml",
      "src/a.ts",
    ];
    const { code, stderr, document } = await evaluate(path, [
      ...PUSH,
      ...files.flatMap((file) => ["--changed-file", file]),
    ]);
    assertEquals(code, 0, stderr);
    assertEquals(document!.changed_ci_paths, [files[0]]);
    assertStringIncludes(
      stderr,
      "Skipped .reactorcide/workflows/docs.yaml: none of 3 changed files matches docs/**",
    );
    assertStringIncludes(
      stderr,
      "Skipped .reactorcide/workflows/tag.yaml: event push is not one of tag_created",
    );
  });

  it("finds the changed files, or reports that they are unknown", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "ci/.reactorcide/workflows/main.yaml":
        `${MAIN}paths: { include: [ü/**] }`,
    });
    const source = await makeRepository(`${path}/src`);
    await source.commit({ "a.txt": "1" });
    const first = await evaluate(path, PUSH);
    assertEquals(first.document?.workflows.length, 1);
    assertStringIncludes(first.stderr, "changed files are unknown");
    await source.commit({ "b.txt": "1" });
    assertEquals((await evaluate(path, PUSH)).document, undefined);
    const base = await source.git("rev-parse", "HEAD");
    await source.commit({ "ü/b.txt": "1" });
    assertEquals((await evaluate(path, PUSH)).document?.workflows.length, 1);
    await source.commit({ "b.txt": "2" });
    const since = await evaluate(path, [...PUSH, "--diff-base", base]);
    assertEquals(since.document?.workflows.length, 1);
    const given = await evaluate(path, [...PUSH, "--changed-file", "x"]);
    assertEquals(given.document, undefined);
  });

  it("compares a pull request with its target branch, even if a tag has the same name", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "ci/base/.reactorcide/workflows/main.yaml": PULL_REQUESTS,
    });
    const source = await makeRepository(`${path}/src`);
    const base = await source.commit({ "a.txt": "1" });
    await source.commit({ "src/a.txt": "1" });
    const head = await source.commit({ "b.txt": "1" });
    const started = async (...args: string[]) => {
      const { document, stderr } = await evaluate(path, [
        ...["--event-type", "pull_request_opened", "--branch", "main"],
        ...["--pr-number", "7", ...args],
      ]);
      return [
        document?.workflows.length ?? 0,
        stderr.includes("changed files are unknown"),
      ];
    };
    assertEquals(await started(), [1, true]);
    await source.git("update-ref", "refs/remotes/origin/main", base);
    await source.git("tag", "origin/main", head);
    assertEquals(await started(), [1, false]);
    // The branches of a fork are up to its owner.
    await source.git("update-ref", "refs/remotes/origin/main", head);
    assertEquals(await started(), [0, false]);
    assertEquals(await started("--is-fork-pr=true"), [1, true]);
    await source.git("update-ref", "refs/remotes/upstream/main", base);
    assertEquals(await started("--is-fork-pr=true"), [1, false]);
  });

  it("uses the definition of a pull request only if the policy allows it", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const workflow = (command: string) =>
      `id: ci\nname: CI\non: { events: [pull_request_opened] }\njobs: { test: { command: ${command} }, deploy: { command: ${command} } }`;
    const file = ".reactorcide/workflows/ci.yaml";
    await makeFiles(path, {
      "src/": "",
      [`ci/base/${file}`]: workflow("ours"),
      [`ci/head/${file}`]: workflow("theirs"),
      "ci/head/.reactorcide/workflows/new.yaml":
        "name: New\non: { events: [pull_request_opened] }\njobs: { a: { command: x } }",
    });
    const args = [
      ...["--event-type", "pull_request_opened", "--branch", "main"],
      ...["--pr-number", "7", "--changed-file", file],
    ];
    const env = {
      REACTORCIDE_HEAD_ACTOR: "eve",
      REACTORCIDE_SHA: "h",
      REACTORCIDE_CI_SOURCE_REF: "b",
      REACTORCIDE_ACTOR_SUBJECTS: '["repository_write"]',
    };
    const commands = (document: RawDocument | undefined) =>
      document!.workflows.flatMap(({ jobs }) =>
        jobs.map(({ job_command }) => job_command)
      );
    const refused = await evaluate(path, args, env);
    assertEquals(refused.code, 0, refused.stderr);
    assertEquals(commands(refused.document), [
      runnerCommand("ours"),
      runnerCommand("ours"),
    ]);
    assertEquals(refused.document!.policy_violations, [{
      path: file,
      workflow_id: "ci",
      actor: "eve",
      rule: "no rule of the policy allows the change",
      base_sha: "b",
      head_sha: "h",
    }]);
    assertEquals(refused.document!.changed_ci_paths, [file]);
    assertStringIncludes(
      refused.stderr,
      "Workflow ci: 2 jobs",
    );
    const policy = {
      version: 1,
      head_ci: [{
        id: "writers",
        actors: { any: ["repository_write"] },
        workflows: ["ci"],
        paths: [".reactorcide/**"],
        use: {
          ci_source: "head",
          profile: "limited",
          workers: "untrusted",
          base_nodes: [{
            nodes: ["deploy"],
            ci_source: "base",
            profile: "trusted",
            workers: "safe",
          }],
        },
      }],
    };
    const allowed = await evaluate(path, args, {
      ...env,
      REACTORCIDE_CI_POLICY: JSON.stringify(policy),
      REACTORCIDE_CI_POLICY_REVISION: "rev",
      REACTORCIDE_SOURCE_URL: `${path}/src`,
      ...await withTrees(path),
    });
    assertEquals(allowed.code, 0, allowed.stderr);
    const [{ jobs, ...used }] = allowed.document!.workflows;
    assertEquals(
      [used.ci_origin, used.execution_profile, used.worker_class],
      ["head", "limited", "untrusted"],
    );
    assertEquals(
      [used.policy_revision, used.policy_rule_id, used.approval_id],
      ["rev", "writers", null],
    );
    assertEquals([used.ci_repository, used.ci_sha], [`${path}/src`, "h"]);
    assertEquals(
      jobs.map((
        job,
      ) => [job.job_command, job.ci_origin, job.execution_profile]),
      [
        [runnerCommand("theirs"), undefined, undefined],
        [runnerCommand("ours"), "base", "trusted"],
      ],
    );
    assertEquals(allowed.document!.policy_violations, []);
  });

  it("fetches no replacement for definitions that a pull request deletes", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "src/": "",
      "ci/base/.reactorcide/workflows/main.yaml": MAIN.replace(
        "push",
        "tag_created, pull_request_opened",
      ),
      "ci/head/README": "",
    });
    const { code, document, stderr } = await evaluate(path, [
      ...["--event-type", "pull_request_opened", "--branch", "main"],
      ...["--pr-number", "7", "--changed-file", "README"],
    ], {
      ...await withTrees(path),
      REACTORCIDE_HEAD_URL: `${path}/nothing`,
      REACTORCIDE_SHA: "abc",
    });
    assertEquals(code, 0, stderr);
    assertEquals(document!.workflows.map(({ ci_origin }) => ci_origin), [
      "base",
    ]);
  });

  it("starts the trusted jobs when a pull request cannot be checked out", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "job/ci/base/.reactorcide/workflows/main.yaml": PULL_REQUESTS,
    });
    const fork = await makeRepository(`${path}/fork`);
    const blob = await fork.git("hash-object", "-w", `${path}/fork/.git/HEAD`);
    await Deno.writeFile(
      `${path}/tree`,
      new Uint8Array([
        ...new TextEncoder().encode(`100644 ${"n".repeat(300)}\0`),
        ...Uint8Array.fromHex(blob),
      ]),
    );
    const tree = await fork.git(
      ...["hash-object", "-t", "tree", "-w", "--literally", `${path}/tree`],
    );
    const sha = await fork.git("commit-tree", "-m", "Attack", tree);
    await fork.git("update-ref", "refs/heads/main", sha);
    const { code, stderr } = await runMain([
      ...["eval", "--event-type", "pull_request_opened", "--branch", "main"],
      ...["--pr-number", "7", "--triggers-file", `${path}/triggers.json`],
    ], {
      cwd: path,
      env: {
        REACTORCIDE_SOURCE_URL: fork.path,
        REACTORCIDE_HEAD_URL: fork.path,
        REACTORCIDE_SHA: sha,
      },
    });
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, "The code of the pull request is not used");
    const { workflows } = JSON.parse(
      await Deno.readTextFile(`${path}/triggers.json`),
    );
    assertEquals(workflows.length, 1);
  });

  it("reports changed definitions of a fork whose base cannot be fetched", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const file = ".reactorcide/workflows/main.yaml";
    const trusted = MAIN.replace(
      "events: [push]",
      "events: [pull_request_opened]",
    );
    const files = { [file]: trusted, ".reactorcide/scripts/a.sh": "a" };
    const fork = await makeRepository(`${path}/fork`);
    const evaluated = async (changes: Record<string, string>) => {
      await makeFiles(`${path}/job/ci/base`, files);
      await Deno.chmod(`${path}/job/ci/base/${file}`, 0o444);
      await fork.commit({ ...files, "src/x": crypto.randomUUID(), ...changes });
      const { code, stderr } = await runMain([
        ...["eval", "--event-type", "pull_request_opened", "--branch", "main"],
        ...["--pr-number", "7", "--triggers-file", `${path}/triggers.json`],
      ], {
        cwd: path,
        env: {
          REACTORCIDE_SOURCE_URL: fork.path,
          REACTORCIDE_HEAD_URL: fork.path,
          REACTORCIDE_SHA: await fork.git("rev-parse", "HEAD"),
          REACTORCIDE_BASE_URL: `${path}/missing`,
          REACTORCIDE_DIFF_BASE: "1".repeat(40),
          REACTORCIDE_IS_FORK_PR: "true",
        },
      });
      assertEquals(code, 0, stderr);
      assertStringIncludes(stderr, "changed files are unknown");
      const document: RawDocument = JSON.parse(
        await Deno.readTextFile(`${path}/triggers.json`),
      );
      await Deno.remove(`${path}/job`, { recursive: true });
      assertEquals(document.workflows.length, 1);
      const violations = document.policy_violations.map(({ path }) => path);
      assertEquals(document.changed_ci_paths, violations);
      return violations;
    };
    assertEquals(await evaluated({}), []);
    assertEquals(await evaluated({ [file]: `${trusted}\n# changed` }), [file]);
    assertEquals(await evaluated({ ".reactorcide/scripts/b.sh": "b" }), [
      ".reactorcide/scripts/b.sh",
    ]);
  });

  it("submits the document if a coordinator is configured, and fails if that fails", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "src/": "",
      "ci/.reactorcide/workflows/main.yaml": MAIN,
    });
    await using coordinator = startCoordinator();
    const args = [...PUSH, "--allow-insecure-transport"];
    const sent = await evaluate(path, args, coordinator.env);
    const [request] = coordinator.requests;
    assertEquals(
      decodeDocument(request.body).trigger_type,
      "runnerlib_eval",
    );
    assertEquals([sent.code, sent.document], [0, undefined], sent.stderr);
    const refused = await evaluate(path, PUSH, coordinator.env);
    assertEquals(refused.code, 1);
    assert(refused.document !== undefined);
  });
});

/** Prevents the command from fetching: both trees appear to be present. */
async function withTrees(path: string): Promise<Record<string, string>> {
  const source = `${path}/src`;
  if (!await exists(`${source}/.git`)) {
    const repository = await makeRepository(source);
    await repository.commit({ a: "1" });
    await repository.commit({ a: "2" });
  }
  return {};
}
