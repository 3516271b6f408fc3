/** Checks whether a program is on the path. */
export function isInstalled(program: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((directory) => {
    try {
      return Deno.statSync(`${directory}/${program}`).isFile;
    } catch {
      // It is in another directory, or nowhere.
      return false;
    }
  });
}
