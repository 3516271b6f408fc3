/** Variables that tell Deno where its cache is. */
const CACHE = ["HOME", "DENO_DIR"];

/** Variables with which a registry is found, perhaps through a proxy. */
export const REGISTRY_ACCESS: readonly string[] = [
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"],
  ...["http_proxy", "https_proxy", "no_proxy"],
  ...["npm_config_registry", "NPM_CONFIG_REGISTRY"],
  "DENO_TLS_CA_STORE",
];

/** Variables that name a file of additional certificate authorities. */
export const CERTIFICATE_FILES: readonly string[] = [
  ...["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"],
  ...["npm_config_cafile", "DENO_CERT"],
];

/** Everything a program of this machine needs to reach a registry. */
export const NETWORK: readonly string[] = [
  ...REGISTRY_ACCESS,
  ...CERTIFICATE_FILES,
  "SSL_CERT_DIR",
];

/**
 * Picks variables of the process that runs the tests, except for those that are
 * not set.
 */
export function pickVariables(
  names: readonly string[],
): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/**
 * Returns variables with which Deno in a clean environment uses the cache of the
 * tests, even with another home directory. Otherwise, it would download and
 * compile everything again.
 */
export function cacheVariables(): Record<string, string> {
  const picked = pickVariables(CACHE);
  const { HOME, XDG_CACHE_HOME = HOME && `${HOME}/.cache` } = pickVariables([
    ...["HOME", "XDG_CACHE_HOME"],
  ]);
  const isKnown = Deno.build.os === "linux" && XDG_CACHE_HOME !== undefined;
  return {
    ...isKnown ? { DENO_DIR: `${XDG_CACHE_HOME}/deno` } : {},
    ...picked,
  };
}

/** Returns the directory of the cache that the Deno of the tests uses. */
export async function denoDirectory(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json"],
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** Returns the directory of npm's cache; without HOME, in a given one. */
export function npmDirectory(home: string): string {
  return Deno.env.get("npm_config_cache") ??
    `${Deno.env.get("HOME") ?? home}/.npm`;
}
