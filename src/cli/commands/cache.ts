import { CACHE_NAME } from "../../cache/cache_entry.ts";
import { openStore, readCacheSettings } from "../../cache/open_store.ts";
import {
  type CacheStore,
  isListable,
  type ListableStore,
} from "../../cache/cache_store.ts";
import {
  type CacheContext,
  cacheRoot,
  pathsBelow,
  restoreDirectories,
  saveDirectories,
} from "../../cache/saved_directories.ts";
import { expandKey } from "../../cache/key_template.ts";
import { listStore, pruneStore } from "../../cache/prune.ts";
import { childEnvironment } from "../../environment/child_environment.ts";
import { findVariable } from "../../environment/variables.ts";
import { osReason, RunnerError } from "../../errors.ts";
import { temporaryParents } from "../../fs/temporary_directory.ts";
import type { Cancellation } from "../../process/cancellation.ts";
import {
  memoryDirectory,
  recordClearing,
} from "../../steps/cache/file_memory.ts";
import { canRead, canWrite } from "../../steps/cache/store_access.ts";
import { cancelOnSignal, findAction } from "../actions.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { usageError } from "../parse_arguments.ts";

const ACTIONS: Readonly<Record<string, CacheAction>> = {
  save: saveToCache,
  restore: restoreFromCache,
  stats: showCache,
  prune: pruneCache,
  clear: clearCache,
};

export const cacheCommand: CliCommand = {
  usage: "ACTION [OPTIONS]",
  description: `Saves directories under a key and restores them in a later job.

Actions:
  save NAME PATH…       Save paths under --key, unless the key exists
  restore NAME [PATH…]  Restore the entry of --key or, failing that, the newest
                        entry whose key starts with a --fallback. With paths,
                        only an entry with exactly these paths
  stats                 Print the contents of the store
  prune                 Remove the entries that were used least recently until
                        the store is not larger than its limit
  clear                 Remove all entries

A key may contain {os}, {arch}, {env:NAME} and {hash:GLOB}, a hash of the files
that match, below the current directory. Paths are inside the directory of the
job. "restore" prints "exact KEY", "fallback KEY" or "miss". A store that
cannot be used counts as a miss, with a warning.`,
  examples: [
    [
      "cache restore npm --key 'npm-{os}-{hash:package-lock.json}' --fallback 'npm-{os}-'",
      "Restore the packages of the lock file, or those of an earlier one",
    ],
    [
      "cache save npm --key 'npm-{os}-{hash:package-lock.json}' node_modules",
      "Save them, unless they are already saved",
    ],
  ],
  flags: [
    {
      name: "key",
      valueName: "KEY",
      help: "Key of the entry",
    },
    {
      name: "fallback",
      valueName: "PREFIX",
      isRepeatable: true,
      help:
        "Beginning of other keys that may be restored, in order of preference",
    },
    {
      name: "fail-on-miss",
      help: "Exit with code 1 if nothing is restored",
    },
  ],
  actions: Object.keys(ACTIONS),
  maxOperands: Infinity,
  run: runCacheAction,
};

async function runCacheAction(context: CommandContext): Promise<number> {
  const { operands: [name, ...operands], runner: { logger } } = context;
  const code = await findAction(ACTIONS, name, { command: "cache" })(
    context,
    operands,
  );
  await logger.flush();
  return code;
}

/** An action of the command; returns its exit code. */
type CacheAction = (
  context: CommandContext,
  operands: readonly string[],
) => Promise<number>;

