import type { JobConfig } from "../config/job_config.ts";
import type { KnownSecret } from "../secrets/collect.ts";
import type { JobRun } from "./job_run.ts";
import type { RunnerParts } from "./runner_parts.ts";

/**
 * Has the masker mask as the caller of the runner wishes.
 *
 * @param parts What the runner owns.
 * @param config Configuration of the job.
 */
export function setUpMasker(
  { masker, logger }: RunnerParts,
  { maskMinBytes, isMasked }: JobConfig,
): void {
  masker.minBytes = maskMinBytes;
  masker.turn(isMasked);
  if (isMasked) return;
  // No level of the log is to hide this.
  logger.error("secrets", "MASKING IS OFF: secrets are printed as they are");
}

/**
 * Has secrets masked from here on, and tells which of them cannot be.
 *
 * @param run The run.
 * @param secrets Secrets.
 */
export function maskSecrets(
  { parts: { masker, logger }, secrets: known }: JobRun,
  secrets: readonly KnownSecret[],
): void {
  for (const secret of secrets) {
    known.push(secret);
    if (!masker.add(secret.value)) {
      logger.warn("secrets", `${secret.name} is too short to mask`);
    }
  }
}
