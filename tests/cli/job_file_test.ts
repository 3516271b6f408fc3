import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const plan = (text: string) => `steps:\n  - { name: ${text}, run: echo }\n`;

/** Runs a command in a directory with the given files. */
async function runIn(
  files: Record<string, string>,
  args: string[],
  options: { env?: Record<string, string>; stdin?: string } = {},
) {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, files);
  return await runMain(args, { cwd: directory.path, ...options });
}

describe("the job file of a directory", () => {
  it("runs if neither a command nor a file is given", async () => {
    const files = {
      ".reactorcide/job.yaml": plan("folder"),
      "job.json": '{"steps": [{"name": "json", "run": "echo"}]}',
      "job.yml": plan("yml"),
      "job.yaml": plan("yaml"),
    };
    const names = Object.keys(files) as (keyof typeof files)[];
    const present: Record<string, string> = {};
    for (const name of names) {
      present[name] = files[name];
      const { code, stderr } = await runIn(present, [
        "run",
        "--dry-run",
      ]);
      assertEquals(code, 0, stderr);
      const [step] = files[name].match(/folder|json|yml|yaml/)!;
      assertStringIncludes(stderr, step);
    }
  });

  it("is used by commands that show what would run", async () => {
    const files = { "job.yaml": plan("first") };
    const { stdout } = await runIn(files, ["config"]);
    assertStringIncludes(stdout, "steps = first  # from job.yaml");
    const { code } = await runIn(files, ["validate"]);
    assertEquals(code, 0);
  });

  it("is ignored if a command is given", async () => {
    const files = { "job.yaml": "this: is not a job" };
    for (
      const { args = [], env } of [
        { args: ["--job-command", "true"] },
        { args: ["--", "true"] },
        { env: { REACTORCIDE_JOB_COMMAND: "true" } },
      ]
    ) {
      const { code, stderr } = await runIn(
        files,
        ["run", "--dry-run", ...args],
        { env },
      );
      assertEquals(code, 0, stderr);
    }
  });

  it("is named with the position if it is invalid or not a file", async () => {
    const invalid = await runIn({ "job.yml": "stepz: []" }, ["run"]);
    assertEquals(invalid.code, 1);
    assertStringIncludes(invalid.stderr, "job.yml:1:1");
    const folder = await runIn({ "job.yaml/": "" }, ["run"]);
    assertStringIncludes(folder.stderr, 'Cannot read job file "job.yaml"');
  });

  it("is looked for in the paths that the error lists", async () => {
    const { code, stderr } = await runIn(
      { ".reactorcide/workflows/ci.yaml": "name: x" },
      ["run"],
    );
    assertEquals(code, 1);
    for (
      const text of [
        '"job.yaml", "job.yml", "job.json", ".reactorcide/job.yaml"',
        "runnerlib workflow run .reactorcide/workflows/ci.yaml",
        "runnerlib init",
      ]
    ) assertStringIncludes(stderr, text);
  });
});

describe("--job-file -", () => {
  it("reads standard input", async () => {
    const { code, stderr } = await runIn(
      { "job.yaml": plan("file") },
      ["run", "--dry-run", "--job-file", "-"],
      { stdin: plan("piped") },
    );
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, "piped");
  });

  it("names standard input in errors", async () => {
    const { stderr } = await runIn({}, ["validate", "--job-file=-"], {
      stdin: "stepz: []",
    });
    assertStringIncludes(stderr, "standard input:1:1");
  });
});

describe("files of other systems", () => {
  const GITLAB = "test:\n  stage: test\n  script: [make]\n";
  const ACTIONS =
    "on: push\njobs:\n  test: { runs-on: ubuntu, steps: [{ run: make }] }\n";

  it("are named by their path, even if they are not YAML", async () => {
    for (
      const [path, system] of [
        [".gitlab-ci.yml", "GitLab CI"],
        [".github/workflows/ci.yml", "GitHub Actions"],
        [".circleci/config.yml", "CircleCI"],
      ]
    ) {
      const { code, stderr } = await runIn(
        { [path]: "a: !reference [b, c]" },
        ["run", "--job-file", path],
      );
      assertEquals(code, 1);
      assertStringIncludes(stderr, `"${path}": it is a ${system} file`);
    }
  });

  it("are named by their content", async () => {
    for (const [text, system] of [[GITLAB, "GitLab CI"], [ACTIONS, "GitHub"]]) {
      for (
        const args of [["run", "--job-file"], ["workflow", "run"], ["trigger"]]
      ) {
        const { stderr } = await runIn({ "ci.yaml": text }, [
          ...args,
          "ci.yaml",
        ]);
        assertStringIncludes(stderr, `it is a ${system}`);
      }
    }
  });

  it("do not include workflows and jobs that use the same words", async () => {
    const files = {
      "wf.yaml":
        "name: a\nvars: { script: { script: x } }\njobs: { script: { command: x } }\n",
      "job.yaml": "command: x\nenvironment: { script: x }\n",
    };
    for (const args of [["run"], ["workflow", "run", "wf.yaml"]]) {
      const { code, stderr } = await runIn(files, [...args, "--dry-run"]);
      assertEquals(code, 0, stderr);
    }
  });

  it("include workflow files of this program", async () => {
    const { stderr } = await runIn(
      { "wf.yaml": "name: a\njobs: { a: { command: x } }\n" },
      ["run", "--job-file", "wf.yaml"],
    );
    assertStringIncludes(stderr, '"runnerlib workflow run wf.yaml"');
  });
});

describe("YAML", () => {
  it("supports templates under x- keys, and merge keys", async () => {
    const job = `
x-defaults: &defaults { timeout: 1m, nonsense: [1] }
steps:
  - { name: a, run: echo, x-note: why, <<: &limit { timeout: 2m } }
  - { name: b, run: echo, <<: *limit }
`;
    const { code, stderr } = await runIn({ "job.yaml": job }, ["validate"]);
    assertEquals(code, 0, stderr);
    const workflow = `
name: w
x-defaults: &defaults { image: alpine }
jobs: { a: { command: x, <<: *defaults, x-owner: me } }
`;
    const run = await runIn({ "w.yaml": workflow }, [
      ...["workflow", "run", "w.yaml", "--dry-run"],
    ]);
    assertEquals([run.code, run.stderr], [0, ""]);
  });
});
