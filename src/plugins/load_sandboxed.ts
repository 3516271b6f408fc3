import { childEnvironment } from "../environment/child_environment.ts";
import { RunnerError } from "../errors.ts";
import type { Logger } from "../output/logger.ts";
import type { MaskStream } from "../secrets/mask/stream.ts";
import type { Plugin } from "./plugin.ts";
import {
  mayRun,
  type PluginRights,
  type PluginSource,
  rightsOf,
  type RightsPolicy,
  ungrantedText,
} from "./plugin_source.ts";
import { checkManifest } from "./rights/manifest.ts";
import {
  grantOption,
  mayUse,
  type PluginPermissions,
} from "./rights/rights.ts";
import type { PluginSession, ReadyMessage } from "./sandbox/plugin_session.ts";
import { startPlugin } from "./sandbox/start_plugin.ts";
import { thrownText } from "./thrown_text.ts";

/** What plugins in processes of their own have to do with. */
export interface SandboxSetting extends RightsPolicy {
  /** Where plugins say something. */
  readonly logger: Logger;
  /** Environment of the runner. */
  readonly env: Readonly<Record<string, string>>;
  /** Path of Deno. */
  readonly deno: string;
  /** Takes secrets out of a text. */
  readonly maskText: (text: string) => string;
  /** Starts a stream that masks secrets. */
  readonly maskStream: () => MaskStream;
  /**
   * Creates the workspace, which Landlock has to know when a process starts.
   *
   * @default {it is there}
   */
  readonly prepare?: () => Promise<void>;
  /** Lists the variables whose values are known to be secret by now. */
  readonly secretNames: () => ReadonlySet<string>;
  /** Has a value masked. */
  readonly registerSecret: (value: string) => void;
  /** Absolute path of the directory in which the runner works. */
  readonly cwd: string;
  /**
   * Maximum time that a plugin may take to be loaded, in milliseconds.
   *
   * @default {10_000; 60_000 if its code may have to be fetched}
   */
  readonly loadTimeoutMs?: number;
  /**
   * Adds follow-up jobs, as trigger documents spell them.
   *
   * @throws {Error} If they are not accepted.
   */
  readonly triggerJobs: (jobs: readonly unknown[]) => void;
}

/** What a plugin can change of a job. */
const ALL_CHANGES = {
  env: ["*"],
  config: ["*"],
  steps: ["*"],
} satisfies PluginPermissions;

/** A plugin that runs in a process of its own. */
export interface SandboxedPlugin extends PluginRights, AsyncDisposable {
  /** Where it comes from. */
  readonly source: PluginSource;
  /** The plugins that its code makes. */
  readonly plugins: readonly Plugin[];
  /** Its process. */
  readonly session: PluginSession;
}

/**
 * Starts a plugin in a process of its own, with its rights and no others.
 *
 * @param source The plugin.
 * @param setting What it has to do with.
 * @returns The plugin, which is not registered yet.
 * @throws {RunnerError} `plugin-failed`, if it cannot be loaded.
 */
export async function loadSandboxed(
  source: PluginSource,
  setting: SandboxSetting,
): Promise<SandboxedPlugin> {
  try {
    const rights = source.url === undefined
      ? programRights(source, setting)
      : rightsOf(source, setting);
    const first = await start(source, rights.rights, setting);
    const started = source.url !== undefined && source.asked === undefined
      ? await restart(source, first, setting)
      : { ...rights, session: first };
    return await describe(source, started, setting);
  } catch (cause) {
    const { explained } = await import("./sandbox/sandboxed_plugin.ts");
    const reason = thrownText(
      cause instanceof Error ? explained(source.name, cause) : cause,
    );
    throw new RunnerError(`Cannot load plugin "${source.origin}": ${reason}`, {
      code: "plugin-failed",
      cause,
    });
  }
}

/**
 * Returns the permissions of a program. Nothing can confine it, so it runs
 * with all rights or not at all.
 *
 * @param source The program.
 * @param policy What decides.
 * @returns Its rights.
 * @throws {TypeError} If it may not run.
 */
export function programRights(
  source: PluginSource,
  { grantsOf }: RightsPolicy,
): PluginRights {
  const rights = grantsOf(source.name, source.isOfCiSource);
  if (mayRun(rights)) return { rights, refused: [] };
  throw new TypeError(ungrantedText([source]));
}

/**
 * What was written for a runner in Python expects its variables. Secrets are
 * granted one by one.
 */
function ungrantedVariables(
  { isPython }: PluginSource,
  { secretNames }: SandboxSetting,
): (name: string) => boolean {
  if (!isPython) return () => false;
  const secrets = secretNames();
  return (name) => !secrets.has(name);
}

/** A plugin that misses a secret may do less than it should, and succeed. */
function reportWithheld(
  { name, isPython }: PluginSource,
  rights: PluginPermissions,
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
  ).filter((variable) => !mayUse(rights, "env", variable));
  if (names.length === 0) return;
  logger.info(
    "plugins",
    `Plugin "${name}" does not see these secrets: ${names.join(", ")}; ${
      grantOption(name, { kind: "env", value: names[0] })
    } grants one`,
  );
}

/** Only once it is known what a plugin asks for, it runs with rights. */
async function restart(
  source: PluginSource,
  first: PluginSession,
  setting: SandboxSetting,
): Promise<PluginRights & { session: PluginSession }> {
  const { manifest } = await first.ready;
  const rights = rightsOf(source, setting, checkManifest(manifest));
  if (Object.keys(rights.rights).length === 0) {
    return { ...rights, session: first };
  }
  await first[Symbol.asyncDispose]();
  return { ...rights, session: await start(source, rights.rights, setting) };
}

async function start(
  source: PluginSource,
  rights: PluginPermissions,
  setting: SandboxSetting,
): Promise<PluginSession> {
  const { logger, env, deno, maskStream, registerSecret, triggerJobs } =
    setting;
  const label = `plugin:${source.name}`;
  const session = startPlugin({
    ...source,
    // A plugin in Python works where the runner does.
    ...source.isPython ? { cwd: setting.cwd } : {},
    rights,
    deno,
    env,
    seesUngranted: ungrantedVariables(source, setting),
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
        `Links that are swapped while it runs may lead it out of its paths: ${reason}`,
      ),
  });
  // What is needed later is loaded while the process starts.
  reportWithheld(source, rights, setting);
  await Promise.allSettled([
    session,
    import("./sandbox/sandboxed_plugin.ts"),
    import("./run_phase.ts"),
  ]);
  return await session;
}

async function describe(
  source: PluginSource,
  started: PluginRights & { session: PluginSession },
  setting: SandboxSetting,
): Promise<SandboxedPlugin> {
  const { maskText, logger } = setting;
  const { session, rights } = started;
  const { sandboxedPlugin } = await import("./sandbox/sandboxed_plugin.ts");
  const { plugins }: ReadyMessage = await session.ready;
  return {
    ...started,
    source,
    plugins: plugins.map((description) =>
      sandboxedPlugin(description, {
        name: source.name,
        rights,
        seesUngranted: () => ungrantedVariables(source, setting),
        // A program could change all of that anyway.
        changeRights: source.url === undefined
          ? { ...rights, ...ALL_CHANGES }
          : rights,
        session,
        maskText,
      })
    ),
    async [Symbol.asyncDispose]() {
      const { untoldEnd } = session;
      if (untoldEnd !== undefined) {
        logger.warn(
          "plugins",
          `Plugin "${source.name}" has ended: ${untoldEnd}`,
        );
      }
      await session[Symbol.asyncDispose]();
    },
  };
}
