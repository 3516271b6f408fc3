import { parseArgs } from "@std/cli/parse-args";
import { RunnerError } from "../errors.ts";
import { suggest } from "../suggest.ts";
import type { Command, Flag, ParsedArguments } from "./command.ts";

/** Options that every command has. */
export const COMMON_FLAGS: readonly Flag[] = [
  {
    // A worker appends it to whatever command there is, so every one takes it.
    name: "allow-insecure-transport",
    help: "Let tokens be sent to the coordinator over plain HTTP",
  },
  { name: "help", short: "h", help: "Show this text" },
];

/**
 * Reads what a user typed behind the name of a command.
 *
 * @param args Arguments.
 * @param name Name of the command.
 * @param command The command.
 * @returns Options and operands.
 * @throws {RunnerError} `usage`, if an option is unknown or lacks its value, or
 * there are too many operands.
 */
export function parseArguments(
  args: readonly string[],
  name: string,
  command: Command,
): ParsedArguments {
  const known = [...command.flags, ...COMMON_FLAGS];
  const valued = known.filter((flag) => flag.valueName !== undefined);
  const switches = known.filter((flag) => flag.valueName === undefined);
  const parsed = parseArgs(joinValues(args, valued, name), {
    "--": true,
    string: ["_", ...valued.map((flag) => flag.name)],
    boolean: switches.map((flag) => flag.name),
    negatable: namesOf(switches.filter((flag) => flag.isNegatable)),
    collect: namesOf(valued.filter((flag) => flag.isRepeatable)),
    alias: Object.fromEntries(
      known.flatMap(({ name, short }) => short ? [[name, short]] : []),
    ),
    unknown: (arg, key) => {
      if (key === undefined) return true;
      throw command.takesSecrets
        ? usageError(`Unknown option; "--" goes before what is none`, name)
        : unknownFlag(arg, name, known);
    },
  });
  const flags = new Map<string, string | boolean | readonly string[]>();
  for (const flag of known) {
    const value = parsed[flag.name] as string | boolean | string[] | undefined;
    const isUnsaid = value === undefined ||
      Array.isArray(value) && value.length === 0 ||
      value === false && !isNegated(args, flag);
    if (isUnsaid) continue;
    flags.set(flag.name, value);
  }
  const operands = parsed._.map(String);
  const rest = args.includes("--") ? parsed["--"] : undefined;
  checkOperands(operands, rest, name, command);
  return { flags, operands, rest };
}

/**
 * Makes an error of something that was typed wrongly.
 *
 * @param message What is wrong.
 * @param command Name of the command whose help tells what is right.
 * @returns The error, with exit code 2.
 */
export function usageError(message: string, command = ""): RunnerError {
  const help = `runnerlib ${command}${command && " "}--help`;
  return new RunnerError(`${message}\nSee "${help}"`, {
    code: "usage",
    exitCode: 2,
  });
}

function namesOf(flags: readonly Flag[]): string[] {
  return flags.map((flag) => flag.name);
}

function isNegated(args: readonly string[], { name }: Flag): boolean {
  return args.includes(`--no-${name}`) || args.includes(`--${name}=false`);
}

function unknownFlag(
  arg: string,
  command: string,
  known: readonly Flag[],
): RunnerError {
  const [typed] = arg.split("=", 1);
  const near = suggest(typed.replace(/^-+/, ""), namesOf(known));
  const hint = near === undefined ? "" : `; did you mean --${near}?`;
  return usageError(`Unknown option ${typed}${hint}`, command);
}

/** Ties each value to its option, since the parser drops empty ones and misses missing ones. */
function joinValues(
  args: readonly string[],
  valued: readonly Flag[],
  command: string,
): string[] {
  const joined: string[] = [];
  for (let at = 0; at < args.length; at++) {
    if (args[at] === "--") return [...joined, ...args.slice(at)];
    const flag = valued.find(({ name, short }) =>
      args[at] === `--${name}` || args[at] === `-${short}`
    );
    if (flag === undefined) {
      joined.push(args[at]);
      continue;
    }
    const value = args[++at];
    if (value === undefined || /^-./.test(value)) {
      throw usageError(
        `Option --${flag.name} needs a value; one that starts with "-" is written --${flag.name}=-…`,
        command,
      );
    }
    joined.push(`--${flag.name}=${value}`);
  }
  return joined;
}

function checkOperands(
  operands: readonly string[],
  rest: readonly string[] | undefined,
  name: string,
  command: Command,
): void {
  const { maxOperands, takesRest } = command;
  if (operands.length > maxOperands) {
    const hint = takesRest ? `; put "--" before a command` : "";
    throw usageError(
      `Unexpected argument "${operands[maxOperands]}"${hint}`,
      name,
    );
  }
  if (rest !== undefined && !takesRest) {
    throw usageError(`Unexpected argument "--"`, name);
  }
}
