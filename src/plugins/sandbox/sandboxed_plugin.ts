import {
  type DeniedAccess,
  deniedAccess,
  DeniedError,
  mayUse,
  type PluginPermissions,
} from "../permissions/plugin_permissions.ts";
import type { Plugin, PluginContext } from "../plugin.ts";
import { applyChanges, createCallContext } from "./changes.ts";
import type { PluginDescription } from "./messages.ts";
import { type PluginSession, ReportedError } from "./plugin_session.ts";

/** Valid method names; the registry validates the methods themselves. */
const METHOD = /^[a-z]\w*$/i;

/** Options for {@linkcode sandboxedPlugin}. */
export interface SandboxedPluginOptions {
  /** Name under which the plugin is granted permissions. */
  readonly name: string;
  /** Permissions that determine what the plugin sees. */
  readonly permissions: PluginPermissions;
  /** Returns a check for variables that the plugin sees without a grant. */
  readonly seesUngranted: () => (name: string) => boolean;
  /** Permissions that determine what the plugin can change in the job. */
  readonly changePermissions: PluginPermissions;
  /** Session with the process. */
  readonly session: PluginSession;
  /** Masks secrets in a text. */
  readonly maskText: (text: string) => string;
}

/**
 * Creates a plugin that forwards its calls to another process.
 *
 * @param description Description from the other process; the registry validates
 * it.
 * @param options Permissions and session.
 */
export function sandboxedPlugin(
  description: PluginDescription,
  options: SandboxedPluginOptions,
): Plugin {
  const { session } = options;
  const { name, priority, phases, errorPolicy } = description;
  const plugin: Record<string, unknown> = {
    name,
    ...priority === undefined ? {} : { priority },
    ...phases === undefined ? {} : { phases },
    ...errorPolicy === undefined ? {} : { errorPolicy },
    get enabled() {
      return session.isCallable;
    },
  };
  for (const hook of checkMethods(description)) {
    plugin[hook] = (context: PluginContext) =>
      callHook(String(name), hook, context, options);
  }
  return plugin as unknown as Plugin;
}

async function callHook(
  plugin: string,
  hook: string,
  context: PluginContext,
  options: SandboxedPluginOptions,
): Promise<void> {
  const {
    name,
    permissions,
    changePermissions,
    session,
    maskText,
    seesUngranted,
  } = options;
  const { phase, signal, metric } = context;
  const isVisible = seesUngranted();
  const data = createCallContext(context, {
    sees: (variable) =>
      mayUse(permissions, "env", variable) || isVisible(variable),
    maskText,
  });
  try {
    const changes = await session.call(
      { plugin, hook, phase, context: data },
      { signal, metric },
    );
    // Changes that arrive too late are ignored: the job has moved on.
    signal.throwIfAborted();
    applyChanges(changes, context, { name, permissions: changePermissions });
  } catch (error) {
    throw error instanceof ReportedError ? explainDenied(name, error) : error;
  }
}

/**
 * Explains an error that Deno threw because of a missing permission.
 *
 * @param name Name under which the plugin is granted permissions.
 * @param error Error that the plugin reported.
 * @returns Error that says how to grant the permission; any other error is
 * returned unchanged.
 */
export function explainDenied(name: string, error: Error): Error {
  const denied: DeniedAccess | undefined = deniedAccess(error.message);
  return denied === undefined ? error : new DeniedError(name, denied, error);
}

function checkMethods({ methods = ["execute"] }: PluginDescription): string[] {
  if (!Array.isArray(methods)) {
    throw new TypeError("its methods are not a list");
  }
  return methods.map(String).filter((method) =>
    METHOD.test(method) && !(method in Object.prototype)
  );
}
