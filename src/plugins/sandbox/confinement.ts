import confine from "./confine.js" with { type: "text" };
import confineByPerl from "./confine.pl" with { type: "text" };
import { isInside } from "../../job_path.ts";
import type { PluginPermissions } from "../rights/rights.ts";

/** What the process of a plugin reaches at most, whatever its rights are. */
export interface Confinement {
  /** Absolute paths that are read. */
  readonly read: readonly string[];
  /** Absolute paths that are written to. */
  readonly write: readonly string[];
  /** Variables of the process, besides those that it inherits. */
  readonly env: Readonly<Record<string, string>>;
}

/** What Deno itself reads: names of hosts, certificates, facts of the machine. */
const DENO_VARIABLES = [
  ...["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/gai.conf"],
  ...["/etc/host.conf", "/etc/localtime", "/etc/ld.so.cache", "/etc/ssl"],
  ...["/etc/pki", "/usr/share/ca-certificates", "/usr/share/zoneinfo"],
  ...["/usr/local/share/ca-certificates", "/usr/lib/ssl", "/proc/self"],
  ...["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/nix/store", "/gnu/store"],
  ...["/proc/cpuinfo", "/proc/meminfo", "/proc/sys/vm", "/sys/fs/cgroup"],
  ...["/sys/devices/system/cpu", "/dev/null", "/dev/urandom", "/dev/random"],
];

/** Variables that name more files of certificates. */
const CERTIFICATES = [
  ...["DENO_CERT", "NODE_EXTRA_CA_CERTS", "SSL_CERT_DIR", "SSL_CERT_FILE"],
];

/** Number of the call `prctl`; those of Landlock are the same everywhere. */
const PRCTL = { x86_64: 157, aarch64: 167 };

/** Options for {@linkcode confinementOf}. */
export interface ConfinementOptions {
  /** Rights of the plugin, with absolute paths. */
  readonly rights: PluginPermissions;
  /** Absolute path of the workspace. */
  readonly workspace: string;
  /** Path of Deno, of the plugin's file, and whatever else it needs. */
  readonly needed: readonly string[];
  /** Environment of the process. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Finds what a plugin's process reaches at most. Directories in the workspace
 * are replaced while the plugin runs, so the workspace stands for them; for
 * what is not there yet, the directory stands in which it would be made.
 *
 * @param options Rights and what Deno needs.
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
 * Puts a command into a confinement, as far as the system can do that.
 *
 * Something has to call the kernel and then become the program. Perl, which
 * most systems have, does it at once; Deno takes as long as the plugin itself.
 *
 * @param argv Program, by its absolute path, and arguments.
 * @param confinement What it reaches.
 * @param launcher Path of Deno, and of Perl, if it is there.
 * @returns Program and arguments; its first line says if it is not confined.
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
