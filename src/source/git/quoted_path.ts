/**
 * Quotes a path as in C, for a file of git that holds one on each line.
 *
 * @param path Path.
 * @returns The path in quotes, on one line.
 */
export function quotedPath(path: string): string {
  const text = path.replace(
    // deno-lint-ignore no-control-regex
    /["\\\x00-\x1f\x7f]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
  return `"${text}"`;
}
