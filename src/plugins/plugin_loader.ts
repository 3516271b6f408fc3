import { RunnerError, thrownText } from "../errors.ts";
import type { Logger } from "../output/logger.ts";
import { printable } from "../terminal/text.ts";
import { showUrl } from "../url_secrets.ts";
import {
  fileUrl,
  findPluginFiles,
  type PluginFile,
  realPluginFile,
} from "./find_files.ts";
import {
  loadSandboxed,
  type SandboxedPlugin,
  type SandboxSetting,
} from "./load_sandboxed.ts";
import { grantOption } from "./permissions/plugin_permissions.ts";
import type { Phase, Plugin } from "./plugin.ts";
import {
  fileSource,
  mayRun,
  type PluginSource,
  ungrantedText,
} from "./plugin_source.ts";
import {
  hookProblem,
  type PluginReceiver,
  type PluginRegistry,
  registerExport,
} from "./registry.ts";
import { getHooks } from "./run_phase.ts";

/** Options for {@linkcode PluginLoader}. */
export interface PluginLoaderOptions {
  /** Registry that receives the plugins. */
  readonly registry: PluginRegistry;
  /** Environment of sandboxed plugins. */
  readonly setting: SandboxSetting;
  /** Whether plugin files run in this process, with all of its permissions. */
  readonly trustsFiles: boolean;
}

/** Options for {@linkcode PluginLoader.loadDirectory}. */
export interface LoadDirectoryOptions {
  /**
   * Path of the directory in messages.
   *
   * @default {the path of the directory}
   */
  readonly shownAs?: string;
  /**
   * Whether the plugins belong to the trusted CI source.
   *
   * @default {false}
   */
  readonly isOfCiSource?: boolean;
}

/** Loads the plugins of one job, and stops them when the job ends. */
export class PluginLoader {
  readonly #registry: PluginRegistry;
  readonly #setting: SandboxSetting;
  readonly #trustsFiles: boolean;
  readonly #ending = new AsyncDisposableStack();
  readonly #loaded: SandboxedPlugin[] = [];

  /** Creates a loader without plugins. */
  constructor(options: PluginLoaderOptions) {
    this.#registry = options.registry;
    this.#setting = options.setting;
    this.#trustsFiles = options.trustsFiles;
  }

  /**
   * Loads the plugins of a directory.
   *
   * @throws {RunnerError} `invalid-config` if the directory does not exist;
   * `plugin-failed` if a plugin cannot be loaded.
   */
  async loadDirectory(
    directory: string,
    options: LoadDirectoryOptions = {},
  ): Promise<void> {
    const { shownAs, isOfCiSource } = options;
    const files = await findPluginFiles(directory);
    const { logger } = this.#setting;
    if (files.length === 0) {
      logger.warn(
        "plugins",
        `"${
          printable(shownAs ?? directory)
        }" has no plugins: their files are named plugin_NAME.ts, plugin_NAME.js or plugin_NAME.py, or are programs named plugin_NAME`,
      );
    }
    if (this.#trustsFiles) {
      this.#ending.use(
        await loadPluginDirectory(directory, this.#registry, logger),
      );
    }
    const sources = files
      .filter(({ kind }) => kind !== "module" || !this.#trustsFiles)
      .map(async (file) => {
        try {
          return {
            ...await fileSource(file),
            origin: describeOrigin(file, shownAs),
            isOfCiSource,
          };
        } catch (cause) {
          throw loadError(describeOrigin(file, shownAs), cause);
        }
      });
    const found = await Promise.all(sources);
    this.#refuseUngranted(found);
    await this.load(found);
  }

  /** Reports all programs without a grant in a single error. */
  #refuseUngranted(sources: readonly PluginSource[]): void {
    const ungranted = sources.filter((source) => {
      const { grantsOf } = this.#settingFor(source);
      return source.url === undefined &&
        !mayRun(grantsOf(source.name, source.isOfCiSource));
    });
    if (ungranted.length === 0) return;
    const files = ungranted.map(({ origin }) => `"${origin}"`).join(", ");
    const plural = ungranted.length === 1 ? "" : "s";
    throw new RunnerError(
      `Cannot load plugin${plural} ${files}: ${ungrantedText(ungranted)}`,
      { code: "plugin-failed" },
    );
  }

