/** Variables that tell Deno where its cache is. */
const CACHE = ["HOME", "DENO_DIR"];

/** Variables that lead to a registry, through a proxy if need be. */
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
 * Picks variables of the process that runs the tests; those that are not set
 * are left out.
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
 * Lets a Deno in a clean environment share the cache of the tests' own, also
 * with another home directory: it would download and compile everything again.
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

/** Directory of the cache that the tests' own Deno uses. */
export async function denoDirectory(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json"],
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** Directory of npm's cache; without HOME, below a new home directory. */
export function npmDirectory(home: string): string {
  return Deno.env.get("npm_config_cache") ??
    `${Deno.env.get("HOME") ?? home}/.npm`;
}
