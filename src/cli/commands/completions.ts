import { quoteWord } from "../../command_text.ts";
import type { CliCommand, Flag, LoadedCommand, NameKind } from "../command.ts";
import { usageError } from "../parse_arguments.ts";

const SHELLS = {
  bash: createBashScript,
  zsh: createZshScript,
  fish: createFishScript,
} as const;

export const completionsCommand: CliCommand = {
  usage: "SHELL [OPTIONS]",
  description:
    `Prints a script that makes a shell complete commands, options, values, and the
names of steps, jobs and workflows.

Shells, and how to load the script:
  bash  eval "$(runnerlib completions bash)" in ~/.bashrc
  zsh   eval "$(runnerlib completions zsh)" in ~/.zshrc, after compinit
  fish  runnerlib completions fish > ~/.config/fish/completions/runnerlib.fish`,
  examples: [
    ["completions bash", "Print the script for bash"],
    [
      "completions fish > ~/.config/fish/completions/runnerlib.fish",
      "Install the script for fish",
    ],
  ],
  flags: [],
  actions: Object.keys(SHELLS),
  maxOperands: 2,
  takesRest: true,
  async run(context) {
    const { operands: [shell, kind = ""], rest, print, catalog } = context;
    // The scripts call this with the words of the typed line.
    if (shell === "names") {
      const { completedNames } = await import("../completed_names.ts");
      for (const name of await completedNames(context, kind, rest ?? [])) {
        await print(name);
      }
      return 0;
    }
    const names = Object.keys(SHELLS).join(", ");
    if (shell === undefined) {
      throw usageError(`A shell is required: ${names}`, "completions");
    }
    if (!isShell(shell)) {
      throw usageError(
        `The shell must be one of ${names}, not "${shell}"`,
        "completions",
      );
    }
    await print(SHELLS[shell](await catalog.load()));
    return 0;
  },
};

function isShell(text: string): text is keyof typeof SHELLS {
  return Object.hasOwn(SHELLS, text);
}

/** Placeholders for the path of a file. */
const FILES = /\b(?:FILE|PATH|PIPELINE)\b/;

/** Placeholders for the path of a directory. */
const DIRECTORIES = /\bDIRECTORY\b/;

/** Completions that a shell offers for a word of the command line. */
type WordKind =
  | "nothing"
  | "file"
  | "directory"
  | { readonly names: NameKind }
  | readonly string[];

/** Checks whether completions are a fixed list of words. */
function isWordList(kind: WordKind): kind is readonly string[] {
  return Array.isArray(kind);
}

/**
 * Returns the completions for the value of an option.
 *
 * @param flag Option that takes a value.
 * @returns Words, a kind of path, or nothing.
 */
function findValueKind(
  { choices, names, valueName = "" }: Flag,
): WordKind {
  if (names !== undefined) return { names };
  if (choices !== undefined) return choices.filter((word) => word !== "");
  return findPathKind(valueName);
}

/**
 * Returns the completions for an operand of a command.
 *
 * @param position Index of the operand, from 0.
 * @returns Words, a kind of path, or nothing.
 */
function findOperandKind(
  { command }: LoadedCommand,
  position: number,
): WordKind {
  const { actions, maxOperands, operandNames, takesSecrets, usage } = command;
  if (actions !== undefined) {
    if (position === 0) return actions;
    if (operandNames !== undefined) return { names: operandNames };
    return maxOperands > 1 ? "file" : "nothing";
  }
  if (operandNames !== undefined) return { names: operandNames };
  return takesSecrets ? "nothing" : findPathKind(usage);
}

/**
 * Lists the names of an option as typed.
 *
 * @returns The long name, and its negation if there is one.
 */
function listTypedNames({ name, isNegatable }: Flag): string[] {
  return isNegatable ? [`--${name}`, `--no-${name}`] : [`--${name}`];
}

function findPathKind(text: string): WordKind {
  if (DIRECTORIES.test(text)) return "directory";
  return FILES.test(text) ? "file" : "nothing";
}

