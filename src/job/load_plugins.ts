import type { SandboxSetting } from "../plugins/load_sandboxed.ts";
import { isInside } from "../job_path.ts";
import { PluginLoader } from "../plugins/plugin_loader.ts";
import { PluginRegistry } from "../plugins/registry.ts";
import { removeIfEmpty } from "../workspace/remove.ts";
import type { TemporaryPlace } from "../workspace/temporary.ts";
import type { JobRun } from "./job_run.ts";
import type { FetchedPlugins } from "./plugin_addresses.ts";
import {
  checkSourcePlugins,
  ciPluginDirectory,
  givenPluginDirectory,
  mayComeLate,
} from "./plugin_directories.ts";
import { sandboxSetting } from "./sandbox_setting.ts";

/** Phases that are over when the sources are there. */
const EARLY_PHASES = [
  "pre_validation",
  "post_validation",
  "pre_source_prep",
] as const;

/** The plugins that a job loads itself. */
export interface JobPlugins {
  /** Loads those that were not there before the sources were. */
  loadLate(): Promise<void>;
  /** Ends and unregisters them. */
  end(): Promise<void>;
}

/**
 * Loads the plugins that the configuration names, and those of the trusted CI
 * source: at once those that are there, the others when the sources are. The
 * source itself, which may hold anybody's code, is never looked at.
 *
 * @param run The run.
 * @returns The plugins.
 * @throws {RunnerError} `plugin-failed` or `invalid-config`.
 */
export async function loadJobPlugins(run: JobRun): Promise<JobPlugins> {
  const { parts } = run;
  const registry = parts.plugins ??= new PluginRegistry();
  const { base } = parts.workspace;
  let isBaseMade = false;
  const setting: SandboxSetting = {
    ...await sandboxSetting(run, await ciCopyOf(run)),
    async prepare() {
      isBaseMade ||= await Deno.lstat(base).then(() => false, () => true);
      await Deno.mkdir(base, { recursive: true });
    },
  };
  const loader = new PluginLoader({
    registry,
    setting,
    trustsFiles: run.settings.isOn("trust_plugins"),
  });
  const addresses = await fetchPlugins(run.settings.lines("plugins"), setting, {
    env: run.parts.host.env,
    workspace: run.parts.workspace,
  });
  const late: string[] = [];
  const directory = givenPluginDirectory(run);
  const end = async () => {
    await loader.end();
    if (isBaseMade) await removeIfEmpty(base);
    await addresses?.[Symbol.asyncDispose]();
  };
  try {
    await loader.load(addresses?.sources ?? []);
    if (directory !== undefined) {
      if (mayComeLate(run, directory)) late.push(directory);
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
          await loader.loadDirectory(inCiCopy(run, path), {
            shownAs: path,
            isOfCiSource: path === ci,
          });
        }
        loader.tellMissed(before, EARLY_PHASES);
      },
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Where plugins will read a CI source that is prepared after they are loaded. */
async function ciCopyOf(run: JobRun): Promise<string | undefined> {
  const type = run.settings.get("ci_source_type")?.value ?? "";
  if (type === "" || type === "none") return undefined;
  const { ciCopyPath } = await import("./ci_source.ts");
  return ciCopyPath(run);
}

/** Maps a directory of the CI source to the copy, which the job cannot change. */
function inCiCopy(
  { ciPreparedPath, ciSourcePath }: JobRun,
  directory: string,
): string {
  if (ciPreparedPath === undefined || ciSourcePath === undefined) {
    return directory;
  }
  try {
    const real = Deno.realPathSync(directory);
    return isInside(ciPreparedPath, real)
      ? ciSourcePath + real.slice(ciPreparedPath.length)
      : directory;
  } catch {
    // That it cannot be read is reported where it is loaded.
    return directory;
  }
}

async function fetchPlugins(
  addresses: readonly string[],
  setting: SandboxSetting,
  place: TemporaryPlace,
): Promise<FetchedPlugins | undefined> {
  if (addresses.length === 0) return undefined;
  const { pluginAddresses } = await import("./plugin_addresses.ts");
  return await pluginAddresses(addresses, setting, place);
}
