import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { jobFileSchema } from "../../src/config/job_keys.ts";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

describe("runnerlib schema", () => {
  it("prints the JSON Schema of job files", async () => {
    const { code, stdout, stderr } = await runMain(["schema"], { cwd: "/" });
    assertEquals([code, stderr], [0, ""]);
    assertEquals(
      JSON.parse(stdout),
      JSON.parse(JSON.stringify(jobFileSchema())),
    );
    assertMatch(stdout, /^{\n {2}"\$schema": "http:\/\/json-schema\.org\//);
  });
});

describe("runnerlib and the steps of a job file", () => {
  it("validate reports every problem of them", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job.yaml": "steps:\n  - nam: a\n    run: x\n    retry: 0\n",
    });
    const { code, stdout, stderr } = await runMain(
      ["validate", "--job-file", "job.yaml"],
      { cwd: directory.path },
    );
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, 'Cannot use job file "job.yaml": 3 problems');
    assertStringIncludes(stderr, "job.yaml:2:5: unknown key");
    assertStringIncludes(stderr, 'job.yaml:2:5: steps[0] needs the key "name"');
    assertStringIncludes(stderr, "job.yaml:4:5: steps[0].retry must be");
  });

  it("config names them", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job.yaml": "steps: {a: {run: x}, b c: {run: y}}\n",
    });
    const { code, stdout } = await runMain(
      ["config", "--job-file", "job.yaml", "--log-group", "--only", "a"],
      { cwd: directory.path },
    );
    assertEquals(code, 0);
    const lines = stdout.split("\n");
    for (
      const line of [
        "steps = a, b c  # from job.yaml",
        "log_group = true  # from --log-group",
        "only = a  # from --only",
        "failure_policy = finish  # from the default",
      ]
    ) assertEquals(lines.includes(line), true, `${line} in\n${stdout}`);
  });
});

describe("runnerlib run --job-file", () => {
  it("runs a file that a coordinator reads as well, with its shell", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job.yaml": `name: all
image: golang:1.25
command_prefix: bash -c
command: |
  words=(one two)
  echo "${"${words[1]}"} $A"
environment: { A: 1.0 }
source: { type: local, path: . }
timeout_seconds: 60
capabilities: [docker]
image_pull_secrets: [registry]
characteristics: { cores: 4 }
worker_class: large
resources: { cpu: { limit: 2 } }
run_as: { user: root }
run_local: { as_runner: yes }
disable_run_local: no
secrets: [A]
`,
    });
    const { code, stdout, stderr } = await runMain(
      ["run", "--job-file", "job.yaml", "--secret-env-names", "none"],
      { cwd: directory.path },
    );
    assertEquals([code, stdout], [0, "two 1.0\n"], stderr);
  });

  it("refuses a job that is not for developers' machines, outside of containers", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job.yaml": "job: { command: echo ran, disable_run_local: yes }",
    });
    // A real run in a container would use the machine's /job.
    const run = (inContainer: string) =>
      runMain(["run", "--dry-run", "--job-file", "job.yaml"], {
        cwd: directory.path,
        env: { REACTORCIDE_IN_CONTAINER: inContainer },
      });
    const refused = await run("false");
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertStringIncludes(
      refused.stderr,
      'Cannot run "job.yaml" on this machine: disable_run_local is set in it',
    );
    assertEquals((await run("true")).code, 0);
  });
});
