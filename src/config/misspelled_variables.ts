import {
  type Environment,
  SYSTEM_PREFIX,
  Variable,
  variableInfo,
} from "../environment/variables.ts";
import { suggest } from "../suggest.ts";

/**
 * Finds variables whose names are probably misspelled.
 *
 * A variable that is not similar to a known one may come from a newer worker.
 *
 * @returns Pairs of the name and the one that was probably meant.
 */
export function misspelledVariables(env: Environment): [string, string][] {
  const unknown = Object.keys(env).filter((name) =>
    name.startsWith(SYSTEM_PREFIX) && variableInfo(name) === undefined
  );
  if (unknown.length === 0) return [];
  const known = Object.values(Variable).flatMap((name) =>
    name.startsWith(SYSTEM_PREFIX) ? [name.slice(SYSTEM_PREFIX.length)] : []
  );
  return unknown.flatMap((name): [string, string][] => {
    const near = suggest(name.slice(SYSTEM_PREFIX.length), known);
    return near === undefined ? [] : [[name, SYSTEM_PREFIX + near]];
  });
}
