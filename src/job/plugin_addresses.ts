import {
  fetchPackage,
  fetchPlugin,
  type PackageSetting,
  parseAddress,
} from "../plugins/fetch_plugin.ts";
import type { PluginSource } from "../plugins/plugin_source.ts";
import {
  temporaryDirectory,
  type TemporaryPlace,
} from "../workspace/temporary.ts";

/** Plugins that were fetched, for as long as they are needed. */
export interface FetchedPlugins extends AsyncDisposable {
  /** The plugins, in the order of their addresses. */
  readonly sources: readonly PluginSource[];
}

/**
 * Fetches the plugins at addresses, all at the same time.
 *
 * @param addresses Addresses with their hashes.
 * @param setting What fetches packages of registries.
 * @param place Where temporary files can be.
 * @returns The plugins.
 * @throws {RunnerError} `invalid-config`, if an address is none or not pinned;
 * `plugin-failed`, if a plugin cannot be got or is another one.
 */
export async function pluginAddresses(
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