/** Saves paths under a key. */
function saveToCache(
  context: CommandContext,
  [name, ...operands]: readonly string[],
): Promise<number> {
  return cancelOnSignal(context.runner.host, async (cancellation) => {
    const { logger } = context.runner;
    checkName(name);
    const settings = readCacheSettings(context.runner.host);
    const root = await findJobDirectory(context);
    const paths = await resolvePaths(root, context, operands);
    if (paths.length === 0) {
      throw usageError("A path to save is required", "cache");
    }
    const key = await expandKeyFlag(context, cancellation);
    const id = { namespace: settings.namespace, name, key };
    if (!canWrite(settings.mode)) {
      logger.info(
        "cache",
        `Not saved: the mode of the cache is ${settings.mode}`,
      );
      return 0;
    }
    try {
      const store = await openConfiguredStore(context);
      const cache = createCacheContext(context, root, { store, cancellation });
      const result = await saveDirectories(id, paths, cache);
      if (result.status === "saved") {
        const { packBytes, count } = result.entry;
        await context.print(`saved ${key}`);
        logger.info("cache", "Saved", {
          key,
          entries: count,
          bytes: packBytes,
        });
        if (isListable(store) && store.hasLocks) {
          await pruneStore(store, settings.maxBytes, cancellation.graceful);
        }
      } else if (result.status === "exists") {
        await context.print(`exists ${key}`);
      } else {
        logger.warn("cache", "Not saved: larger than the limit", {
          key,
          limit: settings.maxBytes,
        });
      }
    } catch (error) {
      const isUserError = error instanceof RunnerError &&
        error.code === "workspace";
      if (isUserError) throw error;
      reportStoreError(context, cancellation, "Not saved", error);
    }
    return 0;
  });
}

/** Restores the directories that were saved under a key. */
function restoreFromCache(
  context: CommandContext,
  [name, ...operands]: readonly string[],
): Promise<number> {
  return cancelOnSignal(context.runner.host, async (cancellation) => {
    checkName(name);
    const { mode, namespace, readFrom } = readCacheSettings(
      context.runner.host,
    );
    const root = await findJobDirectory(context);
    const paths = await resolvePaths(root, context, operands);
    const key = await expandKeyFlag(context, cancellation);
    const fallbacks = await expandFallbacks(context, cancellation);
    const errors: unknown[] = [];
    let found;
    try {
      const store = canRead(mode)
        ? await openConfiguredStore(context)
        : undefined;
      found = store && await restoreDirectories(
        {
          namespaces: [...new Set([namespace, ...readFrom])],
          name,
          key,
          fallbacks,
          ...paths.length === 0 ? {} : { paths },
        },
        createCacheContext(context, root, { store, cancellation }),
        (cause) => errors.push(cause),
      );
    } catch (error) {
      errors.push(error);
    }
    if (errors.length > 0) {
      reportStoreError(context, cancellation, "Not restored", errors[0]);
    }
    await context.print(
      found === undefined
        ? "miss"
        : `${found.key === key ? "exact" : "fallback"} ${found.key}`,
    );
    return found === undefined && context.isOn("fail-on-miss") ? 1 : 0;
  });
}

/** Prints the contents of the store. */
function showCache(context: CommandContext): Promise<number> {
  return cancelOnSignal(context.runner.host, async ({ graceful }) => {
    const { maxBytes } = readCacheSettings(context.runner.host);
    const store = await openListableStore(context);
    const { manifests, packs, bytes } = await listStore(store, graceful);
    await context.print(
      `${store.displayName}: ${manifests.length} entries, ${bytes} of ${maxBytes} bytes`,
    );
    for (const manifest of manifests) {
      const { namespace, kind, name, key = "", usedMs } = manifest;
      const size = manifest.packs.reduce(
        (sum, pack) => sum + (packs.get(pack)?.bytes ?? 0),
        manifest.bytes,
      );
      const lastUsed = new Date(usedMs).toISOString();
      await context.print(
        `${namespace}  ${kind}  ${name}  ${key}  ${size} bytes  used ${lastUsed}`,
      );
    }
    return 0;
  });
}

/** Removes entries until the store is not larger than its limit. */
function pruneCache(context: CommandContext): Promise<number> {
  return removeEntries(
    context,
    readCacheSettings(context.runner.host).maxBytes,
  );
}

/** Removes all entries. */
async function clearCache(context: CommandContext): Promise<number> {
  const code = await removeEntries(context, 0);
  const parent = memoryDirectory(context.runner.host.env);
  // Otherwise, runs would assume for up to an hour that results are in there.
  if (parent !== undefined) await recordClearing(parent).catch(() => {});
  return code;
}

