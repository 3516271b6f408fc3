import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readJobFile } from "../../src/config/job_file.ts";
import { RunnerError } from "../../src/errors.ts";
import { readJobDefinition } from "../../src/workflow/definition/job_definition.ts";
import { readWorkflow } from "../../src/workflow/definition/read_workflow.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Reads the variables of `ci/job.yaml` among files. */
async function variablesOf(
  text: string,
  files: Record<string, string> = {},
  prepare: (directory: string) => unknown = () => {},
): Promise<unknown> {
  await using directory = await temporaryDirectory();
  await makeFiles(directory.path, { "ci/job.yaml": text, ...files });
  await prepare(directory.path);
  const path = `${directory.path}/ci/job.yaml`;
  const { layer } = await readJobFile(path, "job.yaml");
  return { ...layer.job_env?.value as Record<string, string> };
}

/** Returns the error of a job file that names a file. */
async function errorOf(
  name: string,
  files?: Record<string, string>,
  prepare?: (directory: string) => unknown,
): Promise<string> {
  const text = `command: make\nenv_file: ${name}\n`;
  const { message, code } = await assertRejects(
    () => variablesOf(text, files, prepare),
    RunnerError,
  );
  assertEquals(code, "invalid-job-file");
  assertStringIncludes(message, "job.yaml:2:");
  return message;
}

describe("env_file of a job file", () => {
  it("sets variables that environment overrides", async () => {
    const text = `
command: make
env_file: [./a.env, sub/b.env]
environment: { C: own }
`;
    const files = {
      "ci/a.env": "# comment\nA=1\nB=1\nC=1\nexport Q='a b' # quoted\n",
      "ci/sub/b.env": "B=./job/literal\n",
    };
    assertEquals(await variablesOf(text, files), {
      A: "1",
      B: "./job/literal",
      C: "own",
      Q: "a b",
    });
  });

  it("is a key of job as well", async () => {
    const text = "job: { command: make, env_file: a.env }\n";
    // The text of a file is never the name of another file.
    assertEquals(await variablesOf(text, { "ci/a.env": "./job/x=1" }), {
      "./job/x": "1",
    });
  });

  for (const name of ["../up.env", "/etc/passwd", "a/../../up.env", ".."]) {
    it(`refuses the path ${name}`, async () => {
      const message = await errorOf(name, { "up.env": "A=1" });
      assertStringIncludes(message, "must be a path below the directory");
    });
  }

  it("follows no link, neither to a file nor to a directory", async () => {
    const files = { "out/x.env": "TOKEN=hunter2hunter2" };
    const link = async (path: string) => {
      await Deno.symlink(`${path}/out/x.env`, `${path}/ci/x.env`);
      await Deno.symlink(`${path}/out`, `${path}/ci/dir`);
    };
    assertStringIncludes(
      await errorOf("x.env", files, link),
      "it is a symbolic link",
    );
    assertStringIncludes(
      await errorOf("dir/x.env", files, link),
      "a component of its path is not a directory",
    );
  });

  it("refuses pipes, directories and files that are too large", async () => {
    const prepare = async (path: string) => {
      await new Deno.Command("mkfifo", { args: [`${path}/ci/pipe`] }).output();
      await Deno.mkdir(`${path}/ci/folder`);
    };
    for (const name of ["pipe", "folder"]) {
      assertStringIncludes(
        await errorOf(name, {}, prepare),
        "it is not a regular file",
      );
    }
    const large = { "ci/large": `A=${"x".repeat(1024 * 1024)}` };
    assertStringIncludes(await errorOf("large", large), "is larger than");
    assertStringIncludes(await errorOf("none"), "it does not exist");
  });

  it("reports a wrong line without its text", async () => {
    const message = await errorOf("a.env", { "ci/a.env": "A=1\nhunter2\n" });
    assertStringIncludes(message, 'env_file "a.env": line 2 has no "="');
    assertEquals(message.includes("hunter2"), false);
  });

  it("requires environment to be a mapping", async () => {
    const text = "command: make\nenv_file: a\nenvironment: A=1\n";
    const error = await assertRejects(
      () => variablesOf(text, { "ci/a": "B=1" }),
      RunnerError,
    );
    assertStringIncludes(error.message, "requires environment to be a mapping");
  });
});

describe("env_file of definitions", () => {
  it("is read from the directory of each file", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      ".reactorcide/workflows/w.yaml": `
name: W
jobs:
  a: { job_file: a.yaml, env_file: w.env, environment: { D: entry } }
  b: { command: make, env_file: w.env }
`,
      ".reactorcide/workflows/w.env": "A=w\nD=w\n",
      ".reactorcide/jobs/a.yaml":
        "name: a\ncommand: make\nenv_file: j.env\nenvironment: { C: file }\n",
      ".reactorcide/jobs/j.env": "A=j\nB=j\nC=j\n",
    });
    const workflow = await readWorkflow(
      directory.path,
      ".reactorcide/workflows/w.yaml",
    );
    assertEquals(workflow.jobs.map(({ env }) => ({ ...env })), [
      { A: "w", B: "j", C: "file", D: "entry" },
      { A: "w", D: "w" },
    ]);
    // A changed file of variables is a changed definition.
    assertEquals(workflow.dependencyPaths, [
      ".reactorcide/workflows/w.yaml",
      ".reactorcide/workflows/w.env",
      ".reactorcide/jobs/a.yaml",
      ".reactorcide/jobs/j.env",
    ]);
    const { job } = await readJobDefinition(
      directory.path,
      ".reactorcide/jobs/a.yaml",
    );
    assertEquals({ ...job.env }, { A: "j", B: "j", C: "file" });
    assertEquals("envFiles" in job.body, false);
  });

  it("does not leave the root through a link", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, {
      "root/w.yaml":
        "name: W\njobs:\n  a:\n    command: x\n    env_file: d/x.env\n",
      "out/x.env": "A=1",
    });
    await Deno.symlink(`${directory.path}/out`, `${directory.path}/root/d`);
    const error = await assertRejects(
      () => readWorkflow(`${directory.path}/root`, "w.yaml"),
      RunnerError,
    );
    assertStringIncludes(error.message, "w.yaml:5:");
    assertStringIncludes(error.message, "is not a directory");
  });
});
