import type { Logger } from "../output/logger.ts";

/**
 * Logs what is ignored in definitions, each thing once: several workflows may
 * use one job file.
 *
 * @param logger Logger.
 * @param part Part of the program that the lines name.
 * @returns Takes a warning.
 */
export function warner(
  logger: Logger,
  part: string,
): (warning: string) => void {
  const logged = new Set<string>();
  return (warning) => {
    if (!logged.has(warning)) logger.warn(part, warning);
    logged.add(warning);
  };
}