/** Determines the word at the cursor; bash splits words at "=". */
const BASH_HEAD = `# Completion of runnerlib for bash 3.2 and newer.
_runnerlib() {
  local IFS=$'\\n' cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  local at operands=0
  COMPREPLY=()
  if [[ $cur == "=" ]]; then
    cur=
  elif [[ $prev == "=" ]]; then
    prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((at = 2; at < COMP_CWORD; at++)); do
    case \${COMP_WORDS[at]} in
      --) _runnerlib_files; return ;;
      -*) ;;
      *) operands=$((operands + 1)) ;;
    esac
  done`;

const BASH_TAIL = `}

_runnerlib_words() {
  COMPREPLY=($(compgen -W "$1" -- "$cur"))
}

_runnerlib_files() {
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -f -- "$cur"))
}

_runnerlib_directories() {
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -d -- "$cur"))
}

# Names come from files, so nothing in them is expanded.
_runnerlib_names() {
  local name
  while IFS= read -r name; do
    if [[ $name == "$cur"* ]]; then
      COMPREPLY+=("$(printf '%q' "$name")")
    fi
  done < <(runnerlib completions names "$1" -- "\${COMP_WORDS[@]:1}" 2>/dev/null)
}

complete -F _runnerlib runnerlib`;

/**
 * Creates the completion script for bash.
 *
 * @returns Script without a trailing newline.
 */
function createBashScript(commands: readonly LoadedCommand[]): string {
  const names = commands.map(({ name }) => name);
  return [
    BASH_HEAD,
    "  if ((COMP_CWORD == 1)); then",
    `    ${formatBashOffer([...names, "--help", "--version"])}`,
    "    return",
    "  fi",
    "  case ${COMP_WORDS[1]} in",
    ...commands.flatMap(formatBashCase),
    "  esac",
    BASH_TAIL,
  ].join("\n");
}

function formatBashCase(loaded: LoadedCommand): string[] {
  const { name, flags, command } = loaded;
  const valued = flags.filter((flag) => flag.valueName !== undefined);
  const first = formatBashOffer(findOperandKind(loaded, 0));
  const others = formatBashOffer(findOperandKind(loaded, 1));
  const operands = command.actions === undefined
    ? first
    : `if ((operands == 0)); then ${first}; else ${others}; fi`;
  return [
    `    ${name})`,
    "      case $prev in",
    ...valued.map(formatBashValueCase),
    "      esac",
    "      case $cur in",
    `        -*) ${formatBashOffer(flags.flatMap(listTypedNames))} ;;`,
    `        *) ${operands} ;;`,
    "      esac",
    "      ;;",
  ];
}

function formatBashValueCase(flag: Flag): string {
  const names = [`--${flag.name}`, ...flag.short ? [`-${flag.short}`] : []];
  return `        ${names.join("|")}) ${
    formatBashOffer(findValueKind(flag))
  }; return ;;`;
}

function formatBashOffer(kind: WordKind): string {
  if (kind === "nothing") return ":";
  if (kind === "file") return "_runnerlib_files";
  if (kind === "directory") return "_runnerlib_directories";
  if (!isWordList(kind)) {
    const names = `_runnerlib_names ${kind.names}`;
    return kind.names === "workflow" ? `_runnerlib_files; ${names}` : names;
  }
  return `_runnerlib_words $'${kind.join("\\n")}'`;
}

/**
 * Works both as a file in `fpath` and when the shell evaluates it at startup.
 */
