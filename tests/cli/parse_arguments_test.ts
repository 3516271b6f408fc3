import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { CliCommand } from "../../src/cli/command.ts";
import { flagsLayer } from "../../src/cli/config_flags.ts";
import { CATALOG, COMMANDS } from "../../src/cli/commands.ts";
import { parseArguments, readChoice } from "../../src/cli/parse_arguments.ts";
import { RunnerError } from "../../src/errors.ts";

const run = await COMMANDS.run.load();
const git = await COMMANDS.git.load();

const parse = (args: string[], command: CliCommand = run) =>
  parseArguments(args, "run", command);

const refused = (
  args: string[],
  message: string,
  command: CliCommand = run,
) => {
  const error = assertThrows(() => parse(args, command), RunnerError, message);
  assertEquals(error.exitCode, 2);
};

describe("parseArguments()", () => {
  it("accepts true, false or no value for a switch", () => {
    const on = ["--dry-run", "--dry-run=true"];
    for (const arg of on) assertEquals(parse([arg]).isOn("dry-run"), true, arg);
    assertEquals(parse(["--dry-run=false"]).isOn("dry-run"), false);
    assertEquals(parse([]).isOn("dry-run"), false);
    assertEquals(parse(["--no-mask"]).switches.get("mask"), false);
    assertEquals(parse(["--mask=false"]).switches.get("mask"), false);
  });

  it("refuses every other value of every switch of every command", async () => {
    for (const { name, command, flags } of await CATALOG.load()) {
      for (const flag of flags.filter(({ valueName }) => !valueName)) {
        for (const value of ["", "no", "0", "True", "maybe", " false"]) {
          const error = assertThrows(
            () => parseArguments([`--${flag.name}=${value}`], name, command),
            RunnerError,
            `Option --${flag.name} must be true or false`,
          );
          assertEquals(error.exitCode, 2);
        }
      }
    }
  });

  it("suggests similar words", () => {
    refused(["--trust-plugins=no"], 'not "no"; did you mean false?');
    refused(["ci.yaml"], "did you mean --job-file ci.yaml?");
    refused(["make", "test"], 'put "--" before a command');
    refused(["ci.ts"], "did you mean runnerlib exec ci.ts?");
    refused(["--no-mask=false"], "Option --no-mask takes no value");
    refused(["--step", "a"], "Unknown option --step; did you mean --only?");
    refused(["-f", "ci.yaml"], "Unknown option -f; did you mean --job-file?");
    refused(["--no-dry-run"], "did you mean --dry-run=false?");
  });

  it("does not show the value of a switch where any word may be a secret", async () => {
    const secrets = await COMMANDS.secrets.load();
    const error = assertThrows(() =>
      parse(["--allow-insecure-transport=hunter2"], secrets)
    );
    assertEquals(String(error).includes("hunter2"), false);
  });

  it("shows no value of an unknown argument", () => {
    for (
      const [args, shown] of [
        [["--secret-value=hunter2"], "Unknown option --secret-value"],
        [["--secret-values-list hunter2"], "Unknown option --secret-values"],
        [["--job-env TOKEN=hunter2"], "Unknown option --job-env"],
        [["-phunter2"], "Unknown option -p…"],
        [["-p=hunter2"], "Unknown option -p"],
        [["TOKEN=hunter2"], 'Unexpected argument "TOKEN…"'],
        [["TOKEN hunter2"], 'Unexpected argument "TOKEN…"'],
      ] as const
    ) {
      const error = assertThrows(() => parse([...args]));
      assertStringIncludes(String(error), shown);
      assertEquals(String(error).includes("hunter2"), false, String(error));
    }
  });

  it("never takes the next argument as the value of a switch", () => {
    refused(["--dry-run", "false"], 'Unexpected argument "false"');
    const { operands, isOn } = parse(["files-changed", "-z", "true"], git);
    assertEquals(operands, ["files-changed", "true"]);
    assertEquals(isOn("null"), true);
  });

  it("uses the last occurrence, and keeps arguments after -- unchanged", () => {
    assertEquals(parse(["--mask", "--no-mask"]).switches.get("mask"), false);
    assertEquals(parse(["--no-mask", "--mask"]).switches.get("mask"), true);
    const { rest, switches } = parse(["--", "x", "--dry-run=maybe"]);
    assertEquals(rest, ["x", "--dry-run=maybe"]);
    assertEquals([...switches], []);
  });

  it("passes switches to the configuration, including those that are off", () => {
    const valueOf = (arg: string) =>
      flagsLayer(parse([arg])).trust_plugins?.value;
    assertEquals(valueOf("--trust-plugins"), "true");
    assertEquals(valueOf("--trust-plugins=false"), "false");
    assertEquals(valueOf("--dry-run"), undefined);
  });

  it("reads short switches combined and separate", async () => {
    const cleanup = await COMMANDS.cleanup.load();
    assertEquals(parse(["-vh"], cleanup).isOn("verbose"), true);
    assertEquals(parse(["-vh"], cleanup).isOn("help"), true);
    refused(["-vx"], "Unknown option", cleanup);
    refused(["-v=false"], "Unknown option", cleanup);
  });
});

Deno.test("readChoice() accepts only the allowed values, and explains others", () => {
  const read = (...given: [string, string][]) =>
    readChoice({ flags: new Map(given) }, "mode", ["fast", "slow"], "run");
  assertEquals(read(), undefined);
  assertEquals(read(["mode", "slow"]), "slow");
  for (const wrong of ["", "Slow", "toString"]) {
    const error = assertThrows(() => read(["mode", wrong]), RunnerError);
    assertEquals([error.code, error.message.split("\n")[0]], [
      "usage",
      `Option --mode must be "fast" or "slow", not "${wrong}"`,
    ]);
  }
});
