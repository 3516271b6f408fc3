const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Maximum duration, in milliseconds: 100 years of 365 days. */
export const MAX_DURATION_MS: number = 36_500 * UNITS.d;

/** Pattern of a duration. */
export const DURATION: RegExp = /^(\d+(\.\d+)?|(\d+(\.\d+)?(ms|s|m|h|d))+)$/;

/**
 * Parses a duration: a number of seconds, or numbers with units, such as
 * `500ms`, `90s`, `15m`, `2h`, `1d` or `1h30m`.
 *
 * @returns Milliseconds; `undefined` if the text is not a duration, or longer
 * than {@linkcode MAX_DURATION_MS}.
 */
export function parseDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  if (/\d$/.test(text)) return roundWithinLimit(Number(text) * 1_000);
  let ms = 0;
  for (const [, count, unit] of text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)) {
    ms += Number(count) * UNITS[unit as keyof typeof UNITS];
  }
  return roundWithinLimit(ms);
}

/**
 * Formats a duration for a message, as it is written in a job file: `15m`,
 * `1h30m`. A part of a second stays in milliseconds: `300 ms`.
 */
export function durationText(ms: number): string {
  if (ms <= 0 || ms % UNITS.s !== 0) return `${ms} ms`;
  let rest = ms;
  let text = "";
  for (const [unit, size] of Object.entries(UNITS).reverse()) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}

function roundWithinLimit(ms: number): number | undefined {
  return ms <= MAX_DURATION_MS ? Math.round(ms) : undefined;
}

/**
 * Explains why {@linkcode parseDuration} does not accept a text.
 *
 * @returns The problem, phrased to follow the name of the value; `undefined` if
 * the text is accepted.
 */
export function durationProblem(text: string): string | undefined {
  if (parseDuration(text) !== undefined) return undefined;
  const given = JSON.stringify(text);
  return DURATION.test(text)
    ? `must be at most "36500d" (100 years), not ${given}`
    : `must be a duration such as "90s", "15m" or "2h", not ${given}`;
}

/**
 * Explains why a text is not a time limit, which is a duration longer than
 * zero.
 *
 * @returns The problem, phrased to follow the name of the value; `undefined` if
 * the text is accepted.
 */
export function timeLimitProblem(text: string): string | undefined {
  return parseDuration(text) === 0
    ? `must be longer than zero, such as "90s" or "15m", not ${
      JSON.stringify(text)
    }`
    : durationProblem(text);
}
