import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FLAG_GROUPS } from "../../src/cli/command.ts";
import { CATALOG } from "../../src/cli/commands.ts";
import {
  formatCommandHelp,
  formatOverview,
} from "../../src/cli/commands/help.ts";
import { parseArguments } from "../../src/cli/parse_arguments.ts";
import { VERSION } from "../../src/package_version.ts";
import { runMain } from "../helpers/run_main.ts";

const main = (...args: string[]) => runMain(args, { cwd: "/" });

/** Splits an example into words like a shell, up to a redirection. */
function wordsOf(line: string): string[] {
  const [command] = line.split(/ [<>]/);
  return command.match(/"[^"]*"|'[^']*'|\S+/g)!
    .map((word) => word.replace(/^(["'])(.*)\1$/, "$2"));
}

describe("help and version", () => {
  it("are commands and options", async () => {
    for (const name of ["version", "--version", "-v", "-V"]) {
      assertEquals(await main(name), {
        code: 0,
        stdout: `${VERSION}\n`,
        stderr: "",
      });
    }
    const help = await main("help");
    assertEquals([help.code, help.stderr], [0, ""]);
    for (const name of ["--help", "-h"]) {
      assertEquals(await main(name), help);
    }
    assertEquals(await main("help", "git"), await main("git", "--help"));
  });

  it("suggest a command, and are shown without one", async () => {
    const wrong = await main("help", "rnu");
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.stderr, 'did you mean "run"?');
    const { code, stdout, stderr } = await main();
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, "Usage: runnerlib COMMAND");
  });

  it("follow the width of the terminal", async () => {
    const widths = [];
    for (const columns of [40, 72, 500]) {
      const { stdout } = await runMain(["help"], { cwd: "/", columns });
      widths.push(Math.max(...stdout.split("\n").map((line) => line.length)));
    }
    assert(widths[0] <= 40 && widths[1] <= 72 && widths[2] <= 100);
    assert(widths[0] < widths[1] && widths[1] < widths[2]);
  });
});

describe("formatCommandHelp()", () => {
  it("fits into every width, except for long words and examples", async () => {
    for (const { name, command } of await CATALOG.load()) {
      for (const columns of [30, 60, 80, 100]) {
        const text = formatCommandHelp(name, command, columns);
        for (const line of text.split("\n")) {
          const isLongWord = /^\s*(-\w, )?\S+( \S+)?$/.test(line);
          const fits = line.length <= columns || isLongWord ||
            line.startsWith("  runnerlib ");
          assert(fits, `${name} at ${columns}: ${line}`);
          assertEquals(line, line.trimEnd());
        }
      }
    }
    assert(
      formatOverview(CATALOG, 60).split("\n").every((line) =>
        line.length <= 60
      ),
    );
  });

  it("groups many options, and lists the most used ones first", async () => {
    const run = await CATALOG.find("run").load();
    const text = formatCommandHelp("run", run, 80);
    // Only workflows run there.
    const groups = FLAG_GROUPS.filter((group) => group !== "Kubernetes");
    const headings = groups.map((group) => text.indexOf(`\n${group}:\n`));
    assertEquals(headings.toSorted((a, b) => a - b), headings);
    assert(headings.every((at) => at > 0));
    for (
      const [first, second] of [
        ["--job-file", "--docker"],
        ["--job-command", "--work-dir"],
        ["--git-url", "--archive-timeout"],
        ["--only", "--concurrency"],
        ["--secret-env-names", "--mask-min-length"],
      ]
    ) assert(text.indexOf(` ${first} `) < text.indexOf(` ${second} `), first);
    assertStringIncludes(
      formatCommandHelp("list", await CATALOG.find("list").load(), 80),
      "\nOptions:\n",
    );
  });

  it("shows no option that does not apply to the command", async () => {
    for (const { name, command } of await CATALOG.load()) {
      const shown = formatCommandHelp(name, command, 80);
      assertEquals(
        shown.includes("--allow-insecure-transport"),
        command.usesCoordinator ?? false,
        name,
      );
      // A worker appends it to every command.
      const args = ["--allow-insecure-transport"];
      assertEquals(
        parseArguments(args, name, command).isOn("allow-insecure-transport"),
        true,
      );
    }
  });

  it("has two examples of each command, which the command line accepts", async () => {
    for (const { name, command } of await CATALOG.load()) {
      assert(command.examples.length >= (name === "version" ? 1 : 2), name);
      for (const [line, meaning] of command.examples) {
        const [typed, ...args] = wordsOf(line);
        assertEquals(typed, name);
        assert(/^[A-Z].*[^.]$/.test(meaning), meaning);
        parseArguments(args, name, command);
      }
    }
  });
});
