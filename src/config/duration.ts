const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Longest time that a timer can wait, in milliseconds: about 24 days. */
export const MAX_DURATION_MS: number = 2 ** 31 - 1;

/** What the text of a time looks like. */
export const DURATION: RegExp = /^(\d+(\.\d+)?|(\d+(\.\d+)?(ms|s|m|h|d))+)$/;

/**
 * Reads a length of time: a number of seconds, or one with a unit, such as
 * `500ms`, `90s`, `15m`, `2h`, `1d` or `1h30m`.
 *
 * @param text Text.
 * @returns Milliseconds, at most 2³¹−1; `undefined` if the text is no time.
 */
export function parseDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  if (/\d$/.test(text)) return bounded(Number(text) * 1_000);
  let ms = 0;
  for (const [, count, unit] of text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)) {
    ms += Number(count) * UNITS[unit as keyof typeof UNITS];
  }
  return bounded(ms);
}

function bounded(ms: number): number | undefined {
  return ms <= MAX_DURATION_MS ? Math.round(ms) : undefined;
}
