/**
 * Maximum wait for something that must happen, in milliseconds; not a
 * measurement.
 */
const BOUND_MS = 60_000;

/** Polling interval, in milliseconds. */
const POLL_MS = 5;

/** Waits for a promise, and fails instead of hanging if it never settles. */
export async function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`Timed out waiting for ${what}`)),
    BOUND_MS,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Polls until a condition is true, and fails if it never is. */
export async function until(
  condition: () => boolean,
  what: string,
): Promise<void> {
  const end = Date.now() + BOUND_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
