import { assertEquals, assertRejects } from "@std/assert";
import {
  MAX_VALUES,
  MAX_VALUES_BYTES,
  RegistrationQuota,
} from "../../src/secrets/registration_quota.ts";

Deno.test("RegistrationQuota hands each value on once", async () => {
  const calls: string[][] = [];
  const quota = new RegistrationQuota((values) => void calls.push(values));
  assertEquals(await quota.register(["a", "b", "a"]), true);
  assertEquals(await quota.register(["b", "c"]), true);
  assertEquals(await quota.register(["a"]), true);
  assertEquals(await quota.register([]), true);
  assertEquals(calls, [["a", "b"], ["c"]]);
});

Deno.test("RegistrationQuota takes a limited number of values", async () => {
  let count = 0;
  const quota = new RegistrationQuota((values) =>
    void (count += values.length)
  );
  const block = (from: number, length: number) =>
    Array.from({ length }, (_, i) => `value-${from + i}`);
  for (let from = 0; from < MAX_VALUES; from += 10_000) {
    assertEquals(await quota.register(block(from, 10_000)), true);
  }
  assertEquals(await quota.register(["one more"]), false);
  assertEquals(await quota.register(["value-0", "one more"]), false);
  // What is known already costs nothing.
  assertEquals(await quota.register(["value-0"]), true);
  assertEquals(count, MAX_VALUES);
});

Deno.test("RegistrationQuota takes a limited number of bytes", async () => {
  const quota = new RegistrationQuota(() => {});
  const quarter = MAX_VALUES_BYTES / 4;
  for (const letter of "abc") {
    assertEquals(await quota.register([letter.repeat(quarter)]), true);
  }
  assertEquals(await quota.register(["é".repeat(quarter)]), false);
  assertEquals(await quota.register(["é".repeat(quarter / 2)]), true);
  assertEquals(await quota.register(["x"]), false);
});

Deno.test("RegistrationQuota does not take for known what could not be masked", async () => {
  let isBroken = true;
  const masked: string[] = [];
  const quota = new RegistrationQuota((values) => {
    if (isBroken) throw new Error("broken");
    masked.push(...values);
  });
  await assertRejects(() => quota.register(["a"]), Error, "broken");
  isBroken = false;
  assertEquals([await quota.register(["a"]), masked], [true, ["a"]]);
});

Deno.test("RegistrationQuota knows a value only once it is masked", async () => {
  const { promise: outer, resolve: answer } = Promise.withResolvers<void>();
  const quota = new RegistrationQuota(() => outer);
  const order: string[] = [];
  const registrations = ["first", "second"].map(async (name) => {
    assertEquals(await quota.register(["same"]), true);
    order.push(name);
  });
  outer.then(() => order.push("masked"));
  answer();
  await Promise.all(registrations);
  assertEquals(order, ["masked", "first", "second"]);
});
