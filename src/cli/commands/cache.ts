import type { CliCommand, CommandContext } from "../command.ts";
import { findAction } from "../find_action.ts";
import {
  type CacheAction,
  clearCache,
  pruneCache,
  restoreToCache,
  saveToCache,
  showCache,
} from "../cache_actions.ts";

const ACTIONS: Readonly<Record<string, CacheAction>> = {
  save: saveToCache,
  restore: restoreToCache,
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
job. "restore" prints "exact KEY", "fallback KEY" or "miss". If the store cannot
be used, that counts as a miss, with a warning.`,
  examples: [
    [
      "cache restore npm --key 'npm-{os}-{hash:package-lock.json}' --fallback 'npm-{os}-'",
      "Restore the packages of the lock file, or those of an earlier one",
    ],
    [
      "cache save npm --key 'npm-{os}-{hash:package-lock.json}' node_modules",
      "Save them, unless they are saved",
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
      help: "Beginning of other keys that may be restored, the best first",
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
