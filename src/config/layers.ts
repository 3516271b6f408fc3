import { Variable } from "../environment/variables.ts";
import { isInside } from "../job_path.ts";
import type { ConfigKey } from "./config_key.ts";
import { CONFIG_KEYS, type ConfigName } from "./keys.ts";
import type { Layer, SettingValue } from "./settings.ts";

/** Variables of the design that mean a git source. */
const GIT_VARIABLES = {
  source_url: Variable.gitUrl,
  source_ref: Variable.gitRef,
} as const;

/** Keys that name a directory of the job. */
const DIRECTORIES: ReadonlySet<string> = new Set([
  "code_dir",
  "job_dir",
  "artifacts_dir",
]);

/**
 * Gives what holds when nobody says anything.
 *
 * @returns The weakest layer.
 */
export function defaultLayer(): Layer {
  return layerOf((key) => key.defaultValue, () => "the default");
}

/**
 * Reads the configuration off environment variables, empty ones included.
 *
 * @param env Environment.
 * @returns The layer.
 */
export function environmentLayer(
  env: Readonly<Record<string, string>>,
): Layer {
  const layer: Layer = {};
  if (env[GIT_VARIABLES.source_url] !== undefined) {
    const origin = GIT_VARIABLES.source_url;
    layer.source_type = { value: "git", origin };
    for (const [name, variable] of Object.entries(GIT_VARIABLES)) {
      const value = env[variable];
      if (value !== undefined) {
        layer[name as ConfigName] = { value, origin: variable };
      }
    }
  }
  const named = layerOf(
    (key) => {
      const value = key.env === undefined ? undefined : env[key.env];
      return value !== undefined && DIRECTORIES.has(key.name)
        ? jobPathOf(value, env[Variable.workspace])
        : value;
    },
    (key) => key.env!,
  );
  return { ...layer, ...named };
}

/**
 * Finds what a job calls a directory. Outside a container, the programs of a
 * job are told where its directories really are; a runner among them takes
 * these for the paths that they stand for.
 */
function jobPathOf(path: string, workspace = ""): string {
  return workspace.startsWith("/") && isInside(workspace, path)
    ? `/job${path.slice(workspace.length)}`
    : path;
}

/**
 * Makes a layer of values that were given by name.
 *
 * @param valueOf Gives the value of a key, `undefined` for none.
 * @param originOf Words where a value came from.
 * @returns The layer.
 */
export function layerOf(
  valueOf: (key: ConfigKey) => SettingValue | undefined,
  originOf: (key: ConfigKey) => string,
): Layer {
  const layer: Layer = {};
  for (const key of CONFIG_KEYS) {
    const value = valueOf(key);
    if (value !== undefined) layer[key.name] = { value, origin: originOf(key) };
  }
  return layer;
}
