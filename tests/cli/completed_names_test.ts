import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runMain } from "../helpers/run_main.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

const FILES = {
  "job.yaml": "steps: { lint: { run: x }, test: { run: y } }\n",
  "other.yaml": "steps: { other: { run: x } }\n",
  "w.yaml": "name: w\njobs: { inside: { command: x } }\n",
  ".reactorcide/workflows/ci.yaml":
    "name: ci\njobs: { unit: { command: x }, all: { command: x } }\n",
};

describe("runnerlib completions names", () => {
  it("lists possible continuations of the line", async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await makeFiles(path, FILES);
    for (
      const [kind, words, expected] of [
        ["step", "run --only ", "lint\ntest\n"],
        ["step", "run --only lint,", "lint,lint\nlint,test\n"],
        ["step", "run --job-file other.yaml --skip o", "other\n"],
        ["step", "run --job-file=other.yaml --skip o", "other\n"],
        ["step", "run --job-file = other.yaml --skip o", "other\n"],
        ["step", "run --job-file nowhere.yaml --skip o", ""],
        ["job", "workflow run --only u", "unit\nall\n"],
        ["job", "workflow run w.yaml --only i", "inside\n"],
        ["job", "run --workflow-file w.yaml --job i", "inside\n"],
        ["workflow", "workflow run ", ".reactorcide/workflows/ci.yaml\n"],
        ["nonsense", "", ""],
      ]
    ) {
      const args = ["completions", "names", kind, "--", ...words.split(" ")];
      assertEquals(
        await runMain(args, { cwd: path }),
        { code: 0, stdout: expected, stderr: "" },
        words,
      );
    }
    const commands = await runMain(["completions", "names", "command"], {
      cwd: path,
    });
    assertStringIncludes(commands.stdout, "\nexplain-masks\n");
  });
});
