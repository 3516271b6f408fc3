/**
 * Runs an action for each item, with limited concurrency.
 *
 * After a failure, it starts no more actions and waits for those that are
 * running, so that nothing continues in the background.
 *
 * @param limitCount Maximum number of concurrent actions.
 * @throws {unknown} The first failure.
 */
export async function forEachLimited<T>(
  items: readonly T[],
  limitCount: number,
  action: (item: T) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  let next = 0;
  const work = async () => {
    while (failures.length === 0 && next < items.length) {
      try {
        await action(items[next++]);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  const workerCount = Math.min(limitCount, items.length);
  await Promise.all(Array.from({ length: workerCount }, work));
  if (failures.length > 0) throw failures[0];
}
