/**
 * Waits for a file to be read, for a limited time.
 *
 * It uses `AbortSignal.timeout`, because the first `setTimeout` of a process
 * takes 4 to 8 ms.
 *
 * @param work Reads the file.
 * @param ms Maximum time to wait, in milliseconds.
 * @returns The result of the work.
 * @throws {Error} If it takes longer. The message follows "Cannot read …:".
 */
export async function withinTime<T>(work: Promise<T>, ms: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const signal = AbortSignal.timeout(ms);
  const onTimeout = () =>
    reject(new Error(`it could not be read within ${ms} ms`));
  signal.addEventListener("abort", onTimeout, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onTimeout);
  }
}