function removeEntries(
  context: CommandContext,
  maxBytes: number,
): Promise<number> {
  return cancelOnSignal(context.runner.host, async ({ graceful }) => {
    const store = await openListableStore(context);
    const { count, bytes } = await pruneStore(store, maxBytes, graceful);
    await context.print(`removed ${count} entries, ${bytes} bytes`);
    return 0;
  });
}

/**
 * Reports that the store cannot be used. An invalid configuration and
 * cancellation are errors.
 */
function reportStoreError(
  { runner: { logger } }: CommandContext,
  { graceful }: Cancellation,
  action: string,
  error: unknown,
): void {
  graceful.throwIfAborted();
  if (error instanceof RunnerError && error.code === "invalid-config") {
    throw error;
  }
  logger.warn("cache", action, { reason: osReason(error) });
}

async function openConfiguredStore(
  context: CommandContext,
): Promise<CacheStore> {
  const { host: { env }, allowInsecureTransport } = context.runner;
  return await openStore(readCacheSettings(context.runner.host).store, {
    env,
    allowInsecureTransport: allowInsecureTransport ||
      context.isOn("allow-insecure-transport"),
  });
}

async function openListableStore(
  context: CommandContext,
): Promise<ListableStore> {
  const store = await openConfiguredStore(context);
  if (isListable(store)) return store;
  throw new RunnerError(
    `Cannot manage "${store.displayName}": a store on an HTTP server cannot be listed`,
    { code: "invalid-config" },
  );
}

function createCacheContext(
  context: CommandContext,
  root: string,
  { store, cancellation }: {
    store: CacheStore;
    cancellation: Cancellation;
  },
): CacheContext {
  const { maxBytes } = readCacheSettings(context.runner.host);
  const env = childEnvironment(context.runner.host.env, { kind: "tool" });
  return {
    store,
    root,
    env,
    maxBytes,
    storeBytes: maxBytes,
    cancellation,
    temporaryParents: temporaryParents({
      env: context.runner.host.env,
      workspace: { base: root },
    }),
  };
}

async function findJobDirectory(
  { runner: { host: { cwd }, workspace } }: CommandContext,
): Promise<string> {
  return await cacheRoot(cwd, workspace.base);
}

/** Returns paths relative to the directory of the job. */
async function resolvePaths(
  root: string,
  { runner: { host: { cwd } } }: CommandContext,
  operands: readonly string[],
): Promise<string[]> {
  return await pathsBelow(
    root,
    cwd,
    operands,
    (message) => usageError(message, "cache"),
  );
}

function checkName(name: string | undefined): asserts name is string {
  if (name === undefined) {
    throw usageError("The name of a cache is required", "cache");
  }
  if (!CACHE_NAME.test(name)) {
    throw usageError(
      `Name ${
        JSON.stringify(name)
      } must consist of letters, digits, ".", "_" and "-", and start with a letter or digit`,
      "cache",
    );
  }
}

async function expandKeyFlag(
  context: CommandContext,
  cancellation: Cancellation,
): Promise<string> {
  const template = context.flags.get("key");
  if (typeof template !== "string") {
    throw usageError("Option --key is required", "cache");
  }
  return await expandTemplate(template, context, cancellation);
}

async function expandFallbacks(
  context: CommandContext,
  cancellation: Cancellation,
): Promise<string[]> {
  const fallback = context.flags.get("fallback") ?? [];
  const templates = typeof fallback === "string" ? [fallback] : fallback;
  return await Promise.all(
    templates.map((template) =>
      expandTemplate(template, context, cancellation)
    ),
  );
}

async function expandTemplate(
  template: string,
  { runner }: CommandContext,
  { graceful }: Cancellation,
): Promise<string> {
  const { host: { cwd, env }, masker } = runner;
  return await expandKey(template, {
    directory: cwd,
    env,
    isSecret: (name) => findVariable(name)?.isSecret === true,
    containsSecret: (text) => masker.containsSecret(text),
    signal: graceful,
  });
}
