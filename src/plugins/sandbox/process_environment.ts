import {
  type ChildEnvironment,
  childEnvironment,
} from "../../environment/child_environment.ts";
import { mayUse, type PluginPermissions } from "../rights/rights.ts";

/** Variables that tell Deno what to do; a plugin cannot read them. */
const OF_DENO = [
  ...["DENO_DIR", "DENO_DISABLE_NODE_SHIM", "HOME", "XDG_CACHE_HOME"],
];

/** Without it, Deno takes a program for missing that is merely not permitted. */
const OF_ALL = ["PATH"];

/** Variables that Deno needs to fetch code. */
const OF_NETWORK = [
  "DENO_CERT",
  "DENO_TLS_CA_STORE",
  "HTTPS_PROXY",
  "HTTP_PROXY",
  "JSR_URL",
  "NODE_EXTRA_CA_CERTS",
  "NO_PROXY",
  "NPM_CONFIG_REGISTRY",
  "SSL_CERT_DIR",
  "SSL_CERT_FILE",
  "https_proxy",
  "http_proxy",
  "no_proxy",
];

/** Which variables a plugin's process needs. */
export interface ProcessEnvironmentOptions {
  /** Whether Deno runs it, and not the system. */
  readonly isDeno: boolean;
  /** Whether Deno fetches code for it. */
  readonly fetchesCode: boolean;
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
  const { isDeno, fetchesCode } = options;
  const names = new Set([
    ...OF_ALL,
    ...isDeno ? OF_DENO : [],
    ...fetchesCode ? OF_NETWORK : [],
  ]);
  const given = childEnvironment(env, {
    kind: "plugin",
    mayUse: (name) => names.has(name) || mayUse(rights, "env", name),
  });
  return {
    ...isDeno
      ? { NO_COLOR: "1", DENO_NO_PACKAGE_JSON: "1", DENO_NO_UPDATE_CHECK: "1" }
      : {},
    ...given,
  };
}
