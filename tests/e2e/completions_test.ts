import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CATALOG } from "../../src/cli/commands.ts";
import { isProgramMissing } from "../helpers/missing_program.ts";
import { CLI, runCli } from "../helpers/cli.ts";
import { complete, COMPLETION_SHELLS } from "../helpers/completion_shells.ts";
import {
  exists,
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Lines with a single completion, and the completed word. */
const LINES: readonly (readonly [string, string])[] = [
  ["runnerlib comp", "completions"],
  ["runnerlib completions z", "zsh"],
  ["runnerlib run --failure-p", "--failure-policy"],
  ["runnerlib run --failure-policy k", "kill"],
  ["runnerlib run --no-ma", "--no-mask"],
  ["runnerlib run --job-file jo", "job.yaml"],
  ["runnerlib run --job-command x --failure-p", "--failure-policy"],
  ["runnerlib git fi", "files-changed"],
  ["runnerlib copy su", "sub"],
  ["runnerlib --vers", "--version"],
];

for (const shell of COMPLETION_SHELLS) {
  describe(`runnerlib completions ${shell.name}`, () => {
    if (isProgramMissing(shell.name)) return;

    it("completes commands, options, words and files in the shell", async () => {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      const { stdout } = await runCli(["completions", shell.name], {
        cwd: path,
      });
      await makeFiles(path, { script: stdout, "job.yaml": "", "sub/": "" });
      for (const [line, word] of LINES) {
        const words = await complete(shell, `${path}/script`, line, path);
        // A shell adds what separates the word from the next one, or closes it.
        const last = words.at(-1)?.split(" ").filter((part) => part !== "").at(
          -1,
        );
        assertEquals(words.length, 1, `${line}: ${words}`);
        assertEquals(last?.replace(/[=/]$/, ""), word, line);
      }
    });

    it("completes names of steps, jobs, workflows and commands, without expanding them", async () => {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      const { stdout } = await runCli(["completions", shell.name], {
        cwd: path,
      });
      await makeFiles(path, {
        script: stdout,
        "bin/runnerlib":
          `#!/bin/sh\nexec "${Deno.execPath()}" run -A "${CLI}" "$@"\n`,
        "job.yaml":
          "steps: [{ name: lint-all, run: x }, { name: 'p$(touch pwned)', run: x }]\n",
        "other.yaml": "steps: [{ name: lint-other, run: x }]\n",
        ".reactorcide/workflows/nightly.yaml":
          "name: n\njobs: { unit-tests: { command: x } }\n",
      });
      await Deno.chmod(`${path}/bin/runnerlib`, 0o755);
      const env = { PATH: `${path}/bin:${Deno.env.get("PATH")}` };
      for (
        const [line, word] of [
          ["runnerlib run --job-file other.yaml --skip li", "lint-other"],
          ["runnerlib workflow run --only un", "unit-tests"],
          ["runnerlib workflow run .reactorcide/workflows/n", "nightly.yaml"],
        ]
      ) {
        const words = await complete(shell, `${path}/script`, line, path, env);
        assertStringIncludes(words.at(-1) ?? "", word, line);
      }
      await complete(
        shell,
        `${path}/script`,
        "runnerlib run --only p",
        path,
        env,
      );
      assertEquals(await exists(`${path}/pwned`), false);
    });

    it("knows every command and every option", async () => {
      const { stdout } = await runCli(["completions", shell.name], {
        cwd: "/",
      });
      for (const { name, flags } of await CATALOG.load()) {
        assertStringIncludes(stdout, name);
        for (const flag of flags) assertStringIncludes(stdout, flag.name);
      }
    });
  });
}

describe("runnerlib completions", () => {
  it("refuses an unknown shell", async () => {
    const { code, stderr } = await runCli(["completions", "tcsh"], {
      cwd: "/",
    });
    assertEquals(code, 2);
    assertStringIncludes(stderr, "must be one of bash, zsh, fish");
  });
});
