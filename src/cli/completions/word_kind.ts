import type { Flag, LoadedCommand, NameKind } from "../command.ts";

/** Places that hold the path of a file. */
const FILES = /\b(?:FILE|PATH|PIPELINE)\b/;

/** Places that hold the path of a directory. */
const DIRECTORIES = /\bDIRECTORY\b/;

/** What a shell offers at a place of the command line. */
export type WordKind =
  | "nothing"
  | "file"
  | "directory"
  | { readonly names: NameKind }
  | readonly string[];

/**
 * Checks whether a place holds a list of words that are known in advance.
 *
 * @param kind What a shell offers there.
 */
export function isWordList(kind: WordKind): kind is readonly string[] {
  return Array.isArray(kind);
}

/**
 * Returns what a shell offers as the value of an option.
 *
 * @param flag Option that takes a value.
 * @returns Words, or a kind of path, or nothing.
 */
export function valueKind(
  { choices, names, valueName = "" }: Flag,
): WordKind {
  if (names !== undefined) return { names };
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
  const { actions, maxOperands, operandNames, takesSecrets, usage } = command;
  if (actions !== undefined) {
    if (position === 0) return actions;
    if (operandNames !== undefined) return { names: operandNames };
    return maxOperands > 1 ? "file" : "nothing";
  }
  if (operandNames !== undefined) return { names: operandNames };
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
