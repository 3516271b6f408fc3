import { assertEquals, assertRejects } from "@std/assert";
import { forEachLimited } from "../../src/source/for_each_limited.ts";

Deno.test("forEachLimited() does each item once and few at a time", async () => {
  const done: number[] = [];
  let running = 0;
  let mostRunning = 0;
  await forEachLimited([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    mostRunning = Math.max(mostRunning, ++running);
    await Promise.resolve();
    done.push(item);
    running--;
  });
  assertEquals(done.toSorted(), [1, 2, 3, 4, 5, 6, 7]);
  assertEquals(mostRunning, 3);
});

Deno.test("forEachLimited() begins nothing after a failure and waits for the rest", async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const released = Promise.withResolvers<void>();
  const all = forEachLimited([1, 2, 3, 4], 2, async (item) => {
    begun.push(item);
    if (item === 2) {
      // Leaves the other one in the middle of its work.
      queueMicrotask(() => released.resolve());
      throw new Error("two");
    }
    await released.promise;
    ended.push(item);
  });
  await assertRejects(() => all, Error, "two");
  assertEquals(begun, [1, 2]);
  assertEquals(ended, [1]);
});

Deno.test("forEachLimited() has nothing to do without items", async () => {
  await forEachLimited([], 4, () => Promise.reject(new Error("called")));
});
