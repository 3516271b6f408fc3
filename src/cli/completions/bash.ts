import type { Flag, LoadedCommand } from "../command.ts";
import {
  isWordList,
  operandKind,
  typedNames,
  valueKind,
  type WordKind,
} from "./word_kind.ts";

/** Determines the word at the cursor; bash splits words at "=". */
const HEAD = `# Completion of runnerlib for bash 3.2 and newer.
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

const TAIL = `}

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
export function bashCompletions(commands: readonly LoadedCommand[]): string {
  const names = commands.map(({ name }) => name);
  return [
    HEAD,
    "  if ((COMP_CWORD == 1)); then",
    `    ${offer([...names, "--help", "--version"])}`,
    "    return",
    "  fi",
    "  case ${COMP_WORDS[1]} in",
    ...commands.flatMap(commandCase),
    "  esac",
    TAIL,
  ].join("\n");
}

function commandCase(loaded: LoadedCommand): string[] {
  const { name, flags, command } = loaded;
  const valued = flags.filter((flag) => flag.valueName !== undefined);
  const first = offer(operandKind(loaded, 0));
  const others = offer(operandKind(loaded, 1));
  const operands = command.actions === undefined
    ? first
    : `if ((operands == 0)); then ${first}; else ${others}; fi`;
  return [
    `    ${name})`,
    "      case $prev in",
    ...valued.map(valueCase),
    "      esac",
    "      case $cur in",
    `        -*) ${offer(flags.flatMap(typedNames))} ;;`,
    `        *) ${operands} ;;`,
    "      esac",
    "      ;;",
  ];
}

function valueCase(flag: Flag): string {
  const names = [`--${flag.name}`, ...flag.short ? [`-${flag.short}`] : []];
  return `        ${names.join("|")}) ${offer(valueKind(flag))}; return ;;`;
}

function offer(kind: WordKind): string {
  if (kind === "nothing") return ":";
  if (kind === "file") return "_runnerlib_files";
  if (kind === "directory") return "_runnerlib_directories";
  if (!isWordList(kind)) {
    const names = `_runnerlib_names ${kind.names}`;
    return kind.names === "workflow" ? `_runnerlib_files; ${names}` : names;
  }
  return `_runnerlib_words $'${kind.join("\\n")}'`;
}
