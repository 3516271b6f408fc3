import type { Flag, LoadedCommand } from "../command.ts";
import {
  isWordList,
  operandKind,
  valueKind,
  type WordKind,
} from "./word_kind.ts";

const HEAD = `# Completion of runnerlib for fish.
function __runnerlib_command_is
    set -l words (commandline -opc)
    test "$words[2]" = "$argv[1]"
end

function __runnerlib_has_operand
    set -l words (commandline -opc)
    string match -qv -- '-*' $words[3..]
end

function __runnerlib_names
    set -l words (commandline -opc)
    runnerlib completions names $argv[1] -- $words[2..] (commandline -ct) 2>/dev/null
end

complete -c runnerlib -f
complete -c runnerlib -n '__runnerlib_command_is ""' -s h -l help -d 'Show the commands'
complete -c runnerlib -n '__runnerlib_command_is ""' -l version -d 'Show the version'`;

/**
 * Creates the completion script for fish.
 *
 * @returns Script without a trailing newline.
 */
export function fishCompletions(commands: readonly LoadedCommand[]): string {
  return [
    HEAD,
    ...commands.map(({ name, summary }) =>
      `complete -c runnerlib -n '__runnerlib_command_is ""' -a ${name} -d ${
        quoted(summary)
      }`
    ),
    ...commands.flatMap(commandLines),
  ].join("\n");
}

function commandLines(loaded: LoadedCommand): string[] {
  const { name, flags, command } = loaded;
  const here = `__runnerlib_command_is ${name}`;
  const operands = command.actions === undefined
    ? [operandLine(here, operandKind(loaded, 0))]
    : [
      operandLine(
        `${here}; and not __runnerlib_has_operand`,
        operandKind(loaded, 0),
      ),
      operandLine(
        `${here}; and __runnerlib_has_operand`,
        operandKind(loaded, 1),
      ),
    ];
  return [
    ...flags.flatMap((flag) => flagLines(here, flag)),
    ...operands.filter((line) => line !== ""),
  ];
}

function flagLines(here: string, flag: Flag): string[] {
  const { name, short, valueName, isNegatable, help } = flag;
  const start = `complete -c runnerlib -n ${quoted(here)}`;
  const names = `${short ? `-s ${short} ` : ""}-l ${name}`;
  const about = `-d ${quoted(help)}`;
  const value = valueName === undefined ? "" : ` ${valuePart(valueKind(flag))}`;
  return [
    `${start} ${names}${value} ${about}`,
    ...isNegatable ? [`${start} -l no-${name} ${about}`] : [],
  ];
}

function operandLine(condition: string, kind: WordKind): string {
  if (kind === "nothing") return "";
  const value = valuePart(kind).replace(/^-x |^-r /, "");
  return `complete -c runnerlib -n ${quoted(condition)} ${value}`;
}

function valuePart(kind: WordKind): string {
  if (kind === "nothing") return "-x";
  if (kind === "file") return "-r -F";
  if (kind === "directory") return "-x -a '(__fish_complete_directories)'";
  if (isWordList(kind)) return `-x -a ${quoted(kind.join(" "))}`;
  const names = `-a '(__runnerlib_names ${kind.names})'`;
  return kind.names === "workflow" ? `-r -F ${names}` : `-x ${names}`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
