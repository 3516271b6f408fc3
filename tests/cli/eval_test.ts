import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { EVENT_TYPES } from "../../src/schema/when.ts";
import {
  type CoordinatorOptions,
  startCoordinator,
} from "../helpers/coordinator.ts";
import { makeRepository } from "../helpers/git_repository.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";
import { decodeDocument } from "../helpers/trigger_decoder.ts";

const FILE = ".reactorcide/workflows/ci.yaml";

const workflow = (command: string, name = "CI") =>
  `id: ci\nname: ${name}\non: { events: [pull_request_opened] }\njobs: { test: { command: ${command} }, deploy: { command: ${command} } }`;

const OTHER =
  "id: other\nname: Other\non: { events: [pull_request_opened] }\njobs: { a: { command: ours } }";

const POLICY = JSON.stringify({
  version: 1,
  head_ci: [{
    id: "anybody",
    workflows: ["ci", "new"],
    paths: [".reactorcide/**"],
    use: { ci_source: "head", profile: "limited", workers: "pool" },
  }],
});

interface Evaluated {
  args?: string[];
  env?: Record<string, string>;
  /** Keys of the jobs of the pull request besides their commands. */
  more?: string;
}

/** Evaluates a pull request whose change of the workflow `ci` is allowed. */
async function evaluatePullRequest(
  path: string,
  { args = [], env = {}, more = "" }: Evaluated,
) {
  await makeFiles(path, {
    [`ci/base/${FILE}`]: workflow("ours"),
    "ci/base/.reactorcide/workflows/other.yaml": OTHER,
    [`ci/head/${FILE}`]: workflow(`theirs${more}`, "Other"),
    "ci/head/.reactorcide/workflows/new.yaml":
      "id: new\nname: Other\non: { events: [pull_request_opened] }\njobs: { a: { command: x } }",
  });
  if (!await exists(`${path}/src`)) {
    const source = await makeRepository(`${path}/src`);
    await source.commit({ a: "1" });
  }
  return await runMain([
    "eval",
    ...["--ci-source-dir", `${path}/ci`, "--source-dir", `${path}/src`],
    ...["--triggers-file", `${path}/triggers.json`],
    ...["--event-type", "pull_request_opened", "--pr-number", "7"],
    ...["--changed-file", FILE],
    ...["--changed-file", ".reactorcide/workflows/new.yaml"],
    ...args,
  ], {
    cwd: path,
    env: {
      REACTORCIDE_CI_POLICY: POLICY,
      REACTORCIDE_SOURCE_URL: `${path}/src`,
      REACTORCIDE_SHA: "h",
      REACTORCIDE_CI_SOURCE_REF: "b",
      ...env,
    },
  });
}

interface SentWorkflow {
  id: string;
  name: string;
  ci_origin: string;
  jobs: { job_command: string }[];
}

async function submitted(options: CoordinatorOptions & { more?: string }) {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await using coordinator = startCoordinator(options);
  const { code, stderr } = await evaluatePullRequest(path, {
    args: ["--allow-insecure-transport"],
    env: coordinator.env,
    more: options.more,
  });
  const documents = coordinator.requests.map(({ body }) => {
    decodeDocument(body);
    return JSON.parse(body) as {
      operation_id: string;
      workflows: SentWorkflow[];
      policy_violations: { path: string; rule: string }[];
    };
  });
  const isLeft = await exists(`${path}/triggers.json`);
  const { submitted, orphans } = coordinator.jobs;
  return { code, stderr, documents, isLeft, submitted, orphans };
}

const summaryOf = ({ workflows }: { workflows: SentWorkflow[] }) =>
  workflows.map(({ id, name, ci_origin }) => [id, name, ci_origin].join(" "));