  /**
   * Loads plugins in parallel, each into its own process.
   *
   * @param sources The plugins.
   * @throws {RunnerError} `plugin-failed` if a plugin cannot be loaded.
   */
  async load(sources: readonly PluginSource[]): Promise<void> {
    const results = await Promise.allSettled(
      sources.map((source) => loadSandboxed(source, this.#settingFor(source))),
    );
    for (const result of results) {
      if (result.status === "fulfilled") this.#loaded.push(result.value);
    }
    for (const result of results) {
      if (result.status === "rejected") throw result.reason;
      this.#register(result.value);
    }
  }

  /**
   * Logs which phases have passed before plugins were loaded.
   *
   * @param before Names of the plugins that were loaded before these phases.
   * @param phases Phases that have passed.
   */
  warnOfMissedPhases(
    before: ReadonlySet<string>,
    phases: readonly Phase[],
  ): void {
    for (const registered of this.#registry.plugins) {
      if (before.has(registered.name)) continue;
      const missed = phases.filter((phase) =>
        getHooks(registered, phase).length > 0
      );
      if (missed.length === 0) continue;
      this.#setting.logger.info(
        "plugins",
        `Plugin "${registered.name}" was loaded after the sources were prepared, too late for ${
          missed.join(", ")
        }`,
      );
    }
  }

  /**
   * Unregisters the loaded plugins, then stops all processes at once: the system
   * takes some milliseconds to free the memory of each.
   */
  async end(): Promise<void> {
    await using stopping = new AsyncDisposableStack();
    stopping.defer(async () => {
      const loaded = this.#loaded.splice(0).toReversed();
      const results = await Promise.allSettled(
        loaded.map((plugin) => plugin[Symbol.asyncDispose]()),
      );
      for (const result of results) {
        if (result.status === "rejected") throw result.reason;
      }
    });
    await this.#ending.disposeAsync();
  }

  /** With `trustsFiles`, programs are trusted as well. */
  #settingFor({ url }: PluginSource): SandboxSetting {
    return this.#trustsFiles && url === undefined
      ? { ...this.#setting, grantsOf: () => ({ run: ["*"], env: ["*"] }) }
      : this.#setting;
  }

  #register({ source, plugins, refused }: SandboxedPlugin): void {
    const { logger } = this.#setting;
    try {
      for (const plugin of plugins) {
        this.#ending.use(this.#registry.add(plugin));
        warnIfUseless(plugin, logger);
      }
    } catch (cause) {
      throw loadError(source.origin, cause);
    }
    logger.debug("plugins", `Loaded "${showUrl(source.origin)}"`, {
      plugins: plugins.length,
    });
    for (const { kind, value } of refused) {
      logger.info(
        "plugins",
        `Plugin "${source.name}" requests ${kind} "${
          printable(value)
        }", which is not granted; to allow it: ${
          grantOption(source.name, { kind, value })
        }`,
      );
    }
  }
}

function warnIfUseless(plugin: Plugin, logger: Logger): void {
  const problem = hookProblem(plugin);
  if (problem !== undefined) {
    logger.warn("plugins", `Plugin "${plugin.name}" ${problem}`);
  }
}

function describeOrigin({ path }: PluginFile, directory?: string): string {
  return directory === undefined
    ? path
    : directory + path.slice(path.lastIndexOf("/"));
}

function loadError(origin: string, cause: unknown): RunnerError {
  return new RunnerError(
    `Cannot load plugin "${origin}": ${thrownText(cause)}`,
    { code: "plugin-failed", cause },
  );
}

/**
 * Loads the plugin files of a directory into this process.
 *
 * These are the files `plugin_*.ts` and `plugin_*.js` directly in the
 * directory, sorted by name. The default export of each is a plugin, a plugin
 * class whose constructor needs no arguments, or a function that receives the
 * registry and registers plugins. Symbolic links must not leave the directory.
 *
 * @param registry Registry that receives the plugins.
 * @param logger Logger.
 * @returns Handle that unregisters the plugins when disposed.
 * @throws {RunnerError} `invalid-config` if the directory does not exist;
 * `plugin-failed` if a file contains no plugin or throws. In that case, no
 * plugins remain registered.
 */
export async function loadPluginDirectory(
  directory: string,
  registry: PluginReceiver,
  logger: Logger,
): Promise<Disposable> {
  const files = await findPluginFiles(directory);
  using handles = new DisposableStack();
  const receiver: PluginReceiver = {
    add: (plugin) => {
      const handle = handles.use(registry.add(plugin));
      warnIfUseless(plugin, logger);
      return handle;
    },
  };
  for (const { path, kind } of files) {
    if (kind !== "module") continue;
    try {
      const module = await import(fileUrl(await realPluginFile(path)));
      const count = await registerExport(module.default, receiver);
      logger.debug("plugins", `Loaded "${path}"`, { plugins: count });
    } catch (cause) {
      throw new RunnerError(
        `Cannot load plugin file "${path}": ${thrownText(cause)}`,
        { code: "plugin-failed", cause },
      );
    }
  }
  return handles.move();
}
