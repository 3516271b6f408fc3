import { parseArgs } from "@std/cli/parse-args";
import { booleanProblem, parseBoolean } from "../boolean.ts";
import { RunnerError } from "../errors.ts";
import { oneOf, suggestName } from "../suggest.ts";
import type { CliCommand, Flag, ParsedArguments } from "./command.ts";

/** Workers append this option to any command, so all commands accept it. */
const TRANSPORT_FLAG: Flag = {
  name: "allow-insecure-transport",
  help: "Allow sending tokens to the coordinator over plain HTTP",
};

/** Options for the log level, for commands that run jobs. */
export const QUIET_FLAG: Flag = {
  name: "quiet",
  short: "q",
  help: "Print only output, warnings, errors and failures",
  group: "Output",
};
export const VERBOSE_FLAG: Flag = {
  name: "verbose",
  help: "Print more details about what the runner does",
  group: "Output",
};

const HELP_FLAG: Flag = { name: "help", short: "h", help: "Show this help" };

/** Returns the options of a command, including those of all commands. */
export function listFlags(
  { flags, usesCoordinator = false }: CliCommand,
): Flag[] {
  return [
    ...flags,
    { ...TRANSPORT_FLAG, isHidden: !usesCoordinator },
    HELP_FLAG,
  ];
}

/**
 * Parses the arguments of a command.
 *
 * A switch is turned on with `--NAME` or `--NAME=true`, and off with
 * `--NAME=false`, or with `--no-NAME` if it is on by default. The next argument
 * is never its value. Any other value is an error, including an empty one,
 * since `--NAME=$UNSET` is a mistake in a script.
 *
 * @throws {RunnerError} `usage` if an option is unknown, its value is missing
 * or not allowed, or there are too many operands.
 */
export function parseArguments(
  args: readonly string[],
  name: string,
  command: CliCommand,
): ParsedArguments {
  const known = listFlags(command);
  const valued = known.filter((flag) => flag.valueName !== undefined);
  const { switches, others } = takeSwitches(args, name, command);
  const parsed = parseArgs(joinValues(others, valued, name), {
    "--": true,
    string: ["_", ...valued.map((flag) => flag.name)],
    collect: listNames(valued.filter((flag) => flag.isRepeatable)),
    alias: Object.fromEntries(
      valued.flatMap(({ name, short }) => short ? [[name, short]] : []),
    ),
    unknown: (arg, key) => {
      if (key === undefined) return true;
      throw command.takesSecrets
        ? usageError(
          `Unknown option; put "--" before arguments that are not options`,
          name,
        )
        : unknownFlagError(arg, name, known);
    },
  });
  const flags = new Map<string, string | readonly string[]>();
  for (const flag of valued) {
    const value = parsed[flag.name] as string | string[] | undefined;
    if (
      value !== undefined && (typeof value === "string" || value.length > 0)
    ) {
      flags.set(flag.name, value);
    }
  }
  const operands = parsed._.map(String);
  const rest = args.includes("--") ? parsed["--"] : undefined;
  checkOperands(operands, rest, name, command);
  return {
    flags,
    switches,
    isOn: (name) => switches.get(name) === true,
    operands,
    rest,
  };
}

/**
 * Creates a usage error.
 *
 * @param command Command whose help the message mentions.
 * @returns The error, with exit code 2.
 */
export function usageError(message: string, command = ""): RunnerError {
  const help = `runnerlib ${command}${command && " "}--help`;
  return new RunnerError(`${message}\nSee "${help}"`, {
    code: "usage",
    exitCode: 2,
  });
}

/**
 * Reads an option that has fixed values.
 *
 * @param name Long name of the option.
 * @param choices Allowed values.
 * @param command Command whose help the error mentions.
 * @returns The value; `undefined` if the option is not given.
 * @throws {RunnerError} `usage` if the value is not allowed.
 */
export function readChoice<Choice extends string>(
  { flags }: Pick<ParsedArguments, "flags">,
  name: string,
  choices: readonly Choice[],
  command: string,
): Choice | undefined {
  const value = flags.get(name);
  const choice = choices.find((known) => known === value);
  if (choice !== undefined || value === undefined) return choice;
  throw usageError(
    `Option --${name} must be ${oneOf(choices)}, not "${value}"`,
    command,
  );
}

