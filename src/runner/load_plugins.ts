import { CI_DIRECTORY, isInside, jobPathProblem } from "../job_path.ts";
import type { OptionName } from "../options/options.ts";
import {
  fetchPackage,
  fetchPlugin,
  type PackageSetting,
  parseAddress,
} from "../plugins/fetch_plugin.ts";
import type { SandboxSetting } from "../plugins/load_sandboxed.ts";
import { PluginLoader } from "../plugins/plugin_loader.ts";
import type { PluginSource } from "../plugins/plugin_source.ts";
import { PluginRegistry } from "../plugins/registry.ts";
import { ALL_OF_CI_SOURCE, readGrants } from "../plugins/permissions/grants.ts";
import { findDeno } from "../plugins/sandbox/find_deno.ts";
import { didYouMean, suggest } from "../suggest.ts";
import { TriggerQueue } from "../triggers/queue.ts";
import { removeIfEmpty } from "../workspace/remove.ts";
import {
  temporaryDirectory,
  type TemporaryPlace,
} from "../fs/temporary_directory.ts";
import {
  secretsInput,
  secretsOfSettings,
  type SettingsSecrets,
} from "./mask_secrets.ts";
import type { JobPlugins, RunState } from "./run_state.ts";
import {
  checkSourcePlugins,
  ciPluginDirectory,
  configuredPluginDirectory,
  mayAppearLater,
} from "./plugin_directories.ts";
import { registerWithOuterRunners } from "../secrets/registration/outer_runners.ts";
import { pathExists } from "../fs/files.ts";

/** Phases that come before the sources are prepared. */
const EARLY_PHASES = [
  "pre_validation",
  "post_validation",
  "pre_source_prep",
] as const;

/**
 * Loads the plugins of the configuration and of the trusted CI source: those
 * that exist immediately, the others after the sources are prepared. Plugins in
 * the source itself, which may contain untrusted code, are never loaded.
 *
 * @throws {RunnerError} `plugin-failed` or `invalid-config`.
 */
