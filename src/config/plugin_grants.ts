import { RunnerError } from "../errors.ts";
import { listText, parseList } from "./text_values.ts";

/** Rights by plugin and kind, as a job file and the library spell them. */
export type PluginGrants = Readonly<
  Record<string, { readonly [kind: string]: readonly string[] | undefined }>
>;

/**
 * Writes grants as variables and options spell them: a line
 * `NAME:KIND=VALUE,VALUE` for each.
 *
 * @param grants Grants by plugin and kind.
 * @returns Lines, which {@linkcode readGrantValues} reads back exactly.
 * @throws {RunnerError} `invalid-config`, if a name or a kind cannot be one.
 */
export function grantLines(grants: PluginGrants): string[] {
  return Object.entries(grants).flatMap(([name, rights]) => {
    if (!/^[^:\s]+$/.test(name)) {
      throw invalid(name, "it is not the name of a plugin");
    }
    return Object.entries(rights).map(([kind, values = []]) => {
      if (!/^[a-z]+$/.test(kind)) {
        throw invalid(`${name}:${kind}`, `"${kind}" is not a permission`);
      }
      return `${name}:${kind}=${listText(values)}`;
    });
  });
}

/**
 * Reads the values of a grant.
 *
 * @param text `VALUE,VALUE` or a JSON list of strings.
 * @returns Values.
 * @throws {TypeError} If it begins like a JSON list and is not one.
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
