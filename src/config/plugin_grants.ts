import { RunnerError } from "../errors.ts";
import { listText, parseList } from "./text_values.ts";

/** Permissions by plugin and kind, as in a job file and the library. */
export type PluginGrants = Readonly<
  Record<string, { readonly [kind: string]: readonly string[] | undefined }>
>;

/**
 * Formats permissions as in variables and options: lines of the form
 * `NAME:KIND=VALUE,VALUE`.
 *
 * @returns Lines, from which {@linkcode readGrantValues} restores the exact
 * values.
 * @throws {RunnerError} `invalid-config`, if a name or kind is invalid.
 */
export function grantLines(grants: PluginGrants): string[] {
  return Object.entries(grants).flatMap(([name, permissions]) => {
    if (!/^[^:\s]+$/.test(name)) {
      throw invalid(name, "it is not the name of a plugin");
    }
    return Object.entries(permissions).map(([kind, values = []]) => {
      if (!/^[a-z]+$/.test(kind)) {
        throw invalid(`${name}:${kind}`, `"${kind}" is not a permission`);
      }
      return `${name}:${kind}=${listText(values)}`;
    });
  });
}

/**
 * Parses the values of a permission.
 *
 * @param text `VALUE,VALUE` or a JSON list of strings.
 * @throws {TypeError} If the text starts like a JSON list but is not one.
 */
export function readGrantValues(text: string): string[] {
  const values = parseList(text);
  if (values !== undefined) return values;
  throw new TypeError("its values are not a JSON list of strings");
}

function invalid(grant: string, state: string): RunnerError {
  return new RunnerError(
    `Cannot use plugin permission ${JSON.stringify(grant)}: ${state}`,
    { code: "invalid-config" },
  );
}
