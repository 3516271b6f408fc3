import { assertEquals, assertRejects } from "@std/assert";
import { forEachLimited, WorkQueue } from "../src/work_queue.ts";

Deno.test("WorkQueue runs all tasks, a few at a time", async () => {
  const queue = new WorkQueue(3);
  let running = 0;
  let maxRunning = 0;
  let doneCount = 0;
  const isFull = Promise.withResolvers<void>();
  for (let index = 0; index < 20; index++) {
    await queue.add(async () => {
      maxRunning = Math.max(maxRunning, ++running);
      if (running === 3) isFull.resolve();
      await isFull.promise;
      running--;
      doneCount++;
    });
  }
  await queue.drain();
  assertEquals([maxRunning, running, doneCount], [3, 0, 20]);
});

Deno.test("WorkQueue starts nothing after a failure, and throws the first one", async () => {
  const queue = new WorkQueue(1);
  const started: number[] = [];
  await queue.add(() => Promise.reject(new Error("first")));
  await assertRejects(
    () => queue.add(() => Promise.resolve(void started.push(1))),
    Error,
    "first",
  );
  await queue.settle();
  await assertRejects(() => queue.drain(), Error, "first");
  assertEquals(started, []);
});

Deno.test("forEachLimited() handles each item once, a few at a time", async () => {
  const done: number[] = [];
  let running = 0;
  let maxRunning = 0;
  const isFull = Promise.withResolvers<void>();
  await forEachLimited([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    maxRunning = Math.max(maxRunning, ++running);
    if (running === 3) isFull.resolve();
    await isFull.promise;
    done.push(item);
    running--;
  });
  assertEquals(done.toSorted(), [1, 2, 3, 4, 5, 6, 7]);
  assertEquals(maxRunning, 3);
});

Deno.test("forEachLimited() starts nothing after a failure and waits for running actions", async () => {
  const started: number[] = [];
  const ended: number[] = [];
  const released = Promise.withResolvers<void>();
  const all = forEachLimited([1, 2, 3, 4], 2, async (item) => {
    started.push(item);
    if (item === 2) {
      // The other action is still running.
      queueMicrotask(() => released.resolve());
      throw new Error("two");
    }
    await released.promise;
    ended.push(item);
  });
  await assertRejects(() => all, Error, "two");
  assertEquals(started, [1, 2]);
  assertEquals(ended, [1]);
});

Deno.test("forEachLimited() does nothing without items", async () => {
  await forEachLimited([], 4, () => Promise.reject(new Error("called")));
});