describe("runnerlib eval", () => {
  it("submits allowed definitions of a pull request first, under the trusted name", async () => {
    const { code, stderr, documents, isLeft } = await submitted({});
    assertEquals([code, isLeft], [0, false], stderr);
    assertEquals(documents.map(summaryOf), [[
      "ci CI head",
      "other Other base",
    ]]);
  });

  it("submits the trusted definitions if the coordinator refuses the others", async () => {
    const { code, stderr, documents, isLeft } = await submitted({
      troubles: [403],
    });
    assertEquals([code, isLeft], [0, false], stderr);
    const [first, second] = documents;
    assertEquals(summaryOf(first), ["ci CI head", "other Other base"]);
    assertEquals(summaryOf(second), ["ci CI base", "other Other base"]);
    assert(
      second.workflows.every(({ jobs }) =>
        jobs.every(({ job_command }) => job_command.includes("'ours'"))
      ),
    );
    assertEquals(first.operation_id, second.operation_id);
    assertEquals(
      second.policy_violations.map(({ path, rule }) => [path, rule]),
      [
        [FILE, "the coordinator did not accept it"],
        [
          ".reactorcide/workflows/new.yaml",
          "the coordinator did not accept it",
        ],
      ],
    );
    assertStringIncludes(stderr, "Only the trusted definitions are submitted:");
  });

  it("starts the trusted definitions if a job requests more than its profile allows", async () => {
    const refused = await submitted({
      more: ", capabilities: [docker]",
      parent: { profile: { capabilities: [] } },
    });
    assertEquals(refused.code, 0, refused.stderr);
    assertEquals(refused.documents.length, 2);
    assertEquals(refused.submitted, ["test", "deploy", "a"]);
    assertEquals(refused.orphans, []);
  });

  it("starts nothing twice if the response to the first document was lost", async () => {
    const { code, stderr, documents, submitted: names } = await submitted({
      troubles: ["lost", 403],
    });
    assertEquals(code, 0, stderr);
    assertEquals(documents.length, 3);
    assertEquals(names, ["test", "deploy", "a"]);
  });

  it("fails if the coordinator also refuses the trusted definitions", async () => {
    const { code, documents, isLeft } = await submitted({
      troubles: [403, 403],
    });
    assertEquals([code, documents.length, isLeft], [1, 2, true]);
  });

  it("explains what a pull request starts, and submits nothing", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await using coordinator = startCoordinator();
    const { code, stdout, stderr } = await evaluatePullRequest(path, {
      args: ["--explain"],
      env: coordinator.env,
    });
    assertEquals(code, 0, stderr);
    assertEquals(
      stdout,
      `WORKFLOW OR JOB  STATUS   REASON
ci               starts   event pull_request_opened; the definition of the pull
                          request is used by rule "anybody"
  test           starts
  deploy         starts
other            starts   event pull_request_opened
  a              starts
new              skipped  it has the same name as a trusted workflow
`,
    );
    assertEquals(coordinator.requests, []);
    assert(!await exists(`${path}/triggers.json`));
    const { stdout: json } = await evaluatePullRequest(path, {
      args: ["--explain", "--json"],
    });
    assertEquals(
      JSON.parse(json).map(
        (
          { name, file, origin, status }: Record<string, string>,
        ) => [name, file, origin, status],
      ),
      [
        ["ci", FILE, "head", "starts"],
        ["other", ".reactorcide/workflows/other.yaml", "base", "starts"],
        ["new", ".reactorcide/workflows/new.yaml", "head", "skipped"],
      ],
    );
  });

  it("explains which files are invalid, and fails with them", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, {
      "src/": "",
      "ci/.reactorcide/jobs/broken.yaml": "name: [",
      "ci/.reactorcide/jobs/a.yaml":
        "name: a\ntriggers: { events: [push] }\njob: {}\n",
      "ci/.reactorcide/jobs/b.yaml":
        "name: b\ntriggers: { events: [push] }\njob: { command: x }\n",
    });
    const { code, stdout } = await runMain([
      "eval",
      ...["--ci-source-dir", `${path}/ci`, "--source-dir", `${path}/src`],
      ...["--event-type", "push", "--explain", "--json"],
    ], { cwd: path });
    assertEquals(code, 1);
    const rows = JSON.parse(stdout) as Record<string, string>[];
    assertEquals(rows.map(({ name, status }) => [name, status]), [
      ["b", "starts"],
      [".reactorcide/jobs/a.yaml", "invalid"],
      [".reactorcide/jobs/broken.yaml", "invalid"],
    ]);
    assertStringIncludes(rows[1].reason, 'needs the key "job.command"');
  });

  it("starts the definitions that list the event", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const source = await makeRepository(`${path}/src`);
    await source.commit({ a: "1" });
    await makeFiles(path, {
      ...Object.fromEntries(
        EVENT_TYPES.map((type) => [
          `ci/.reactorcide/workflows/${type}.yaml`,
          `name: x\non: { events: [${type}], branches: [main, "v*"] }\njobs: { a: { command: x } }`,
        ]),
      ),
      "ci/.reactorcide/workflows/all.yaml":
        `name: x\non: { events: [${EVENT_TYPES.join()}] }\njobs: { a: { command: x } }`,
    });
    const startedBy = async (type: string, branch: string) => {
      const { code } = await runMain(["eval"], {
        cwd: path,
        env: {
          REACTORCIDE_CI_SOURCE_DIR: `${path}/ci`,
          REACTORCIDE_SOURCE_DIR: `${path}/src`,
          REACTORCIDE_EVENT_TYPE: type,
          REACTORCIDE_BRANCH: branch,
          REACTORCIDE_WORKSPACE: path,
        },
      });
      const file = `${path}/triggers.json`;
      if (!await exists(file)) return [code];
      const text = await Deno.readTextFile(file);
      decodeDocument(text);
      await Deno.remove(file);
      const { workflows } = JSON.parse(text) as {
        workflows: { id: string; jobs: { env: Record<string, string> }[] }[];
      };
      return workflows.map(({ id, jobs: [{ env }] }) =>
        [id, env.REACTORCIDE_EVENT_TYPE, env.REACTORCIDE_BRANCH].join(" ")
      );
    };
    for (const type of EVENT_TYPES) {
      const branch = type === "tag_created" ? "v1.0" : "main";
      assertEquals(await startedBy(type, branch), [
        `all ${type} ${branch}`,
        `${type.replaceAll("_", "-")} ${type} ${branch}`,
      ]);
      assertEquals(await startedBy(type, "topic/x"), [`all ${type} topic/x`]);
    }
    // The coordinator sends no other events, even if a file names them.
    assertEquals(await startedBy("manual", "main"), [1]);
    assertEquals(await startedBy("", "main"), [2]);
  });
});

