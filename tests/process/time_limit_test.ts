import { assertEquals } from "@std/assert";
import {
  pause,
  settlesWithin,
  timeLimit,
} from "../../src/process/time_limit.ts";
import { soon } from "../helpers/soon.ts";

const HOUR_MS = 3_600_000;

Deno.test("timeLimit() is reached", async () => {
  using limit = timeLimit(1);
  assertEquals(await soon(limit.reached, "the time limit"), true);
});

Deno.test("timeLimit() is not reached early if it is longer than one timer", async () => {
  using long = timeLimit(2 ** 31);
  using longer = timeLimit(100 * 365 * 24 * HOUR_MS);
  let isReached = false;
  long.reached.then(() => isReached = true);
  longer.reached.then(() => isReached = true);
  using short = timeLimit(20);
  await soon(short.reached, "the short limit");
  assertEquals(isReached, false);
});

Deno.test("timeLimit() of several timers is reached after all of them", async () => {
  const order: string[] = [];
  using limit = timeLimit(60, { maxTimerMs: 20 });
  using shorter = timeLimit(50);
  const both = [
    limit.reached.then(() => order.push("several")),
    shorter.reached.then(() => order.push("one")),
  ];
  await soon(Promise.all(both), "both limits");
  assertEquals(order, ["one", "several"]);
});

Deno.test("timeLimit() of several timers can be disposed between them", async () => {
  const limit = timeLimit(30, { maxTimerMs: 10 });
  let isReached = false;
  limit.reached.then(() => isReached = true);
  using second = timeLimit(15);
  await soon(second.reached, "the time of the first timer");
  limit[Symbol.dispose]();
  using later = timeLimit(40);
  await soon(later.reached, "the later limit");
  assertEquals(isReached, false);
});

Deno.test("timeLimit() is never reached after it is disposed", async () => {
  const called = timeLimit(1);
  let isReached = false;
  called.reached.then(() => isReached = true);
  called[Symbol.dispose]();
  // If a later limit of the same clock is over, the earlier one would be as
  // well.
  using later = timeLimit(20);
  await soon(later.reached, "the later limit");
  assertEquals(isReached, false);
});

Deno.test("timeLimit() does not keep the process alive after it is disposed", async () => {
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

Deno.test("settlesWithin() returns true for a promise that resolves or rejects", async () => {
  assertEquals(await settlesWithin(Promise.resolve(), 0), true);
  assertEquals(await settlesWithin(Promise.reject(new Error("x")), 0), true);
  const late = Promise.withResolvers<void>();
  const inTime = settlesWithin(late.promise, HOUR_MS);
  late.resolve();
  assertEquals(await inTime, true);
});

Deno.test("settlesWithin() returns false for a promise that does not settle", async () => {
  const never = new Promise(() => {});
  assertEquals(await soon(settlesWithin(never, 0), "no time"), false);
  assertEquals(await soon(settlesWithin(never, 5), "some time"), false);
});

Deno.test("settlesWithin() ignores a late rejection", async () => {
  const late = Promise.withResolvers<void>();
  assertEquals(await settlesWithin(late.promise, 1), false);
  late.reject(new Error("nobody is there to be told"));
  await Promise.resolve();
});

Deno.test("pause() ends with the time or the signal", async () => {
  const stop = new AbortController();
  await pause(1, stop.signal);
  assertEquals(stop.signal.aborted, false);
  const waiting = pause(3_600_000, stop.signal);
  stop.abort();
  await waiting;
  await pause(3_600_000, stop.signal);
});
