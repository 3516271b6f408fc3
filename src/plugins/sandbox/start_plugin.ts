import { messageOf } from "../../errors.ts";
import { tagProcessTree } from "../../process/process_tree.ts";
import { spawn } from "../../process/spawn.ts";
import { settlesWithin } from "../../process/time_limit.ts";
import { temporaryParents } from "../../fs/temporary_directory.ts";
import type { PluginPermissions } from "../rights/rights.ts";
import type { Confinement } from "./confinement.ts";
import { denoCommand, jsrHost, processEnvironment } from "./deno_command.ts";
import { findOnPath } from "./find_deno.ts";
import type { PermissionBroker } from "./permission_broker.ts";
import type { PluginSession, SessionListener } from "./plugin_session.ts";

/** How a plugin is started. */
export interface PluginStart {
  /** Address of its code; none for a program. */
  readonly url?: string;
  /**
   * Whether the program is a file for the host of plugins in Python.
   *
   * @default {false}
   */
  readonly isPython?: boolean;
  /** Path of its file, if it has one. */
  readonly file?: string;
  /** Directory in which its process runs. */
  readonly cwd: string;
  /** Its rights, with absolute paths. */
  readonly rights: PluginPermissions;
  /** Path of Deno. */
  readonly deno: string;
  /** Lock file that holds the pins of its address. */
  readonly lockFile?: string;
  /** Cache of Deno that holds its module graph, if that was fetched beforehand. */
  readonly denoDir?: string;
  /** Environment of the runner. */
  readonly env: Readonly<Record<string, string>>;
  /** Checks whether it sees a variable without a grant for it. */
  readonly seesUngranted: (name: string) => boolean;
  /** Absolute path of the workspace, in which the job may put links. */
  readonly workspace: string;
  /**
   * Maximum time that it may take to be loaded, in milliseconds.
   *
   * @default {10_000; 60_000 if its code may have to be fetched}
   */
  readonly loadTimeoutMs?: number;
  /** Creates the workspace, if it may not be there. */
  readonly prepare?: () => Promise<void>;
  /** Warns that something cannot be guaranteed on this system. */
  readonly warn: (message: string) => void;
}

/**
 * Starts a plugin in a process of its own, and waits for it to be loaded.
 *
 * @param start How it is started.
 * @param listener What the plugin can do at any time.
 * @returns The session; it is ready.
 * @throws {Error} If it cannot be loaded in time.
 */
export async function startPlugin(
  start: PluginStart,
  listener: SessionListener,
): Promise<PluginSession> {
  const { url, cwd, rights, env, seesUngranted, denoDir } = start;
  const isDeno = url !== undefined;
  const fetchesCode = isDeno &&
    (!url.startsWith("file:") || rights.import !== undefined);
  const startsOthers = !isDeno || rights.run !== undefined;
  const ownEnv = {
    ...processEnvironment(env, rights, {
      isDeno,
      fetchesCode,
      seesUngranted,
    }),
    ...denoDir === undefined ? {} : { DENO_DIR: denoDir },
  };
  const isWatched = isDeno && usesPaths(rights);
  const broker = isWatched ? await openBroker(start, ownEnv) : undefined;
  const confinement = isWatched && Deno.build.os === "linux"
    ? { ...await confine(start, ownEnv), env: broker?.env ?? {} }
    : undefined;
  const argv = isDeno
    ? denoCommand({
      ...start,
      url,
      registry: jsrHost(env),
      confinement,
      perl: confinement && await findOnPath("perl", env),
    })
    : await programCommand(start);
  const child = spawn(argv, {
    cwd,
    // What confines the process needs permissions of its own, and passes it on.
    env: confinement === undefined ? { ...ownEnv, ...broker?.env } : ownEnv,
    stdin: "piped",
    stderr: "separate",
    ...startsOthers ? { tree: tagProcessTree() } : {},
  });
  child.status.finally(() => broker?.[Symbol.dispose]());
  // What talks to the process is loaded while the process starts.
  const { PluginSession } = await import("./plugin_session.ts");
  const session = new PluginSession(child, listener, !isDeno);
  const { loadTimeoutMs = fetchesCode ? 60_000 : 10_000 } = start;
  if (!await settlesWithin(session.ready, loadTimeoutMs)) {
    session.end(`it was not loaded within ${loadTimeoutMs} ms`);
  }
  try {
    await session.ready;
    return session;
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

async function programCommand(
  { file, isPython, env }: PluginStart,
): Promise<string[]> {
  if (!isPython) return [file!];
  const { pythonCommand } = await import("../python/python_command.ts");
  return await pythonCommand(file!, env);
}

/**
 * Checks whether a plugin's paths have to be followed. A plugin that starts
 * programs can do whatever those can.
 */
function usesPaths({ read = [], write = [], run }: PluginPermissions): boolean {
  return run === undefined &&
    [...read, ...write].some((path) => path !== "*");
}

async function confine(
  { deno, file, lockFile, rights, workspace, prepare }: PluginStart,
  env: Readonly<Record<string, string>>,
): Promise<Omit<Confinement, "env">> {
  await prepare?.();
  const { confinementOf } = await import("./confinement.ts");
  const needed = [deno, file, lockFile].filter((path) => path !== undefined);
  return await confinementOf({ rights, workspace, needed, env });
}

async function openBroker(
  { url = "", file, rights, env, workspace, warn }: PluginStart,
  ownEnv: Readonly<Record<string, string>>,
): Promise<PermissionBroker | undefined> {
  const { openPermissionBroker } = await import("./permission_broker.ts");
  const { openAccessPolicy } = await import("../rights/access_policy.ts");
  const own = file === undefined ? [] : [file];
  const registry = url.startsWith("jsr:") ? [jsrHost(env)] : [];
  const policy = await openAccessPolicy({
    rights: {
      ...rights,
      read: [...own, ...rights.read ?? []],
      import: [...registry, ...rights.import ?? []],
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
      `Links in the workspace may lead a plugin out of its paths: ${
        messageOf(error)
      }`,
    );
    return undefined;
  }
}
