import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { displayWidth } from "../../src/terminal/width.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const FILES = {
  "job.yaml": `
name: app
description: Builds the app
environment: { API_TOKEN: hunter2hunter2 }
steps:
  - { name: lint, description: Checks the style, run: deno lint }
  - name: test
    run: |
      # Why
      set -e
      make test KEY=hunter2hunter2
      make more
    matrix: { OS: [a, b], V: ["1", "2"] }
  - { name: tidy, run: [rm, -r, out], needs: [lint, test], condition: always }
`,
  ".reactorcide/workflows/ci.yaml": `
name: CI
description: Tests pushes
on: { events: [push, tag_created] }
jobs:
  unit: { description: Unit tests, command: make unit, for_each: [1, 2, 3] }
  all: { steps: { a: { run: x }, b: { run: y } }, needs: unit }
`,
  ".reactorcide/jobs/nightly.yaml": `
name: nightly
description: Cleans the caches
triggers: { events: [push] }
command: make clean
`,
};

const LIST = `job.yaml  app  Builds the app
  lint           Checks the style
  test ×4        make test KEY=[REDACTED] …
  tidy (always)  rm -r out  ← lint, test

.reactorcide/workflows/ci.yaml  CI  (on push, tag_created)  Tests pushes
  unit ×3        Unit tests
  all            steps: a, b  ← unit

.reactorcide/jobs/nightly.yaml  nightly  (on push)  Cleans the caches
`;

async function runIn(
  files: Record<string, string>,
  args: string[],
  columns?: number,
) {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, files);
  return await runMain(args, { cwd: directory.path, columns });
}