export async function loadJobPlugins(run: RunState): Promise<JobPlugins> {
  const { runner } = run;
  const registry = runner.plugins ??= new PluginRegistry();
  const { base } = runner.workspace;
  let isBaseCreated = false;
  const usedGrants = new Set<string>();
  const given = await sandboxSetting(
    run,
    () => secretsOfSettings(secretsInput(run)),
    await findCiCopyPath(run),
  );
  const setting: SandboxSetting = {
    ...given,
    grantsOf: (plugin, isOfCiSource) => {
      usedGrants.add(plugin);
      return given.grantsOf(plugin, isOfCiSource);
    },
    async prepare() {
      isBaseCreated ||= !await pathExists(base);
      await Deno.mkdir(base, { recursive: true });
    },
  };
  const loader = new PluginLoader({
    registry,
    setting,
    trustsFiles: run.settings.isOn("trust_plugins"),
  });
  const fetched = await fetchPlugins(run.settings.lines("plugins"), setting, {
    env: run.runner.host.env,
    workspace: run.runner.workspace,
  });
  const late: string[] = [];
  const directory = configuredPluginDirectory(run);
  const end = async () => {
    await loader.end();
    if (isBaseCreated) await removeIfEmpty(base);
    await fetched[Symbol.asyncDispose]();
  };
  try {
    await loader.load(fetched.sources);
    if (directory !== undefined) {
      if (mayAppearLater(run, directory)) late.push(directory);
      else await loader.loadDirectory(directory);
    }
    const ciDirectory = ciPluginDirectory(run, "early");
    if (ciDirectory !== undefined) {
      await loader.loadDirectory(ciDirectory, { isOfCiSource: true });
    }
    const isCiLate = ciDirectory === undefined;
    return {
      async loadLate() {
        const before = new Set(registry.plugins.map(({ name }) => name));
        const ci = isCiLate ? ciPluginDirectory(run, "late") : undefined;
        if (directory === undefined && isCiLate && ci === undefined) {
          checkSourcePlugins(run);
        }
        for (const path of [...late, ...ci === undefined ? [] : [ci]]) {
          await loader.loadDirectory(mapToCiCopy(run, path), {
            shownAs: path,
            isOfCiSource: path === ci,
          });
        }
        loader.warnOfMissedPhases(before, EARLY_PHASES);
        warnAboutUnusedGrants(run, usedGrants);
      },
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Warns about grants for plugins that were not loaded. */
function warnAboutUnusedGrants(
  { settings, runner: { logger } }: RunState,
  used: ReadonlySet<string>,
): void {
  if (settings.isOn("trust_plugins")) return;
  const names = settings.lines("plugin_permissions")
    .map((line) => line.slice(0, line.indexOf(":")));
  for (const name of new Set(names)) {
    if (name === "*" || name === ALL_OF_CI_SOURCE || used.has(name)) continue;
    const near = suggest(name, used);
    const hint = near !== undefined
      ? didYouMean(near)
      : used.size > 0
      ? `; there is ${[...used].map((one) => `"${one}"`).join(", ")}`
      : "";
    logger.warn(
      "plugins",
      `plugin_permissions: there is no plugin "${name}"${hint}`,
    );
  }
}

/**
 * Finds the path from which plugins will read a CI source that is prepared after
 * they are loaded.
 */
async function findCiCopyPath(run: RunState): Promise<string | undefined> {
  const type = run.settings.get("ci_source_type")?.value ?? "";
  if (type === "" || type === "none") return undefined;
  const { ciCopyPath } = await import("./ci_source.ts");
  return ciCopyPath(run);
}

/**
 * Maps a directory of the CI source to its copy, which the job cannot change.
 */
function mapToCiCopy(
  { ci: { preparedPath, path } }: RunState,
  directory: string,
): string {
  if (preparedPath === undefined || path === undefined) return directory;
  try {
    const real = Deno.realPathSync(directory);
    return isInside(preparedPath, real)
      ? path + real.slice(preparedPath.length)
      : directory;
  } catch {
    // Loading reports that the directory cannot be read.
    return directory;
  }
}

/** Fetched plugins; disposing of them removes their files. */
export interface FetchedPlugins extends AsyncDisposable {
  /** The plugins, in the order of their addresses. */
  readonly sources: readonly PluginSource[];
}

/**
 * Fetches plugins concurrently.
 *
 * @param addresses Addresses with hashes.
 * @param setting Setting for fetching packages from registries.
 * @param place Place for temporary files.
 * @throws {RunnerError} `invalid-config` if an address is invalid or not
 * pinned; `plugin-failed` if a plugin cannot be fetched or does not match its
 * hash.
 */
export async function fetchPlugins(
  addresses: readonly string[],
  setting: PackageSetting,
  place: TemporaryPlace,
): Promise<FetchedPlugins> {
  if (addresses.length === 0) {
    return { sources: [], [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const parsed = addresses.map(parseAddress);
  const temporary = temporaryDirectory(place);
  const remove = () => Promise.resolve(temporary[Symbol.dispose]());
  try {
    const directory = await Deno.realPath(temporary.path);
    const sources = await Promise.all(parsed.map(async (address, at) => {
      const own = `${directory}/${at}`;
      await Deno.mkdir(own);
      return await (address.scheme === "https"
        ? fetchPlugin(address, own)
        : fetchPackage(address, own, setting));
    }));
    return { sources, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * Part of a run that is needed to load plugins; commands that inspect plugins
 * have no complete run.
 */
export type SandboxedRun =
  & Pick<RunState, "runner" | "settings">
  & Partial<Pick<RunState, "areTriggersOpen">>;

/**
 * Creates the setting of sandboxed plugins, which run in their own processes.
 *
 * @param run The run; its settings need not be validated yet.
 * @param findSecrets Returns the known secrets, whose names plugins do not see.
 * @param ciCopy Absolute path from which the CI source will be read.
 * @throws {RunnerError} `invalid-config` if a permission is invalid;
 * `plugin-failed` if Deno is not found.
 */
export async function sandboxSetting(
  run: SandboxedRun,
  findSecrets: () => SettingsSecrets,
  ciCopy?: string,
): Promise<SandboxSetting> {
  const { host, logger, masker, workspace } = run.runner;
  const directoryOf = (name: OptionName) => {
    const path = run.settings.get(name)?.value;
    // An invalid path is reported when all settings are validated.
    return typeof path === "string" && jobPathProblem(path) === undefined
      ? workspace.pathOf(path)
      : workspace.base;
  };
  const ciDirectory = workspace.pathOf(CI_DIRECTORY);
  return {
    logger,
    env: host.env,
    deno: await findDeno(host.env),
    maskText: (text) => masker.maskText(text),
    maskStream: () => masker.stream(),
    secretNames: () => new Set(findSecrets().secrets.map(({ name }) => name)),
    registerSecret: (value) => void registerWithOuterRunners(run.runner, value),
    cwd: host.cwd,
    triggerJobs: (jobs) => {
      if (run.areTriggersOpen === false) {
        throw new TypeError("the follow-up jobs have already been submitted");
      }
      const queue = run.runner.triggers ??= new TriggerQueue();
      queue.addWire(jobs);
    },
    grantsOf: readGrants(run.settings.lines("plugin_permissions")),
    directories: {
      JOB_DIR: workspace.base,
      SOURCE_DIR: directoryOf("code_dir"),
      CI_DIR: ciCopy ?? ciDirectory,
      ARTIFACTS_DIR: directoryOf("artifacts_dir"),
    },
    ...ciCopy === undefined
      ? {}
      : { copy: { original: ciDirectory, path: ciCopy } },
  };
}
