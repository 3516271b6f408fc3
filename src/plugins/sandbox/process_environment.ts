import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import { OF_DENO, OF_DENO_FETCH } from "../../environment/variables.ts";
import { covers, mayUse, type PluginPermissions } from "../rights/rights.ts";

/** Without it, Deno takes a program for missing that is merely not permitted. */
const OF_ALL = ["PATH"];

/** Which variables a plugin's process needs. */
export interface ProcessEnvironmentOptions {
  /** Whether Deno runs it, and not the system. */
  readonly isDeno: boolean;
  /** Whether Deno fetches code for it. */
  readonly fetchesCode: boolean;
  /** Checks whether it sees a variable without a grant for it. */
  readonly seesUngranted: (name: string) => boolean;
}

/**
 * Gives the environment of a plugin's process: what it is granted, and what
 * Deno itself cannot do without.
 *
 * @param env Environment of the runner.
 * @param rights Rights of the plugin.
 * @param options What runs it.
 * @returns The whole environment.
 */
export function processEnvironment(
  env: Readonly<Record<string, string>>,
  rights: PluginPermissions,
  options: ProcessEnvironmentOptions,
): ChildEnvironment {
  const { isDeno, fetchesCode, seesUngranted } = options;
  const names = new Set([
    ...OF_ALL,
    ...isDeno ? OF_DENO : [],
    ...fetchesCode ? OF_DENO_FETCH : [],
  ]);
  const given = childEnvironment(env, {
    kind: "plugin",
    mayUse: (name) =>
      names.has(name) || mayUse(rights, "env", name) || seesUngranted(name),
    isNamed: (name) =>
      seesUngranted(name) ||
      rights.env?.some((value) =>
          value !== "*" && covers("env", value, name)
        ) === true,
  });
  return {
    ...isDeno
      ? { NO_COLOR: "1", DENO_NO_PACKAGE_JSON: "1", DENO_NO_UPDATE_CHECK: "1" }
      : {},
    ...given,
  };
}
