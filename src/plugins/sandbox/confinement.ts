import confine from "./confine.js" with { type: "text" };
import confineByPerl from "./confine.pl" with { type: "text" };
import { isInside } from "../../job_path.ts";
import type { PluginPermissions } from "../rights/rights.ts";

/** Paths to which the kernel restricts the process of a plugin. */
export interface Confinement {
  /** Absolute paths that the process can read. */
  readonly read: readonly string[];
  /** Absolute paths that the process can write to. */
  readonly write: readonly string[];
  /** Variables of the process in addition to inherited ones. */
  readonly env: Readonly<Record<string, string>>;
}

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

/** System call number of `prctl`; Landlock's are the same on all platforms. */
const PRCTL = { x86_64: 157, aarch64: 167 };

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
): Promise<Omit<Confinement, "env">> {
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

/**
 * Wraps a command in a launcher that confines it, if the system supports that.
 *
 * The launcher calls the kernel and then becomes the program. Perl, which most
 * systems have, starts immediately; Deno takes as long to start as the plugin
 * itself.
 *
 * @param argv Absolute path of the program, and arguments.
 * @param confinement Paths to which it is restricted.
 * @param launcher Path of Deno, and of Perl if it is available.
 * @returns Program and arguments. If the program is not confined, its first
 * line of output says so.
 */
export function confinedCommand(
  argv: readonly string[],
  confinement: Confinement,
  { deno, perl }: { deno: string; perl?: string },
): string[] {
  const { read, write, env } = confinement;
  if (perl !== undefined) {
    return [
      perl,
      "-e",
      confineByPerl,
      String(PRCTL[Deno.build.arch]),
      ...read.map((path) => `r${path}`),
      ...write.map((path) => `w${path}`),
      ...Object.entries(env).map(([name, value]) => `e${name}=${value}`),
      "--",
      ...argv,
    ];
  }
  const code = new TextEncoder().encode(confine).toBase64();
  return [
    deno,
    ...["run", "--quiet", "--no-config", "--no-lock", "--no-remote", "-A"],
    `data:text/javascript;base64,${code}`,
    JSON.stringify({ ...confinement, argv }),
  ];
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
