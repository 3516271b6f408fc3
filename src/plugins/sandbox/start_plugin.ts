import type { Environment } from "../../environment/variables.ts";
import { messageOf } from "../../errors.ts";
import { temporaryParents } from "../../fs/temporary_directory.ts";
import { isInside } from "../../job_path.ts";
import { tagProcessTree } from "../../process/process_tree.ts";
import type { Confinement } from "../../process/sandbox/confined_command.ts";
import { spawn } from "../../process/spawn.ts";
import { settlesWithin } from "../../process/time_limit.ts";
import { durationText } from "../../schema/duration.ts";
import type { PluginPermissions } from "../permissions/plugin_permissions.ts";
import { denoCommand, jsrHost, processEnvironment } from "./deno_command.ts";
import { findOnPath } from "./find_deno.ts";
import type { PermissionBroker } from "./permission_broker.ts";
import type { PluginSession, SessionListener } from "./plugin_session.ts";

/** Options for {@linkcode startPlugin}. */
export interface StartPluginOptions {
  /** URL of the code; `undefined` for a program. */
  readonly url?: string;
  /**
   * Whether it is a Python file, which the host for Python plugins loads.
   *
   * @default {false}
   */
  readonly isPython?: boolean;
  /** Path of the file; `undefined` for a package. */
  readonly file?: string;
  /** Working directory of the process. */
  readonly cwd: string;
  /** Permissions of the plugin, with absolute paths. */
  readonly permissions: PluginPermissions;
  /** Path of Deno. */
  readonly deno: string;
  /** Lock file that pins the package. */
  readonly lockFile?: string;
  /** `DENO_DIR` with the module graph, if it was fetched in advance. */
  readonly denoDir?: string;
  /** Environment of the runner. */
  readonly env: Environment;
  /** Checks whether the plugin sees a variable without a grant. */
  readonly seesUngranted: (name: string) => boolean;
  /** Absolute path of the workspace, in which the job may create links. */
  readonly workspace: string;
  /**
   * Time limit for loading the plugin, in milliseconds.
   *
   * @default {10_000; 60_000 if its code may have to be fetched}
   */
  readonly loadTimeoutMs?: number;
  /** Creates the workspace, if it may not exist. */
  readonly prepare?: () => Promise<void>;
  /** Called with warnings about isolation that the system does not support. */
  readonly warn: (message: string) => void;
}

/**
 * Starts a plugin in its own process and waits until it is loaded.
 *
 * @param start Plugin, permissions and limits.
 * @param listener Handles requests of the plugin.
 * @returns The session with the loaded plugin.
 * @throws {Error} If the plugin cannot be loaded in time.
 */
