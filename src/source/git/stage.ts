import type { Logger } from "../../output/logger.ts";

/** Does a part of the work and tells how long it took. */
export type Stage = <T>(name: string, action: () => Promise<T>) => Promise<T>;

/**
 * Makes a function that times the stages of a preparation.
 *
 * @param log Hears each stage at its end, also of one that fails.
 * @returns The function.
 */
export function stages(log: Logger): Stage {
  return async (name, action) => {
    const start = performance.now();
    try {
      return await action();
    } finally {
      const ms = Math.round(performance.now() - start);
      log.debug("source", `Stage ${name}`, { ms });
    }
  };
}