Deno.test("runnerlib eval leaves out jobs whose condition does not hold, and says so", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await makeFiles(path, {
    [FILE]: `name: CI
on: { events: [push] }
jobs:
  build: { command: make }
  deploy: { command: deploy, needs: build, when: { branch: main } }
  after: { command: after, needs: deploy }
  failed: { command: failed, needs: [deploy], condition: any_failed }
  notify: { command: notify, needs: [build, deploy], condition: always }
  docs: { command: docs, when: { paths: "docs/**" } }
`,
  });
  const evaluated = async (branch: string, ...more: string[]) => {
    const { code, stderr } = await runMain([
      ...["eval", "--event-type", "push", "--branch", branch],
      ...["--ci-source-dir", path, "--triggers-file", "/job/t.json", ...more],
    ], { cwd: path });
    assertEquals(code, 0, stderr);
    const { workflows: [{ jobs }] } = JSON.parse(
      await Deno.readTextFile(`${path}/job/t.json`),
    );
    const names = jobs.map((
      job: { job_name: string; depends_on: string[] },
    ) => `${job.job_name}: ${job.depends_on}`);
    return { names, stderr };
  };
  const { names, stderr } = await evaluated("dev");
  assertEquals(names, ["build: ", "notify: build"]);
  assertStringIncludes(
    stderr,
    `Skipped job "deploy" of ${FILE}: when.branch: the branch is "dev", not main`,
  );
  assertStringIncludes(stderr, `Skipped job "after" of ${FILE}: "deploy" was`);
  assertStringIncludes(stderr, "when.paths: the changed files are unknown");
  const main = await evaluated("main", "--changed-file", "docs/a/b.md");
  assertEquals(main.names.toSorted(), [
    "after: deploy",
    "build: ",
    "deploy: build",
    "docs: ",
    "failed: deploy",
    "notify: build,deploy",
  ]);
});
