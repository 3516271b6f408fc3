const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * Formats a duration for people: `0.4s`, `12.3s`, `2m 05s`, `1h 02m`.
 *
 * @param ms Milliseconds; the result is rounded down.
 * @returns Digits, units and at most one space.
 */
export function formatDuration(ms: number): string {
  const time = Math.max(0, ms);
  if (time < MINUTE_MS) return `${(Math.floor(time / 100) / 10).toFixed(1)}s`;
  if (time < HOUR_MS) {
    return `${whole(time, MINUTE_MS)}m ${
      twoDigits(time % MINUTE_MS, SECOND_MS)
    }s`;
  }
  return `${whole(time, HOUR_MS)}h ${twoDigits(time % HOUR_MS, MINUTE_MS)}m`;
}

/** Rounds a duration to what {@linkcode formatDuration} shows, in milliseconds. */
export function shownDuration(ms: number): number {
  const unit = ms < MINUTE_MS ? 100 : ms < HOUR_MS ? SECOND_MS : MINUTE_MS;
  return Math.floor(ms / unit) * unit;
}

/**
 * Formats an elapsed time like a clock: `0:42`, `12:03`, `1:02:03`.
 *
 * @param ms Milliseconds; the result is rounded down.
 * @returns Text that changes once per second.
 */
export function formatClock(ms: number): string {
  const time = Math.max(0, ms);
  const seconds = twoDigits(time % MINUTE_MS, SECOND_MS);
  if (time < HOUR_MS) return `${whole(time, MINUTE_MS)}:${seconds}`;
  const minutes = twoDigits(time % HOUR_MS, MINUTE_MS);
  return `${whole(time, HOUR_MS)}:${minutes}:${seconds}`;
}

function whole(ms: number, unitMs: number): number {
  return Math.floor(ms / unitMs);
}

function twoDigits(ms: number, unitMs: number): string {
  return String(whole(ms, unitMs)).padStart(2, "0");
}
