/** What an engine reads as the name of one variable; Podman expands `*`. */
const VARIABLE_NAME = /^[^\s=#*\0][^\s=*\0]*$/;

/**
 * Writes the option that mounts a directory or file of this machine.
 *
 * Engines read a line of CSV there, in which a path may contain any character.
 * `--volume` splits at colons, and has no way to escape one.
 *
 * @param source Absolute path outside.
 * @param target Absolute path inside.
 * @param rest More fields, such as `readonly`.
 * @returns The option.
 */
export function mountOption(
  source: string,
  target: string,
  ...rest: readonly string[]
): string {
  const fields = ["type=bind", `source=${source}`, `target=${target}`, ...rest];
  return `--mount=${fields.map(quoted).join(",")}`;
}

/**
 * Checks whether an engine reads a name as that of one variable.
 *
 * @param name Name of a variable.
 */
export function isEngineVariable(name: string): boolean {
  return VARIABLE_NAME.test(name);
}

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
