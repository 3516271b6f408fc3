import type { Flag, LoadedCommand, NameKind } from "../command.ts";

/** Placeholders for the path of a file. */
const FILES = /\b(?:FILE|PATH|PIPELINE)\b/;

/** Placeholders for the path of a directory. */
const DIRECTORIES = /\bDIRECTORY\b/;

/** Completions that a shell offers for a word of the command line. */
export type WordKind =
  | "nothing"
  | "file"
  | "directory"
  | { readonly names: NameKind }
  | readonly string[];

/** Checks whether completions are a fixed list of words. */
export function isWordList(kind: WordKind): kind is readonly string[] {
  return Array.isArray(kind);
}

/**
 * Returns the completions for the value of an option.
 *
 * @param flag Option that takes a value.
 * @returns Words, a kind of path, or nothing.
 */
export function valueKind(
  { choices, names, valueName = "" }: Flag,
): WordKind {
  if (names !== undefined) return { names };
  if (choices !== undefined) return choices.filter((word) => word !== "");
  return pathKind(valueName);
}

/**
 * Returns the completions for an operand of a command.
 *
 * @param position Index of the operand, from 0.
 * @returns Words, a kind of path, or nothing.
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
 * Lists the names of an option as typed.
 *
 * @returns The long name, and its negation if there is one.
 */
export function typedNames({ name, isNegatable }: Flag): string[] {
  return isNegatable ? [`--${name}`, `--no-${name}`] : [`--${name}`];
}

function pathKind(text: string): WordKind {
  if (DIRECTORIES.test(text)) return "directory";
  return FILES.test(text) ? "file" : "nothing";
}
