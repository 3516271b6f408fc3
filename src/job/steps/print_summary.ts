import { formatSummary } from "../../report/summary.ts";
import { wantsColour } from "../../wants_colour.ts";
import type { Masker } from "../../secrets/masker.ts";
import type { StepResult } from "../job_result.ts";
import type { RunnerParts } from "../runner_parts.ts";

/**
 * Prints how the steps of a job ended, for a person; machines have the log.
 *
 * @param parts What the runner owns.
 * @param results How the steps ended.
 * @param tails The last lines of the steps, by name, masked.
 */
export async function printSummary(
  parts: RunnerParts,
  results: readonly StepResult[],
  tails: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  const { host, masker, stderr, logger } = parts;
  if (results.length < 2 || host.env.LOG_FORMAT === "json") return;
  const steps = results.map(({ name, reason, ...result }) => ({
    ...result,
    name: masker.maskText(name),
    ...reason === undefined ? {} : { reason: masker.maskText(reason) },
    tail: maskedTail(masker, tails.get(name)),
  }));
  const isTerminal = host.stderr.isTerminal();
  const text = formatSummary(steps, {
    columns: isTerminal ? host.consoleSize?.()?.columns : undefined,
    colour: wantsColour(host.env, isTerminal),
  });
  await logger.flush().catch(() => {});
  // A job does not fail because nobody can be told how it went.
  await stderr.write(new TextEncoder().encode(`\n${text}\n`)).catch(() => {});
}

/**
 * Masks the last lines of a step again: since they were printed, more secrets
 * may have become known.
 *
 * @param masker Knows the secrets.
 * @param lines Lines.
 * @returns The lines, without secrets.
 */
export function maskedTail(
  masker: Masker,
  lines: readonly string[] = [],
): readonly string[] {
  return masker.maskText(lines.join("\n")).split("\n");
}
