import { assertEquals } from "@std/assert";
import { COMMANDS } from "../src/cli/commands.ts";
import { parseArguments } from "../src/cli/parse_arguments.ts";
import { commandText, optionText, runnerCommand } from "../src/command_text.ts";
import { Random } from "./helpers/random.ts";
import { shellOutput } from "./helpers/shell_output.ts";

const HOSTILE = [
  "-x",
  "--",
  "--help",
  "--dry-run=false",
  "--job-command=other",
  "=x",
  "it's",
  "'",
  "a\\'b\\",
  "a\n'b' \"$c\" `d` $(e)\t!f",
  "\\",
  " leading and trailing ",
  "~ * ? [a] {b,c} # %",
  "ä 𝄞 \u202e",
];

/**
 * The words into which a shell splits a command line, each followed by a NUL.
 */
async function wordsOf(line: string): Promise<string[]> {
  const printed = await shellOutput(
    `runnerlib() { printf '%s\\0' "$@"; }\n${line}`,
    {},
  );
  return printed.split("\0").slice(0, -1);
}

Deno.test("runnerCommand() passes every command unchanged through a shell and the parser", async () => {
  const run = await COMMANDS.run.load();
  const random = new Random();
  const generated = Array.from(
    { length: 60 },
    () => random.text(1 + random.below(8), "-='\"\\$`!#~* \n\tab"),
  );
  for (const command of [...HOSTILE, ...generated]) {
    const [name, ...args] = await wordsOf(runnerCommand(command));
    assertEquals(name, "run");
    const { flags, rest } = parseArguments(args, "run", run);
    assertEquals([...flags], [["job-command", command]], `seed ${random.seed}`);
    assertEquals(rest, undefined);
  }
});

Deno.test("runnerCommand() wraps a command as the coordinator does, and keeps the runner's own commands", () => {
  assertEquals(
    runnerCommand("echo it's"),
    `runnerlib run --job-command 'echo it'\\''s'`,
  );
  assertEquals(runnerCommand("-x"), "runnerlib run --job-command='-x'");
  assertEquals(runnerCommand("runnerlib run"), "runnerlib run");
});

Deno.test("commandText() quotes the words that a shell would change", async () => {
  const argv = ["runnerlib", ...HOSTILE, "", "a=b", "plain-1.0"];
  assertEquals(await wordsOf(commandText(argv)), argv.slice(1));
  assertEquals(commandText(["a", "b c"]), "a 'b c'");
  assertEquals(commandText("any 'text'"), "any 'text'");
});

Deno.test("optionText() joins a value to its option with an equals sign if it starts with a dash", () => {
  assertEquals(optionText("--job", "a b"), "--job 'a b'");
  assertEquals(optionText("--job", "-a"), "--job=-a");
});
