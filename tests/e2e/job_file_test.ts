import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { jobFileSchema } from "../../src/config/job_file/schema.ts";
import { runCli } from "../helpers/cli.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

describe("runnerlib schema", () => {
  it("prints the JSON Schema of job files", async () => {
    const { code, stdout, stderr } = await runCli(["schema"], { cwd: "/" });
    assertEquals([code, stderr], [0, ""]);
    assertEquals(
      JSON.parse(stdout),
      JSON.parse(JSON.stringify(jobFileSchema())),
    );
    assertMatch(stdout, /^{\n {2}"\$schema": "http:\/\/json-schema\.org\//);
  });
});

describe("runnerlib and the steps of a job file", () => {
  it("validate tells every problem of them", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "job.yaml": "steps:\n  - nam: a\n    run: x\n    retry: 0\n",
    });
    const { code, stdout, stderr } = await runCli(
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
    const { code, stdout } = await runCli(
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