export async function startPlugin(
  start: StartPluginOptions,
  listener: SessionListener,
): Promise<PluginSession> {
  const { url, cwd, permissions, env, seesUngranted, denoDir } = start;
  const isDeno = url !== undefined;
  const fetchesCode = isDeno &&
    (!url.startsWith("file:") || permissions.import !== undefined);
  const startsOthers = !isDeno || permissions.run !== undefined;
  const ownEnv = {
    ...processEnvironment(env, permissions, {
      isDeno,
      fetchesCode,
      seesUngranted,
    }),
    ...denoDir === undefined ? {} : { DENO_DIR: denoDir },
  };
  const isWatched = isDeno && usesPaths(permissions);
  const broker = isWatched ? await openBroker(start, ownEnv) : undefined;
  const confinement = isWatched && Deno.build.os === "linux"
    ? { ...await confine(start, ownEnv), env: broker?.env ?? {} }
    : undefined;
  const argv = isDeno
    ? denoCommand({
      ...start,
      url,
      rights: permissions,
      registry: jsrHost(env),
      confinement,
      perl: confinement && await findPerl(env),
    })
    : await createProgramCommand(start);
  const child = spawn(argv, {
    cwd,
    // The launcher that confines the process must not ask the broker itself. It
    // sets the broker's variables for the plugin.
    env: confinement === undefined ? { ...ownEnv, ...broker?.env } : ownEnv,
    stdin: "piped",
    stderr: "separate",
    isInstalled: isDeno,
    ...startsOthers ? { tree: tagProcessTree() } : {},
  });
  child.status.finally(() => broker?.[Symbol.dispose]());
  // Import the session while the process starts.
  const { PluginSession } = await import("./plugin_session.ts");
  const session = new PluginSession(child, listener, !isDeno);
  const { loadTimeoutMs = fetchesCode ? 60_000 : 10_000 } = start;
  if (!await settlesWithin(session.ready, loadTimeoutMs)) {
    session.end(`it was not loaded within ${durationText(loadTimeoutMs)}`);
  }
  try {
    await session.ready;
    return session;
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

/** Paths of Perl by the environment in which it was searched. */
const perls = new WeakMap<object, Promise<string | undefined>>();

/** Finds Perl once for all plugins of a runner. */
function findPerl(
  env: Environment,
): Promise<string | undefined> {
  const known = perls.get(env);
  if (known !== undefined) return known;
  const found = findOnPath("perl", env);
  perls.set(env, found);
  return found;
}

async function createProgramCommand(
  { file, isPython, env }: StartPluginOptions,
): Promise<string[]> {
  if (!isPython) return [file!];
  const { pythonCommand } = await import("../python/python_command.ts");
  return await pythonCommand(file!, env);
}

/**
 * Checks whether symbolic links must be resolved for a plugin. There is no
 * point for a plugin that starts programs, because those are not confined.
 */
function usesPaths({ read = [], write = [], run }: PluginPermissions): boolean {
  return run === undefined &&
    [...read, ...write].some((path) => path !== "*");
}

async function confine(
  { deno, file, lockFile, permissions, workspace, prepare }: StartPluginOptions,
  env: Environment,
): Promise<Pick<Confinement, "read" | "write">> {
  await prepare?.();
  const needed = [deno, file, lockFile].filter((path) => path !== undefined);
  return await findConfinement({ permissions, workspace, needed, env });
}

async function openBroker(
  { url = "", file, permissions, env, workspace, warn }: StartPluginOptions,
  ownEnv: Environment,
): Promise<PermissionBroker | undefined> {
  const { openAccessPolicy, openPermissionBroker } = await import(
    "./permission_broker.ts"
  );
  const own = file === undefined ? [] : [file];
  const registry = url.startsWith("jsr:") ? [jsrHost(env)] : [];
  const policy = await openAccessPolicy({
    permissions: {
      ...permissions,
      read: [...own, ...permissions.read ?? []],
      import: [...registry, ...permissions.import ?? []],
    },
    workspace,
    temporary: ownEnv.TMPDIR || "/tmp",
  });
  try {
    return openPermissionBroker(
      policy,
      temporaryParents({ env, workspace: { base: workspace } }),
    );
  } catch (error) {
    warn(
      `Links in the workspace may give a plugin access outside its paths: ${
        messageOf(error)
      }`,
    );
    return undefined;
  }
}

/** Paths that Deno itself reads: hosts, certificates, system information. */
const DENO_PATHS = [
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

/** Options for {@linkcode findConfinement}. */
export interface ConfinementOptions {
  /** Permissions of the plugin, with absolute paths. */
  readonly permissions: PluginPermissions;
  /** Absolute path of the workspace. */
  readonly workspace: string;
  /** Paths of Deno, the plugin's file and other required files. */
  readonly needed: readonly string[];
  /** Environment of the process. */
  readonly env: Environment;
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
export async function findConfinement(
  { permissions, workspace, needed, env }: ConfinementOptions,
): Promise<Pick<Confinement, "read" | "write">> {
  const cache = findCacheDirectory(env);
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
          : findNearestParent(path)
      ),
    );
  return {
    read: [
      ...DENO_PATHS,
      ...certificates,
      ...own,
      ...needed,
      ...await existing(permissions.read),
    ],
    write: [...own, ...await existing(permissions.write)],
  };
}

function findCacheDirectory(
  { DENO_DIR, XDG_CACHE_HOME, HOME }: Readonly<Record<string, string>>,
): string | undefined {
  if (DENO_DIR?.startsWith("/")) return DENO_DIR;
  if (XDG_CACHE_HOME?.startsWith("/")) return `${XDG_CACHE_HOME}/deno`;
  return HOME?.startsWith("/") ? `${HOME}/.cache/deno` : undefined;
}

async function findNearestParent(path: string): Promise<string> {
  for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
    if (await Deno.stat(at).then(() => true, () => false)) return at;
  }
  return "/";
}
