import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Variable } from "../../src/environment/variables.ts";
import { runMain } from "../helpers/run_main.ts";
import { testRegistration } from "../helpers/registration.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

describe("runnerlib output", () => {
  it("adds outputs to the file of the step", async () => {
    await using directory = await temporaryDirectory();
    const file = `${directory.path}/output`;
    const options = {
      cwd: directory.path,
      env: { [Variable.output]: file },
      stdin: "first\nsecond\n",
    };
    const { code, stderr } = await runMain(
      ["output", "set", "tag=1.2=3", "notes"],
      options,
    );
    assertEquals([code, stderr], [0, ""]);
    const [tag, start, ...lines] = (await Deno.readTextFile(file)).split("\n");
    assertEquals(tag, "tag=1.2=3");
    const word = start.replace("notes<<", "");
    assertEquals(lines, ["first", "second", word, ""]);
  });

  it("sets outputs of the job outside a step", async () => {
    await using directory = await temporaryDirectory();
    const { code } = await runMain(["output", "set", "tag=1"], {
      cwd: directory.path,
    });
    const text = await Deno.readTextFile(
      `${directory.path}/job/workflow-output.json`,
    );
    assertEquals([code, JSON.parse(text)], [0, { outputs: { tag: "1" } }]);
  });

  it("rejects an invalid key and a missing value", async () => {
    for (
      const [key, message] of [["1a=x", "a key consists of"], ["a", "no value"]]
    ) {
      const { code, stderr } = await runMain(["output", "set", key], {
        cwd: "/",
      });
      assertEquals(code, 2);
      assertStringIncludes(stderr, message);
    }
  });

  it("rejects a value that is not UTF-8 text", async () => {
    const { code, stderr } = await runMain(["output", "set", "a"], {
      cwd: "/",
      stdin: new Uint8Array([0xff, 0xfe]),
    });
    assertEquals([code, stderr], [
      1,
      '[runnerlib] error: Cannot set output "a": standard input must be UTF-8 text of up to 1048576 bytes\n',
    ]);
  });
});

describe("runnerlib call", () => {
  it("passes arguments and results as JSON", async () => {
    await using directory = await temporaryDirectory();
    const set = await runMain(["call", "setWorkflowOutput"], {
      cwd: directory.path,
      stdin: '{"key":"tags","value":["a",1]}',
    });
    assertEquals(set, { code: 0, stdout: "", stderr: "" });
    const text = await Deno.readTextFile(
      `${directory.path}/job/workflow-output.json`,
    );
    assertEquals(JSON.parse(text), { outputs: { tags: ["a", 1] } });
    const read = await runMain(["call", "getWorkflowVars"], {
      cwd: directory.path,
      env: { [Variable.workflowVarsJson]: '{"stage":"test"}' },
    });
    assertEquals([read.code, JSON.parse(read.stdout)], [0, { stage: "test" }]);
  });

  it("prints an error as JSON, and suggests the name of a function", async () => {
    const wrong = await runMain(["call", "setWorkflowVar"], {
      cwd: "/",
      stdin: "[]",
    });
    const { error } = JSON.parse(wrong.stdout);
    assertEquals([wrong.code, error.code], [1, "invalid-config"]);
    const unknown = await runMain(["call", "getJobResults"], { cwd: "/" });
    assertEquals(unknown.code, 2);
    assertStringIncludes(unknown.stderr, 'did you mean "getJobResult"?');
  });
});

describe("runnerlib register-secret", () => {
  it("registers arguments and lines of standard input", async () => {
    await using registration = await testRegistration();
    const { code, stdout, stderr } = await runMain(
      ["register-secret", "-", "--", "--a-s3cret"],
      {
        cwd: "/",
        env: { [Variable.secretsSocket]: registration.path },
        stdin: " s3cret-of-a-file \n\nanother-s3cret\r\n",
      },
    );
    assertEquals([code, stdout, stderr], [0, "Registered 3 secrets\n", ""]);
    assertEquals(registration.values.toSorted(), [
      "--a-s3cret",
      "another-s3cret",
      "s3cret-of-a-file",
    ]);
  });

  it("fails without a socket, and does not repeat the secret", async () => {
    const { code, stderr } = await runMain(
      ["register-secret", "--", "s3cret-value"],
      { cwd: "/" },
    );
    assertEquals([code, stderr.includes("s3cret-value")], [1, false]);
    assertStringIncludes(stderr, Variable.secretsSocket);
  });
});

describe("runnerlib permissions", () => {
  it("lists the permissions of a pipeline and the command that runs it", async () => {
    await using directory = await temporaryDirectory();
    await makeFiles(directory.path, { "pipeline.ts": "", "pipeline.py": "" });
    const show = async (...args: string[]) =>
      await runMain(["permissions", ...args], { cwd: directory.path });
    const { code, stdout } = await show(
      ...["pipeline.ts", "--allow", "net=example.com"],
    );
    assertEquals(code, 0);
    assertMatch(stdout, /^net {4}example\.com {2}# granted$/m);
    assertMatch(stdout, /^\S+ run .*--allow-net=example\.com .*pipeline\.ts$/m);
    const flags = await show("pipeline.ts", "--flags");
    assertMatch(flags.stdout, /^--no-prompt --allow-read=\S+ .*\n$/);
    const wrong = await show("pipeline.ts", "--allow", "nett=x");
    assertEquals(wrong.code, 1);
    assertStringIncludes(wrong.stderr, 'did you mean "net"?');
  });
});

describe("runnerlib plugins", () => {
  it("says that a job has no plugins, and rejects another action", async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const list = await runMain(["plugins", "list"], { cwd });
    assertEquals([list.code, list.stdout], [0, "No plugins found\n"]);
    for (
      const [args, message] of [
        [["lst"], 'Unknown action "lst"; did you mean "list"?'],
        [["list", "a"], 'Unexpected argument "a"'],
        [["check"], "A plugin file is required"],
      ] as const
    ) {
      const { code, stderr } = await runMain(["plugins", ...args], { cwd });
      assertEquals(code, 2);
      assertStringIncludes(stderr, message);
    }
    const missing = await runMain(
      ["plugins", "check", "plugin_none.ts"],
      { cwd },
    );
    assertEquals(missing.code, 1);
    assertStringIncludes(missing.stderr, "plugin_none.ts");
  });
});

describe("runnerlib ui", () => {
  it("rejects a port and a directory that cannot be used", async () => {
    for (
      const [args, code] of [[["--port", "70000"], 2], [["none"], 1]] as const
    ) {
      const result = await runMain(["ui", ...args], { cwd: "/" });
      assertEquals(result.code, code);
    }
  });
});
