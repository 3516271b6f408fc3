import { isInside } from "../../job_path.ts";
import type { Confinement } from "../../process/sandbox/confined_command.ts";
import type { PluginPermissions } from "../rights/rights.ts";

/** Paths that Deno itself reads: hosts, certificates, system information. */
const DENO_VARIABLES = [
  ...["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/gai.conf"],
  ...["/etc/host.conf", "/etc/localtime", "/etc/ld.so.cache", "/etc/ssl"],
  ...["/etc/pki", "/usr/share/ca-certificates", "/usr/share/zoneinfo"],
  ...["/usr/local/share/ca-certificates", "/usr/lib/ssl", "/proc/self"],
  ...["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/nix/store", "/gnu/store"],
  ...["/proc/cpuinfo", "/proc/meminfo", "/proc/sys/vm", "/sys/fs/cgroup"],
  ...["/sys/devices/system/cpu", "/dev/null", "/dev/urandom", "/dev/random"],
];

/** Variables with paths of further certificates. */
const CERTIFICATES = [
  ...["DENO_CERT", "NODE_EXTRA_CA_CERTS", "SSL_CERT_DIR", "SSL_CERT_FILE"],
];

/** Options for {@linkcode confinementOf}. */
export interface ConfinementOptions {
  /** Permissions of the plugin, with absolute paths. */
  readonly rights: PluginPermissions;
  /** Absolute path of the workspace. */
  readonly workspace: string;
  /** Paths of Deno, the plugin's file and other required files. */
  readonly needed: readonly string[];
  /** Environment of the process. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Determines the paths to which a plugin's process is restricted.
 *
 * Directories in the workspace may be replaced while the plugin runs, so the
 * whole workspace is allowed instead. For a path that does not exist yet, the
 * nearest existing parent is allowed.
 *
 * @param options Permissions and required paths.
 * @returns Existing paths.
 */
export async function confinementOf(
  { rights, workspace, needed, env }: ConfinementOptions,
): Promise<Pick<Confinement, "read" | "write">> {
  const cache = cacheDirectory(env);
  if (cache !== undefined) {
    // Deno runs without its cache if it cannot be created.
    await Deno.mkdir(cache, { recursive: true }).catch(() => {});
  }
  const own = [...cache === undefined ? [] : [cache], "/dev/null"];
  const certificates = CERTIFICATES.flatMap((name) => env[name] ?? []);
  const existing = (paths: readonly string[] = []) =>
    Promise.all(
      paths.map((path) =>
        path === "*"
          ? "/"
          : isInside(workspace, path)
          ? workspace
          : nearest(path)
      ),
    );
  return {
    read: [
      ...DENO_VARIABLES,
      ...certificates,
      ...own,
      ...needed,
      ...await existing(rights.read),
    ],
    write: [...own, ...await existing(rights.write)],
  };
}

function cacheDirectory(
  { DENO_DIR, XDG_CACHE_HOME, HOME }: Readonly<Record<string, string>>,
): string | undefined {
  if (DENO_DIR?.startsWith("/")) return DENO_DIR;
  if (XDG_CACHE_HOME?.startsWith("/")) return `${XDG_CACHE_HOME}/deno`;
  return HOME?.startsWith("/") ? `${HOME}/.cache/deno` : undefined;
}

async function nearest(path: string): Promise<string> {
  for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
    if (await Deno.stat(at).then(() => true, () => false)) return at;
  }
  return "/";
}