function listNames(flags: readonly Flag[]): string[] {
  return flags.map((flag) => flag.name);
}

/** Removes the switches from the arguments; the last occurrence counts. */
function takeSwitches(
  args: readonly string[],
  name: string,
  command: CliCommand,
): { switches: Map<string, boolean>; others: string[] } {
  const known = listFlags(command).filter((flag) =>
    flag.valueName === undefined
  );
  const switches = new Map<string, boolean>();
  const end = args.indexOf("--");
  const before = end < 0 ? args : args.slice(0, end);
  const others = before.filter((arg) => {
    const shorts = /^-([A-Za-z]+)$/.exec(arg)?.[1].split("")
      .map((letter) => known.find(({ short }) => short === letter));
    if (shorts?.every((flag) => flag !== undefined)) {
      for (const flag of shorts) switches.set(flag.name, true);
      return false;
    }
    const [, typed, value] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    const flag = known.find((flag) => flag.name === typed);
    const negated = known.find((flag) =>
      flag.isNegatable && `no-${flag.name}` === typed
    );
    if (flag === undefined && negated === undefined) return true;
    if (negated !== undefined && value !== undefined) {
      throw usageError(`Option --${typed} takes no value`, name);
    }
    const isOn = negated === undefined && parseBoolean(value ?? "true");
    if (isOn === undefined) {
      // The value may be a secret that was intended for another option.
      const problem = command.takesSecrets
        ? "must be true or false"
        : booleanProblem(value);
      throw usageError(`Option --${typed} ${problem}`, name);
    }
    switches.set((flag ?? negated)!.name, isOn);
    return false;
  });
  return {
    switches,
    others: end < 0 ? others : [...others, ...args.slice(end)],
  };
}

function unknownFlagError(
  arg: string,
  command: string,
  known: readonly Flag[],
): RunnerError {
  const typed = truncateArgument(arg);
  const negated = known.find(({ name }) => `--no-${name}` === typed);
  const near = negated?.valueName === undefined && negated !== undefined
    ? `${negated.name}=false`
    : suggestName(
      typed.replace(/^-+/, ""),
      listNames(known.filter(({ isHidden }) => !isHidden)),
    );
  if (near !== undefined) {
    return usageError(
      `Unknown option ${typed}; did you mean --${near}?`,
      command,
    );
  }
  // As in -pPASSWORD.
  const shown = /^-[^-]./.test(typed) ? `${typed.slice(0, 2)}…` : typed;
  return usageError(`Unknown option ${shown}`, command);
}

/**
 * Truncates an argument before a possible secret, as in `TOKEN=value`, or in an
 * option that was quoted together with its value.
 */
function truncateArgument(arg: string): string {
  return /^[^=\s]*/.exec(arg)![0];
}

/**
 * Formats an unknown argument for a message.
 *
 * @returns Its name, with an ellipsis instead of the value.
 */
export function formatArgument(arg: string): string {
  const name = truncateArgument(arg);
  return name === arg ? name : `${name}…`;
}

/** Joins options and values; the parser drops empty and ignores missing ones. */
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
  command: CliCommand,
): void {
  const { flags, maxOperands, takesRest } = command;
  if (operands.length > maxOperands) {
    const shown = formatArgument(operands[maxOperands]);
    const readsJobFile = flags.some(({ name }) => name === "job-file");
    const hint = readsJobFile && /\.(ya?ml|json)$/.test(shown)
      ? `; did you mean --job-file ${shown}?`
      : !takesRest
      ? ""
      : /^[^/].*\.([cm]?[jt]s|py)$/.test(shown)
      ? `; did you mean runnerlib exec ${shown}? Put "--" before a command`
      : `; put "--" before a command`;
    throw usageError(`Unexpected argument "${shown}"${hint}`, name);
  }
  if (rest !== undefined && !takesRest) {
    throw usageError(`Unexpected argument "--"`, name);
  }
}
