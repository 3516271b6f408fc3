import { childEnvironment } from "../environment/child_environment.ts";
import type { Environment } from "../environment/variables.ts";
import { RunnerError, thrownText } from "../errors.ts";
import type { Logger } from "../output/logger.ts";
import type { MaskStream } from "../secrets/mask/mask_stream.ts";
import { checkManifest } from "./permissions/plugin_manifest.ts";
import {
  grantOption,
  mayUse,
  type PluginPermissions,
} from "./permissions/plugin_permissions.ts";
import type { Plugin } from "./plugin.ts";
import {
  mayRun,
  type PermissionPolicy,
  type PluginSource,
  type ResolvedPermissions,
  resolvePermissions,
  ungrantedText,
} from "./plugin_source.ts";
import type { PluginSession, ReadyMessage } from "./sandbox/plugin_session.ts";
import { startPlugin } from "./sandbox/start_plugin.ts";

/** Settings for plugins that run in their own processes. */
export interface SandboxSetting extends PermissionPolicy {
  /** Logger for messages of plugins. */
  readonly logger: Logger;
  /** Environment of the runner. */
  readonly env: Environment;
  /** Path of Deno. */
  readonly deno: string;
  /** Masks secrets in a text. */
  readonly maskText: (text: string) => string;
  /** Starts a stream that masks secrets. */
  readonly maskStream: () => MaskStream;
  /**
   * Creates the workspace. Landlock requires that it exists when a process
   * starts.
   *
   * @default {the workspace exists}
   */
  readonly prepare?: () => Promise<void>;
  /** Lists the variables whose values are known to be secret so far. */
  readonly secretNames: () => ReadonlySet<string>;
  /** Masks a value from now on. */
  readonly registerSecret: (value: string) => void;
  /** Absolute path of the runner's working directory. */
  readonly cwd: string;
  /**
   * Time limit for loading a plugin, in milliseconds.
   *
   * @default {10_000; 60_000 if its code may have to be fetched}
   */
  readonly loadTimeoutMs?: number;
  /**
   * Queues follow-up jobs in the form of trigger documents.
   *
   * @throws {Error} If a job is invalid.
   */
  readonly triggerJobs: (jobs: readonly unknown[]) => void;
}

/** Permissions to change everything in a job that plugins can change. */
const ALL_CHANGES = {
  env: ["*"],
  config: ["*"],
  steps: ["*"],
} satisfies PluginPermissions;

/** Loaded plugin code that runs in its own process. */
export interface SandboxedPlugin extends ResolvedPermissions, AsyncDisposable {
  /** The code. */
  readonly source: PluginSource;
  /** Plugins in the code. */
  readonly plugins: readonly Plugin[];
  /** Session with the process. */
  readonly session: PluginSession;
}

/**
 * Starts a plugin in its own process with exactly its permissions.
 *
 * @param source The plugin.
 * @param setting Environment of the plugin.
 * @returns The plugin, which is not registered yet.
 * @throws {RunnerError} `plugin-failed` if it cannot be loaded.
 */
export async function loadSandboxed(
  source: PluginSource,
  setting: SandboxSetting,
): Promise<SandboxedPlugin> {
  try {
    const permissions = source.url === undefined
      ? programPermissions(source, setting)
      : resolvePermissions(source, setting);
    const first = await start(source, permissions.permissions, setting);
    const started = source.url !== undefined && source.requested === undefined
      ? await restart(source, first, setting)
      : { ...permissions, session: first };
    return await describe(source, started, setting);
  } catch (cause) {
    const { explainDenied } = await import("./sandbox/sandboxed_plugin.ts");
    const reason = thrownText(
      cause instanceof Error ? explainDenied(source.name, cause) : cause,
    );
    throw new RunnerError(`Cannot load plugin "${source.origin}": ${reason}`, {
      code: "plugin-failed",
      cause,
    });
  }
}

/**
 * Returns the permissions of a program. Programs are not sandboxed: they run
 * with the full permissions of the user, or not at all.
 *
 * @param source The program.
 * @param policy Policy that grants permissions.
 * @returns Its permissions.
 * @throws {TypeError} If it may not run.
 */
export function programPermissions(
  source: PluginSource,
  { grantsOf }: PermissionPolicy,
): ResolvedPermissions {
  const permissions = grantsOf(source.name, source.isOfCiSource);
  if (mayRun(permissions)) return { permissions, refused: [] };
  throw new TypeError(ungrantedText([source]));
}

