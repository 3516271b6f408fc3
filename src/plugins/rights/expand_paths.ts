import { normalizePath } from "../../job_path.ts";
import type { PluginPermissions } from "./rights.ts";

/** Directories by the names that stand for them in rights: `JOB_DIR` and so on. */
export type RightsDirectories = Readonly<Record<string, string>>;

/**
 * Puts real directories in the place of `$JOB_DIR` and the like.
 *
 * @param rights Rights as somebody wrote them.
 * @param directories Directories by name.
 * @returns The same rights with absolute paths.
 * @throws {TypeError} If a path cannot be used.
 */
export function expandPaths(
  rights: PluginPermissions,
  directories: RightsDirectories,
): PluginPermissions {
  const { read = [], write = [] } = rights;
  const expand = (path: string) => expandPath(path, directories);
  return { ...rights, read: read.map(expand), write: write.map(expand) };
}

function expandPath(path: string, directories: RightsDirectories): string {
  if (path === "*") return path;
  const expanded = path.replace(/^\$(\w+)(?=\/|$)/, (whole, name) => {
    return Object.hasOwn(directories, name) ? directories[name] : whole;
  });
  const problem = !expanded.startsWith("/")
    ? `it begins neither with "/" nor with ${
      Object.keys(directories).map((name) => `$${name}`).join(", ")
    }`
    // Deno takes it for the end of the path, and has no way to write it.
    : expanded.includes(",")
    ? "it holds a comma"
    : undefined;
  if (problem === undefined) return normalizePath(expanded);
  throw new TypeError(`the path "${path}" cannot be permitted: ${problem}`);
}
