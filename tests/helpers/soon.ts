/** Longest wait for something that must happen, in milliseconds; not a measure of anything. */
const BOUND_MS = 60_000;

/** Time between two looks at something that tells no one when it changes. */
const LOOK_MS = 5;

/** Waits for a promise, and fails instead of hanging when it never settles. */
export async function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`Waited in vain for ${what}`)),
    BOUND_MS,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks again and again until a condition holds, and fails when it never does. */
export async function until(
  condition: () => boolean,
  what: string,
): Promise<void> {
  const end = Date.now() + BOUND_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