const ZSH_TAIL = `
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
function createZshScript(commands: readonly LoadedCommand[]): string {
  return [
    "#compdef runnerlib",
    "_runnerlib() {",
    "  local curcontext=$curcontext state line",
    "  local -a commands",
    "  typeset -A opt_args",
    "  commands=(",
    ...commands.map(({ name, summary }) =>
      `    ${quoteWord(`${name}:${escapeZsh(summary, ":")}`)}`
    ),
    "  )",
    "  _arguments -C '(- *)'{-h,--help}'[Show the commands]' \\",
    "    '(- *)--version[Show the version]' \\",
    "    '(-)1: :->command' '(-)*:: :->argument'",
    "  case $state in",
    "    command) _describe command commands ;;",
    "    argument)",
    "      case $line[1] in",
    ...commands.flatMap(formatZshCase),
    "      esac",
    "      ;;",
    "  esac",
    "}",
    ZSH_TAIL,
  ].join("\n");
}

function formatZshCase(loaded: LoadedCommand): string[] {
  const { name, flags, command } = loaded;
  const operands = command.actions === undefined
    ? formatZshOperand("*", findOperandKind(loaded, 0))
    : [
      ...formatZshOperand("1", findOperandKind(loaded, 0)),
      ...formatZshOperand("*", findOperandKind(loaded, 1)),
    ];
  const specifications = [...flags.flatMap(formatZshFlags), ...operands];
  return [
    `        ${name})`,
    "          _arguments \\",
    specifications.map((text) => `            ${quoteWord(text)}`).join(
      " \\\n",
    ),
    "          ;;",
  ];
}

function formatZshFlags(flag: Flag): string[] {
  const { name, short, valueName, help, isRepeatable, isNegatable } = flag;
  const about = `[${escapeZsh(help, "[]:")}]`;
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
  const value = `:${escapeZsh(valueName, ":")}:${
    formatZshAction(findValueKind(flag))
  }`;
  return [
    `${star}--${name}=${about}${value}`,
    ...short ? [`${star}-${short}+${about}${value}`] : [],
  ];
}

/**
 * Omits operands without completions, or zsh would not complete options there.
 */
function formatZshOperand(position: string, kind: WordKind): string[] {
  return kind === "nothing" ? [] : [`${position}: :${formatZshAction(kind)}`];
}

function formatZshAction(kind: WordKind): string {
  if (kind === "nothing") return " ";
  if (kind === "file") return "_files";
  if (kind === "directory") return "_files -/";
  if (isWordList(kind)) return `(${kind.join(" ")})`;
  const files = kind.names === "workflow" ? "; _files" : "";
  return `{_runnerlib_names ${kind.names}${files}}`;
}

function escapeZsh(text: string, characters: string): string {
  return [...text]
    .map((character) =>
      characters.includes(character) ? `\\${character}` : character
    )
    .join("");
}

const FISH_HEAD = `# Completion of runnerlib for fish.
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
function createFishScript(commands: readonly LoadedCommand[]): string {
  return [
    FISH_HEAD,
    ...commands.map(({ name, summary }) =>
      `complete -c runnerlib -n '__runnerlib_command_is ""' -a ${name} -d ${
        quoteFish(summary)
      }`
    ),
    ...commands.flatMap(formatFishCommand),
  ].join("\n");
}

function formatFishCommand(loaded: LoadedCommand): string[] {
  const { name, flags, command } = loaded;
  const here = `__runnerlib_command_is ${name}`;
  const operands = command.actions === undefined
    ? [formatFishOperand(here, findOperandKind(loaded, 0))]
    : [
      formatFishOperand(
        `${here}; and not __runnerlib_has_operand`,
        findOperandKind(loaded, 0),
      ),
      formatFishOperand(
        `${here}; and __runnerlib_has_operand`,
        findOperandKind(loaded, 1),
      ),
    ];
  return [
    ...flags.flatMap((flag) => formatFishFlag(here, flag)),
    ...operands.filter((line) => line !== ""),
  ];
}

function formatFishFlag(here: string, flag: Flag): string[] {
  const { name, short, valueName, isNegatable, help } = flag;
  const start = `complete -c runnerlib -n ${quoteFish(here)}`;
  const names = `${short ? `-s ${short} ` : ""}-l ${name}`;
  const about = `-d ${quoteFish(help)}`;
  const value = valueName === undefined
    ? ""
    : ` ${formatFishValue(findValueKind(flag))}`;
  return [
    `${start} ${names}${value} ${about}`,
    ...isNegatable ? [`${start} -l no-${name} ${about}`] : [],
  ];
}

function formatFishOperand(condition: string, kind: WordKind): string {
  if (kind === "nothing") return "";
  const value = formatFishValue(kind).replace(/^-x |^-r /, "");
  return `complete -c runnerlib -n ${quoteFish(condition)} ${value}`;
}

function formatFishValue(kind: WordKind): string {
  if (kind === "nothing") return "-x";
  if (kind === "file") return "-r -F";
  if (kind === "directory") return "-x -a '(__fish_complete_directories)'";
  if (isWordList(kind)) return `-x -a ${quoteFish(kind.join(" "))}`;
  const names = `-a '(__runnerlib_names ${kind.names})'`;
  return kind.names === "workflow" ? `-r -F ${names}` : `-x ${names}`;
}

function quoteFish(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