describe("runnerlib list", () => {
  it("shows jobs, steps and workflows with their descriptions", async () => {
    for (const args of [["list"], ["list", "."], ["workflow", "list"]]) {
      const { code, stdout, stderr } = await runIn(FILES, args);
      assertEquals([code, stderr, stdout], [0, "", LIST]);
    }
  });

  it("fits into the terminal", async () => {
    for (const columns of [20, 40, 80]) {
      const { stdout } = await runIn(FILES, ["list"], columns);
      for (const line of stdout.split("\n")) {
        assertEquals(displayWidth(line) <= columns, true, line);
      }
    }
  });

  it("prints JSON for programs", async () => {
    const { stdout } = await runIn(FILES, ["list", "--json"]);
    const entries = JSON.parse(stdout);
    assertEquals(
      entries.map(({ kind }: { kind: string }) => kind),
      ["job", "workflow", "event-job"],
    );
    assertEquals(entries[0].parts[1], {
      name: "test",
      description: "make test KEY=[REDACTED] …",
      dependsOn: [],
      condition: "all_success",
      count: 4,
    });
  });

  it("lists the valid files if one is invalid", async () => {
    const { code, stdout, stderr } = await runIn({
      ...FILES,
      ".reactorcide/jobs/broken.yaml": "name: x\n",
    }, ["list"]);
    assertEquals([code, stdout], [1, LIST]);
    assertStringIncludes(stderr, "broken.yaml");
  });

  it("prints no command for a CI system", async () => {
    const files = {
      "a/##vso[x]/.reactorcide/jobs/##vso[task.a]b.yaml":
        "name: '##[error]n'\ndescription: '::error::d'\ncommand: '##teamcity[c'\n",
      "a/.reactorcide/workflows/w.yaml":
        "jobs: { '::error::j': { command: '##vso[task.c]d' } }\n",
      "a/.reactorcide/jobs/##vso[task.e]f.yaml": "bad: [",
    };
    for (
      const args of [
        ["list", "a"],
        ["list", "a/##vso[x]"],
        ["workflow", "run", "--dry-run", "a/.reactorcide/workflows/w.yaml"],
        ["workflow", "graph", "a/.reactorcide/workflows/w.yaml"],
      ]
    ) {
      const { stdout, stderr } = await runIn(files, args);
      assertEquals(
        (stdout + stderr).match(/^\s*::\w.*|.*##\w*\[.*/gm),
        null,
        args.join(" "),
      );
    }
  });

  it("suggests a command in an empty directory, and refuses a path that is not a directory", async () => {
    const empty = await runIn({}, ["list"]);
    assertEquals(empty.code, 0);
    assertStringIncludes(empty.stdout, '"runnerlib init"');
    for (const name of ["nowhere", "file"]) {
      const { code, stderr } = await runIn({ file: "" }, ["list", name]);
      assertEquals(code, 1);
      assertStringIncludes(stderr, `Cannot list "${name}": `);
    }
  });
});

describe("runnerlib graph", () => {
  it("draws the steps of a job and the jobs of a workflow", async () => {
    const job = "lint\ntest ×4\n└─ tidy (always)  ← lint, test\n";
    const workflow = "unit ×3\n└─ all  ← unit\n";
    const { "job.yaml": text, ...others } = FILES;
    for (
      const [files, args, expected] of [
        [FILES, ["graph"], job],
        [FILES, ["workflow", "graph"], job],
        [{ "a.yaml": text }, ["graph", "a.yaml"], job],
        [others, ["graph"], workflow],
        [FILES, ["graph", ".reactorcide/workflows/ci.yaml"], workflow],
        [
          { "w.yaml": others[".reactorcide/workflows/ci.yaml"] },
          ["graph", "w.yaml"],
          workflow,
        ],
      ] as const
    ) {
      const { code, stdout, stderr } = await runIn(files, [...args]);
      assertEquals([code, stderr, stdout], [0, "", expected]);
    }
  });

  it("names the steps that run alongside the others, as a dry run does", async () => {
    const files = {
      "job.yaml": `steps:
  - { name: db, run: start, service: true, ready: 5432 }
  - { name: watch, run: look, background: true }
  - { name: test, run: check, needs: db }
`,
    };
    const { stdout } = await runIn(files, ["graph"]);
    assertEquals(
      stdout,
      "db (service)\nwatch (background)\n└─ test  ← db\n",
    );
    const { stderr } = await runIn(files, ["run", "--dry-run"]);
    assertStringIncludes(
      stderr,
      `[dry-run] db: service: $ start
[dry-run] watch: in the background: $ look
[dry-run] test: $ check
`,
    );
  });

  it("draws in every format", async () => {
    for (
      const [format, text] of [
        ["mermaid", "flowchart TD"],
        ["dot", 'digraph "app" {'],
        ["svg", "<title>app</title>"],
      ]
    ) {
      const { stdout } = await runIn(FILES, ["graph", "--format", format]);
      assertStringIncludes(stdout, text);
    }
    const { code, stderr } = await runIn(FILES, ["graph", "--format", "png"]);
    assertEquals(code, 2);
    assertStringIncludes(
      stderr,
      'Option --format must be "text", "mermaid", "dot" or "svg", not',
    );
  });

  it("explains why there is nothing to draw", async () => {
    const [one, two] = ["a", "b"].map((name) =>
      `.reactorcide/workflows/${name}.yaml`
    );
    const jobs = "name: x\njobs: { a: { command: x } }\n";
    for (
      const [files, message] of [
        [{}, "A job file or a workflow file is required"],
        [{ [one]: jobs, [two]: jobs }, `one of ${one}, ${two}`],
        [{ "job.yaml": "command: x" }, "the job has a command, and no steps"],
      ] as const
    ) {
      const { stderr } = await runIn({ ...files }, ["graph"]);
      assertStringIncludes(stderr, message);
    }
  });
});

describe("runnerlib workflow run", () => {
  it("runs the only workflow of the directory", async () => {
    const { stdout } = await runIn(FILES, ["workflow", "run", "--dry-run"]);
    assertStringIncludes(stdout, 'Would run "CI"');
    const { code, stderr } = await runIn({}, ["workflow", "run"]);
    assertEquals(code, 2);
    assertStringIncludes(stderr, "there is none in .reactorcide/workflows");
  });
});
