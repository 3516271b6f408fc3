import { assertEquals } from "@std/assert";
import { settlesWithin, timeLimit } from "../../src/process/time_limit.ts";
import { soon } from "../helpers/soon.ts";

const HOUR_MS = 3_600_000;

Deno.test("timeLimit() is reached", async () => {
  using limit = timeLimit(1);
  assertEquals(await soon(limit.reached, "the time limit"), true);
});

Deno.test("timeLimit() is never reached once it was called off", async () => {
  const called = timeLimit(1);
  let isReached = false;
  called.reached.then(() => isReached = true);
  called[Symbol.dispose]();
  // A later limit of the same clock that is over: the earlier one would be, too.
  using later = timeLimit(20);
  await soon(later.reached, "the later limit");
  assertEquals(isReached, false);
});

Deno.test("timeLimit() does not keep the process alive once it was called off", async () => {
  const script = `
    import { timeLimit } from ${
    JSON.stringify(import.meta.resolve("../../src/process/time_limit.ts"))
  };
    timeLimit(${HOUR_MS})[Symbol.dispose]();`;
  const { code } = await soon(
    new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-config", script],
      stdin: "null",
    }).output(),
    "the end of a process that waits for nothing",
  );
  assertEquals(code, 0);
});

Deno.test("settlesWithin() tells what settled, whichever way", async () => {
  assertEquals(await settlesWithin(Promise.resolve(), 0), true);
  assertEquals(await settlesWithin(Promise.reject(new Error("x")), 0), true);
  const late = Promise.withResolvers<void>();
  const inTime = settlesWithin(late.promise, HOUR_MS);
  late.resolve();
  assertEquals(await inTime, true);
});

Deno.test("settlesWithin() tells what did not settle", async () => {
  const never = new Promise(() => {});
  assertEquals(await soon(settlesWithin(never, 0), "no time"), false);
  assertEquals(await soon(settlesWithin(never, 5), "some time"), false);
});

Deno.test("settlesWithin() is done with what rejects too late", async () => {
  const late = Promise.withResolvers<void>();
  assertEquals(await settlesWithin(late.promise, 1), false);
  late.reject(new Error("nobody is there to be told"));
  await Promise.resolve();
});
