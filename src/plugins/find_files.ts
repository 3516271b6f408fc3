import { osReason, RunnerError } from "../errors.ts";
import { isInside } from "../job_path.ts";
import { printable } from "../terminal/text.ts";

/** Files that Deno runs. Declaration files contain no code. */
const MODULE = /^plugin_(.+)(?<!\.d)\.(?:ts|js)$/s;

/** Files that Python runs. */
const PYTHON = /^plugin_(.+)\.py$/s;

/** Other files: programs, or files that belong to plugins. */
const OTHER = /^plugin_([^.]*)/s;

/** Data files, and plugins that were disabled by renaming. */
const IGNORED = new RegExp(
  [
    String
      .raw`\.(?:d\.ts|map|jsonc?|ya?ml|toml|ini|cfg|conf|env|csv|lock|log)$`,
    String.raw`\.(?:md|rst|txt|pyi|pyc|disabled|off|example|sample|template)$`,
    String.raw`(?:\.(?:bak|old|orig|rej|tmp|sw[a-z])|~)$`,
  ].join("|"),
  "i",
);

/** Matches the code of a plugin for the Python host. */
const IMPORTS_RUNNERLIB =
  /^[ \t]*(?:from|import(?:[ \t][\w., \t]*,)?)[ \t]+(?:runnerlib|src)\b/m;

/** A file that is a plugin. */
export interface PluginFile {
  /** Name for permissions: `slack` for `plugin_slack.ts`. */
  readonly name: string;
  /** Path with symbolic links unresolved. */
  readonly path: string;
  /**
   * How the file runs: in Deno, in the host for Python plugins, or as a
   * program.
   */
  readonly kind: "module" | "python" | "program";
}

/**
 * Finds the plugin files directly in a directory: `plugin_*.ts`, `plugin_*.js`,
 * `plugin_*.py`, and other executable files `plugin_*`.
 *
 * @returns The files, sorted by name.
 * @throws {RunnerError} `invalid-config` if the directory does not exist;
 * `plugin-failed` if a file is named like a plugin but cannot be run.
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
 * Checks by its name whether a file is a plugin.
 *
 * @returns The plugin file; `undefined` if it is not a plugin.
 * @throws {RunnerError} `plugin-failed` if its name contains control
 * characters, which could forge log lines, or if the file cannot be run.
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
  if (!base.startsWith("plugin_")) return undefined;
  const module = MODULE.exec(base)?.[1];
  if (module !== undefined) return { name: module, path, kind: "module" };
  const python = PYTHON.exec(base)?.[1];
  const name = python ?? OTHER.exec(base)![1];
  const { isFile, mode } = await stat(path);
  if (!isFile) return undefined;
  const isExecutable = ((mode ?? 0) & 0o111) !== 0;
  if (python !== undefined) {
    const isProgram = isExecutable && !await importsRunnerlib(path);
    return { name, path, kind: isProgram ? "program" : "python" };
  }
  if (isExecutable && name !== "") return { name, path, kind: "program" };
  if (IGNORED.test(base)) return undefined;
  throw loadError(
    path,
    "it is not executable, and not named plugin_NAME.ts, plugin_NAME.js or plugin_NAME.py",
  );
}

/** Reports dangling links as well: they are named like a plugin. */
async function stat(path: string): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (cause) {
    throw loadError(path, osReason(cause), cause);
  }
}

/** A Python program without these imports speaks the plugin protocol itself. */
async function importsRunnerlib(path: string): Promise<boolean> {
  try {
    return IMPORTS_RUNNERLIB.test(await Deno.readTextFile(path));
  } catch (cause) {
    throw loadError(path, osReason(cause), cause);
  }
}

function loadError(path: string, reason: string, cause?: unknown): RunnerError {
  return new RunnerError(`Cannot load plugin "${path}": ${reason}`, {
    code: "plugin-failed",
    cause,
  });
}

/**
 * Resolves a plugin file that may be a symbolic link.
 *
 * @param path Path in the plugin directory; only the last component may be a
 * link.
 * @returns Path without links.
 * @throws {TypeError} If the link leaves the directory, or its target is not a
 * regular file.
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
 * Returns the `file:` URL of a path. Encodes `#`, `?` and `%`, which have a
 * meaning in URLs.
 *
 * @param path Absolute path.
 * @returns The URL.
 */
export function fileUrl(path: string): string {
  return `file://${path.split("/").map(encodeURIComponent).join("/")}`;
}
