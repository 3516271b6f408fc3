import { assertEquals, assertRejects } from "@std/assert";
import { WorkQueue } from "../../../src/source/archive/write_queue.ts";

Deno.test("WorkQueue does a few things at a time, and all of them", async () => {
  const queue = new WorkQueue(3);
  let running = 0;
  let mostRunning = 0;
  let doneCount = 0;
  const isFull = Promise.withResolvers<void>();
  for (let index = 0; index < 20; index++) {
    await queue.add(async () => {
      mostRunning = Math.max(mostRunning, ++running);
      if (running === 3) isFull.resolve();
      await isFull.promise;
      running--;
      doneCount++;
    });
  }
  await queue.drain();
  assertEquals([mostRunning, running, doneCount], [3, 0, 20]);
});

Deno.test("WorkQueue begins nothing after a failure, and tells of the first", async () => {
  const queue = new WorkQueue(1);
  const begun: number[] = [];
  await queue.add(() => Promise.reject(new Error("first")));
  await assertRejects(
    () => queue.add(() => Promise.resolve(void begun.push(1))),
    Error,
    "first",
  );
  await queue.settle();
  await assertRejects(() => queue.drain(), Error, "first");
  assertEquals(begun, []);
});