/**
 * Creates a check for variables that a plugin sees without a grant. Python plugins
 * expect the variables of the runner, so they see all of them except secrets, which
 * must be granted individually.
 */
function createVisibilityCheck(
  { isPython }: PluginSource,
  { secretNames }: SandboxSetting,
): (name: string) => boolean {
  if (!isPython) return () => false;
  const secrets = secretNames();
  return (name) => !secrets.has(name);
}

/** Logs hidden secrets: a plugin without them may silently do less. */
function reportWithheld(
  { name, isPython }: PluginSource,
  permissions: PluginPermissions,
  { env, logger, secretNames }: SandboxSetting,
): void {
  if (!isPython) return;
  const secrets = secretNames();
  const names = Object.keys(
    childEnvironment(env, {
      kind: "plugin",
      mayUse: (variable) => secrets.has(variable),
      isNamed: (variable) => secrets.has(variable),
    }),
  ).filter((variable) => !mayUse(permissions, "env", variable));
  if (names.length === 0) return;
  logger.info(
    "plugins",
    `Plugin "${name}" does not see these secrets: ${names.join(", ")}; ${
      grantOption(name, { kind: "env", value: names[0] })
    } grants one`,
  );
}

/** Restarts a plugin with permissions once its requested ones are known. */
async function restart(
  source: PluginSource,
  first: PluginSession,
  setting: SandboxSetting,
): Promise<ResolvedPermissions & { session: PluginSession }> {
  const { manifest } = await first.ready;
  const permissions = resolvePermissions(
    source,
    setting,
    checkManifest(manifest),
  );
  if (Object.keys(permissions.permissions).length === 0) {
    return { ...permissions, session: first };
  }
  await first[Symbol.asyncDispose]();
  return {
    ...permissions,
    session: await start(source, permissions.permissions, setting),
  };
}

async function start(
  source: PluginSource,
  permissions: PluginPermissions,
  setting: SandboxSetting,
): Promise<PluginSession> {
  const { logger, env, deno, maskStream, registerSecret, triggerJobs } =
    setting;
  const label = `plugin:${source.name}`;
  const session = startPlugin({
    ...source,
    // Python plugins run in the runner's working directory.
    ...source.isPython ? { cwd: setting.cwd } : {},
    permissions,
    deno,
    env,
    seesUngranted: createVisibilityCheck(source, setting),
    workspace: setting.directories.JOB_DIR,
    loadTimeoutMs: setting.loadTimeoutMs,
    prepare: setting.prepare,
    warn: (message) => logger.warn(label, message),
  }, {
    log: (message) => logger.info(label, message),
    secret: registerSecret,
    trigger: triggerJobs,
    maskStream,
    unconfined: (reason) =>
      logger.warn(
        label,
        `Links that are replaced while it runs may give it access outside its paths: ${reason}`,
      ),
  });
  reportWithheld(source, permissions, setting);
  // Modules that are needed later are imported while the process starts.
  await Promise.allSettled([
    session,
    import("./sandbox/sandboxed_plugin.ts"),
    import("./run_phase.ts"),
  ]);
  return await session;
}

async function describe(
  source: PluginSource,
  started: ResolvedPermissions & { session: PluginSession },
  setting: SandboxSetting,
): Promise<SandboxedPlugin> {
  const { maskText, logger } = setting;
  const { session, permissions } = started;
  const { sandboxedPlugin } = await import("./sandbox/sandboxed_plugin.ts");
  const { plugins }: ReadyMessage = await session.ready;
  return {
    ...started,
    source,
    plugins: plugins.map((description) =>
      sandboxedPlugin(description, {
        name: source.name,
        permissions,
        seesUngranted: () => createVisibilityCheck(source, setting),
        // A program could change these anyway.
        changePermissions: source.url === undefined
          ? { ...permissions, ...ALL_CHANGES }
          : permissions,
        session,
        maskText,
      })
    ),
    async [Symbol.asyncDispose]() {
      const { unreportedEnd } = session;
      if (unreportedEnd !== undefined) {
        logger.warn(
          "plugins",
          `Plugin "${source.name}" has ended: ${unreportedEnd}`,
        );
      }
      await session[Symbol.asyncDispose]();
    },
  };
}
