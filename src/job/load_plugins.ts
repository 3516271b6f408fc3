import type { JobRun } from "./job_run.ts";

/** The plugins that a job loads itself. */
export interface JobPlugins {
  /** Loads those that were not there before the sources were. */
  loadLate(): Promise<void>;
  /** Ends and unregisters them. */
  end(): Promise<void>;
}

/**
 * Loads the plugins that the configuration names.
 *
 * @param run The run.
 * @returns The plugins.
 * @throws {RunnerError} `plugin-failed` or `invalid-config`.
 */
export async function loadJobPlugins(run: JobRun): Promise<JobPlugins> {
  const { parts } = run;
  const { host, logger } = parts;
  const { loadPlugins } = await import("../plugins/load_directory.ts");
  const { PluginRegistry } = await import("../plugins/registry.ts");
  parts.plugins ??= new PluginRegistry();
  const directory = run.settings.get("plugin_dir")?.value;
  const handle = typeof directory === "string" && directory !== ""
    ? await loadPlugins(
      directory.startsWith("/") ? directory : `${host.cwd}/${directory}`,
      parts.plugins,
      logger,
    )
    : undefined;
  return {
    loadLate: () => Promise.resolve(),
    end() {
      handle?.[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}
