import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { loadCommands } from "../../src/cli/commands.ts";
import { isClientMissing } from "../helpers/client.ts";
import { runCli } from "../helpers/cli.ts";
import { complete, COMPLETION_SHELLS } from "../helpers/completion_shells.ts";
import {
  makeFiles,
  temporaryDirectory,
} from "../helpers/temporary_directory.ts";

/** Lines that have one end, and the word with which they end. */
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
    if (isClientMissing(shell.name)) return;

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
        const last = words.at(-1)?.split(" ").filter((it) => it !== "").at(-1);
        assertEquals(words.length, 1, `${line}: ${words}`);
        assertEquals(last?.replace(/[=/]$/, ""), word, line);
      }
    });

    it("knows every command and every option", async () => {
      const { stdout } = await runCli(["completions", shell.name], {
        cwd: "/",
      });
      for (const { name, flags } of await loadCommands()) {
        assertStringIncludes(stdout, name);
        for (const flag of flags) assertStringIncludes(stdout, flag.name);
      }
    });
  });
}

describe("runnerlib completions", () => {
  it("refuses a shell that it does not know", async () => {
    const { code, stderr } = await runCli(["completions", "tcsh"], {
      cwd: "/",
    });
    assertEquals(code, 2);
    assertStringIncludes(stderr, "must be one of bash, zsh, fish");
  });
});
