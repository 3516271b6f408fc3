import type { Plugin, PluginContext } from "../plugin.ts";
import {
  type DeniedAccess,
  deniedAccess,
  DeniedError,
  mayUse,
  type PluginPermissions,
} from "../rights/rights.ts";
import { applyChanges, contextData } from "./changes.ts";
import type { PluginDescription } from "./messages.ts";
import { GuestError, type PluginSession } from "./plugin_session.ts";

/** Methods that a plugin may be called by; the registry checks others. */
const METHOD = /^[a-z]\w*$/i;

/** What a plugin in a process of its own is made of. */
export interface SandboxedPluginOptions {
  /** Name under which rights are granted to it. */
  readonly name: string;
  /** Its rights, which decide what it sees. */
  readonly rights: PluginPermissions;
  /** Returns what checks whether it sees a variable without a grant for it. */
  readonly seesUngranted: () => (name: string) => boolean;
  /** Rights that decide what it changes of the job. */
  readonly changeRights: PluginPermissions;
  /** Its process. */
  readonly session: PluginSession;
  /** Takes secrets out of a text. */
  readonly maskText: (text: string) => string;
}

/**
 * Creates a plugin of this process that passes its calls on to another one.
 *
 * @param description What the other process says of the plugin; the registry
 * checks it.
 * @param options Rights and process.
 * @returns The plugin.
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
  for (const hook of methodsOf(description)) {
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
  const { name, rights, changeRights, session, maskText, seesUngranted } =
    options;
  const { phase, signal, metric } = context;
  const isVisible = seesUngranted();
  const data = contextData(context, {
    sees: (variable) => mayUse(rights, "env", variable) || isVisible(variable),
    maskText,
  });
  try {
    const changes = await session.call(
      { plugin, hook, phase, context: data },
      { signal, metric },
    );
    // What comes too late changes nothing: the job has gone on.
    signal.throwIfAborted();
    applyChanges(changes, context, { name, rights: changeRights });
  } catch (error) {
    throw error instanceof GuestError ? explained(name, error) : error;
  }
}

/**
 * Returns what must be added when Deno refused something.
 *
 * @param name Name under which rights are granted to the plugin.
 * @param error Error that the plugin reported.
 * @returns An error that says so; the same error if nothing was refused.
 */
export function explained(name: string, error: Error): Error {
  const denied: DeniedAccess | undefined = deniedAccess(error.message);
  return denied === undefined ? error : new DeniedError(name, denied, error);
}

function methodsOf({ methods = ["execute"] }: PluginDescription): string[] {
  if (!Array.isArray(methods)) throw new TypeError("its methods are no list");
  return methods.map(String).filter((method) =>
    METHOD.test(method) && !(method in Object.prototype)
  );
}
