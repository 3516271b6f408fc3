import { quoteWord } from "../../command_text.ts";
import type { Flag, LoadedCommand } from "../command.ts";
import {
  isWordList,
  operandKind,
  valueKind,
  type WordKind,
} from "./word_kind.ts";

/**
 * Works both as a file in `fpath` and when the shell evaluates it at startup.
 */
const TAIL = `
_runnerlib_names() {
  local -a names
  names=("\${(@f)$(runnerlib completions names $1 -- "\${words[@]}" 2>/dev/null)}")
  names=(\${names:#})
  compadd -a names
}

if [[ $funcstack[1] == _runnerlib ]]; then
  _runnerlib "$@"
else
  compdef _runnerlib runnerlib
fi`;

/**
 * Creates the completion script for zsh.
 *
 * @returns Script without a trailing newline.
 */
export function zshCompletions(commands: readonly LoadedCommand[]): string {
  return [
    "#compdef runnerlib",
    "_runnerlib() {",
    "  local curcontext=$curcontext state line",
    "  local -a commands",
    "  typeset -A opt_args",
    "  commands=(",
    ...commands.map(({ name, summary }) =>
      `    ${quoteWord(`${name}:${escaped(summary, ":")}`)}`
    ),
    "  )",
    "  _arguments -C '(- *)'{-h,--help}'[Show the commands]' \\",
    "    '(- *)--version[Show the version]' \\",
    "    '(-)1: :->command' '(-)*:: :->argument'",
    "  case $state in",
    "    command) _describe command commands ;;",
    "    argument)",
    "      case $line[1] in",
    ...commands.flatMap(commandCase),
    "      esac",
    "      ;;",
    "  esac",
    "}",
    TAIL,
  ].join("\n");
}

function commandCase(loaded: LoadedCommand): string[] {
  const { name, flags, command } = loaded;
  const operands = command.actions === undefined
    ? operand("*", operandKind(loaded, 0))
    : [
      ...operand("1", operandKind(loaded, 0)),
      ...operand("*", operandKind(loaded, 1)),
    ];
  const specifications = [...flags.flatMap(flagSpecifications), ...operands];
  return [
    `        ${name})`,
    "          _arguments \\",
    specifications.map((text) => `            ${quoteWord(text)}`).join(
      " \\\n",
    ),
    "          ;;",
  ];
}

function flagSpecifications(flag: Flag): string[] {
  const { name, short, valueName, help, isRepeatable, isNegatable } = flag;
  const about = `[${escaped(help, "[]:")}]`;
  const star = isRepeatable ? "*" : "";
  if (valueName === undefined) {
    const names = [
      `--${name}`,
      ...isNegatable ? [`--no-${name}`] : [],
      ...short ? [`-${short}`] : [],
    ];
    const others = names.length > 1 ? `(${names.join(" ")})` : "";
    return names.map((typed) => `${others}${typed}${about}`);
  }
  const value = `:${escaped(valueName, ":")}:${action(valueKind(flag))}`;
  return [
    `${star}--${name}=${about}${value}`,
    ...short ? [`${star}-${short}+${about}${value}`] : [],
  ];
}

/**
 * Omits operands without completions, or zsh would not complete options there.
 */
function operand(position: string, kind: WordKind): string[] {
  return kind === "nothing" ? [] : [`${position}: :${action(kind)}`];
}

function action(kind: WordKind): string {
  if (kind === "nothing") return " ";
  if (kind === "file") return "_files";
  if (kind === "directory") return "_files -/";
  if (isWordList(kind)) return `(${kind.join(" ")})`;
  const files = kind.names === "workflow" ? "; _files" : "";
  return `{_runnerlib_names ${kind.names}${files}}`;
}

function escaped(text: string, characters: string): string {
  return [...text]
    .map((sign) => characters.includes(sign) ? `\\${sign}` : sign)
    .join("");
}
