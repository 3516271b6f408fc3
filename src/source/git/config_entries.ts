import type { Environment } from "../../environment/variables.ts";

/** A key of git's configuration and its value. */
export type ConfigEntry = readonly [key: string, value: string];

/**
 * Adds to what an environment configures of git by `GIT_CONFIG_*`; the entries
 * that are there stay, and come first.
 *
 * @param env Environment.
 * @param entries What is added.
 * @returns The environment with the entries.
 */
export function withConfigEntries<Env extends Environment>(
  env: Env,
  entries: readonly ConfigEntry[],
): Env {
  const count = /^\d+$/.test(env.GIT_CONFIG_COUNT ?? "")
    ? Number(env.GIT_CONFIG_COUNT)
    : 0;
  const added = entries.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${count + index}`, key],
    [`GIT_CONFIG_VALUE_${count + index}`, value],
  ]);
  return {
    ...env,
    ...Object.fromEntries(added),
    GIT_CONFIG_COUNT: String(count + entries.length),
  };
}
