import { Variable } from "../environment/variables.ts";
import { RunnerError } from "../errors.ts";
import {
  absolutePath,
  CI_DIRECTORY,
  isInside,
  jobPathProblem,
  OWN_DIRECTORY,
} from "../job_path.ts";
import { printable } from "../terminal/text.ts";
import type { RunState } from "./run_state.ts";
import { isDirectorySync } from "../fs/files.ts";

/** Directory of plugins in a trusted CI source. */
const CI_PLUGINS = `${OWN_DIRECTORY}/plugins`;

/** Parts of a run that locate plugins; also available without a run. */
type Configured = Pick<RunState, "runner" | "settings">;

/**
 * Returns the configured directory of plugins.
 *
 * @returns Absolute path; `undefined` if none is configured.
 */
export function configuredPluginDirectory(run: Configured): string | undefined {
  const path = run.settings.get("plugin_dir")?.value;
  if (typeof path !== "string" || path === "") return undefined;
  return absolutePath(path, run.runner.host.cwd);
}

/**
 * Checks whether a directory is missing but may be part of a source.
 *
 * @returns Whether to look again after the sources are prepared.
 */
export function mayAppearLater(run: RunState, directory: string): boolean {
  return !isDirectorySync(directory) &&
    (isPrepared(run, "source_type") || isPrepared(run, "ci_source_type"));
}

/**
 * Finds the plugins of the trusted CI source.
 *
 * Before the sources are prepared, only a source that a worker has prepared is
 * used; outside a container, an existing one may belong to an earlier run.
 *
 * @param time Before (`early`) or after (`late`) the sources are prepared.
 * @returns Absolute path; `undefined` if there are none.
 * @throws {RunnerError} `plugin-failed`, if a link leads out of the CI source.
 */
export function ciPluginDirectory(
  run: Configured & Partial<Pick<RunState, "ci">>,
  time: "early" | "late",
): string | undefined {
  const { host, workspace } = run.runner;
  const mounted = host.env[Variable.ciSourceDir] || undefined;
  const inPlace = workspace.inContainer && isPrepared(run, "ci_source_type")
    ? workspace.pathOf(CI_DIRECTORY)
    : undefined;
  const root = time === "early" ? inPlace ?? mounted : run.ci?.preparedPath;
  if (root === undefined) return undefined;
  const path = `${root}/${CI_PLUGINS}`;
  if (!isDirectorySync(path)) return undefined;
  const real = Deno.realPathSync(path);
  if (isInside(Deno.realPathSync(root), real)) return real;
  throw new RunnerError(
    `Cannot load plugins from "${path}": it is a link that leaves the CI source`,
    { code: "plugin-failed" },
  );
}

/**
 * Checks for plugins in the source. They are never loaded, since a pull request
 * could then run code as the runner.
 *
 * The Python runner loads them if there is no trusted CI source. A job that
 * relies on this must not succeed without its plugins, so it is refused. If
 * there is a trusted CI source, only its plugins count, and the log has a
 * warning.
 *
 * @param run The run, after its sources were prepared.
 * @throws {RunnerError} `plugin-failed` if there are plugins in Python, and no
 * trusted CI source.
 */
export function checkSourcePlugins(run: RunState): void {
  const root = sourceRoot(run);
  if (root === undefined) return;
  const path = `${root}/${CI_PLUGINS}`;
  if (!isDirectorySync(path)) return;
  const names = [...Deno.readDirSync(path)].map(({ name }) => name)
    .filter((name) => name.startsWith("plugin_")).sort();
  if (names.length === 0) return;
  const isDecided = isPrepared(run, "ci_source_type") ||
    isDirectorySync(run.runner.host.env[Variable.ciSourceDir] ?? "");
  const inPython = isDecided
    ? []
    : names.filter((name) => name.endsWith(".py"));
  if (inPython.length === 0) {
    run.runner.logger.warn(
      "plugins",
      `Plugins of the source are not loaded: "${path}" contains some, and neither --plugin-dir nor a trusted CI source provides them`,
    );
    return;
  }
  const files = inPython.map((name) => `"${printable(name)}"`).join(", ");
  throw new RunnerError(
    `Cannot run the job without the plugins of its source, ${files} in "${path}": there is no trusted CI source; to load them, set ${Variable.pluginDir} to their directory and grant each with --allow-plugin NAME:run=*`,
    { code: "plugin-failed" },
  );
}

/** Returns the directory of the source, which a worker may have prepared. */
function sourceRoot(run: RunState): string | undefined {
  if (run.sourcePath !== undefined) return run.sourcePath;
  const { workspace } = run.runner;
  const path = run.settings.get("code_dir")?.value;
  return workspace.inContainer && typeof path === "string" &&
      jobPathProblem(path) === undefined
    ? workspace.pathOf(path)
    : undefined;
}

function isPrepared(
  run: Configured,
  key: "source_type" | "ci_source_type",
): boolean {
  const type = run.settings.get(key)?.value ?? "";
  return type !== "" && type !== "none";
}
