/**
 * Runs an action for each item, with limited concurrency.
 *
 * After a failure nothing new is begun, and what was begun is waited for, so
 * that nothing goes on behind the caller's back.
 *
 * @param items Items.
 * @param limitCount How many are worked on at a time.
 * @param action What is done with an item.
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
