import { RunnerError } from "../errors.ts";
import { isInside } from "../job_path.ts";
import { printable } from "../printable.ts";
import { osReason } from "../os_reason.ts";

/** Files that Deno runs; declarations of types hold no code. */
const MODULE = /^plugin_(.+)(?<!\.d)\.(?:ts|js)$/s;

/** Files that may be programs. */
const PROGRAM = /^plugin_([^.]+)(?:\.[^.]+)?$/s;

/** A file that is a plugin. */
export interface PluginFile {
  /** Name under which rights are granted to it: `slack` for `plugin_slack.ts`. */
  readonly name: string;
  /** Path as it was found. */
  readonly path: string;
  /** Whether Deno runs it, or the system does. */
  readonly kind: "module" | "program";
}

/**
 * Finds the plugins directly in a directory, by name: `plugin_*.ts`,
 * `plugin_*.js`, and other files `plugin_*` that are executable.
 *
 * @param directory Path of the directory.
 * @returns The files.
 * @throws {RunnerError} `invalid-config` if there is no such directory.
 */
export async function findPluginFiles(
  directory: string,
): Promise<PluginFile[]> {
  try {
    const root = await Deno.realPath(directory);
    const entries = await Array.fromAsync(Deno.readDir(root));
    const paths = entries.map(({ name }) => `${root}/${name}`).sort();
    const files = await Promise.all(paths.map(pluginFile));
    return files.filter((file) => file !== undefined);
  } catch (cause) {
    if (cause instanceof RunnerError) throw cause;
    throw new RunnerError(
      `Cannot load plugins from "${directory}": ${osReason(cause)}`,
      { code: "invalid-config", cause },
    );
  }
}

/**
 * Tells whether a file is a plugin, by its name.
 *
 * @param path Path of the file.
 * @returns The plugin; `undefined` if it is none.
 * @throws {RunnerError} `plugin-failed`, if its name could forge lines of the log.
 */
export async function pluginFile(
  path: string,
): Promise<PluginFile | undefined> {
  const base = path.slice(path.lastIndexOf("/") + 1);
  if (printable(base) !== base && /^plugin_/.test(base)) {
    throw new RunnerError(
      `Cannot load plugin "${
        printable(path)
      }": its name contains control characters`,
      { code: "plugin-failed" },
    );
  }
  const module = MODULE.exec(base)?.[1];
  if (module !== undefined) return { name: module, path, kind: "module" };
  const program = PROGRAM.exec(base)?.[1];
  if (program === undefined || /\.(ts|js)$/.test(base)) return undefined;
  const { isFile, mode } = await Deno.stat(path);
  const isProgram = isFile && ((mode ?? 0) & 0o111) !== 0;
  return isProgram ? { name: program, path, kind: "program" } : undefined;
}

/**
 * Finds the real place of a plugin's file.
 *
 * @param path Path in the directory of plugins, free of links but for the last
 * part.
 * @returns Path without links.
 * @throws {TypeError} If a link leaves the directory, or it is no file.
 */
export async function realPluginFile(path: string): Promise<string> {
  const real = await Deno.realPath(path);
  if (!isInside(path.slice(0, path.lastIndexOf("/")), real)) {
    throw new TypeError("it is a link that leaves the directory");
  }
  const { isFile } = await Deno.stat(real);
  if (!isFile) throw new TypeError("it is not a regular file");
  return real;
}

/**
 * Gives the address of a file; names may hold `#`, `?` and `%`, which mean
 * something else in an address.
 *
 * @param path Absolute path.
 * @returns Address.
 */
export function fileUrl(path: string): string {
  return `file://${path.split("/").map(encodeURIComponent).join("/")}`;
}
