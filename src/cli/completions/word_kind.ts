import type { Flag, LoadedCommand } from "../command.ts";

/** Places that hold the path of a file. */
const FILES = /\b(?:FILE|PATH|PIPELINE)\b/;

/** Places that hold the path of a directory. */
const DIRECTORIES = /\bDIRECTORY\b/;

/** What a shell offers at a place of the command line. */
export type WordKind =
  | "nothing"
  | "file"
  | "directory"
  | readonly string[];

/**
 * Returns what a shell offers as the value of an option.
 *
 * @param flag Option that takes a value.
 * @returns Words, or a kind of path, or nothing.
 */
export function valueKind({ choices, valueName = "" }: Flag): WordKind {
  if (choices !== undefined) return choices.filter((word) => word !== "");
  return pathKind(valueName);
}

/**
 * Returns what a shell offers as an operand of a command.
 *
 * @param loaded The command.
 * @param position Number of the operand, the first being 0.
 * @returns Words, or a kind of path, or nothing.
 */
export function operandKind(
  { command }: LoadedCommand,
  position: number,
): WordKind {
  const { actions, maxOperands, takesSecrets, usage } = command;
  if (actions !== undefined) {
    if (position === 0) return actions;
    return maxOperands > 1 ? "file" : "nothing";
  }
  return takesSecrets ? "nothing" : pathKind(usage);
}

/**
 * Lists the options of a command as they are typed.
 *
 * @param flag Option.
 * @returns The long name, and the one that says the opposite.
 */
export function typedNames({ name, isNegatable }: Flag): string[] {
  return isNegatable ? [`--${name}`, `--no-${name}`] : [`--${name}`];
}

function pathKind(text: string): WordKind {
  if (DIRECTORIES.test(text)) return "directory";
  return FILES.test(text) ? "file" : "nothing";
}
