import { assertEquals, assertRejects } from "@std/assert";
import {
  MAX_VALUES,
  MAX_VALUES_BYTES,
  RegistrationLimits,
} from "../../../src/secrets/registration/handler.ts";

Deno.test("RegistrationLimits registers each value once", async () => {
  const calls: string[][] = [];
  const limits = new RegistrationLimits((values) => void calls.push(values));
  assertEquals(await limits.register(["a", "b", "a"]), true);
  assertEquals(await limits.register(["b", "c"]), true);
  assertEquals(await limits.register(["a"]), true);
  assertEquals(await limits.register([]), true);
  assertEquals(calls, [["a", "b"], ["c"]]);
});

Deno.test("RegistrationLimits accepts a limited number of values", async () => {
  let count = 0;
  const limits = new RegistrationLimits((values) =>
    void (count += values.length)
  );
  const block = (from: number, length: number) =>
    Array.from({ length }, (_, i) => `value-${from + i}`);
  for (let from = 0; from < MAX_VALUES; from += 10_000) {
    assertEquals(await limits.register(block(from, 10_000)), true);
  }
  assertEquals(await limits.register(["one more"]), false);
  assertEquals(await limits.register(["value-0", "one more"]), false);
  // Known values do not count.
  assertEquals(await limits.register(["value-0"]), true);
  assertEquals(count, MAX_VALUES);
});

Deno.test("RegistrationLimits accepts a limited number of bytes", async () => {
  const limits = new RegistrationLimits(() => {});
  const quarter = MAX_VALUES_BYTES / 4;
  for (const letter of "abc") {
    assertEquals(await limits.register([letter.repeat(quarter)]), true);
  }
  assertEquals(await limits.register(["é".repeat(quarter)]), false);
  assertEquals(await limits.register(["é".repeat(quarter / 2)]), true);
  assertEquals(await limits.register(["x"]), false);
});

Deno.test("RegistrationLimits does not count values that could not be masked", async () => {
  let isBroken = true;
  const masked: string[] = [];
  const limits = new RegistrationLimits((values) => {
    if (isBroken) throw new Error("broken");
    masked.push(...values);
  });
  await assertRejects(() => limits.register(["a"]), Error, "broken");
  isBroken = false;
  assertEquals([await limits.register(["a"]), masked], [true, ["a"]]);
});

Deno.test("RegistrationLimits counts a value as known only once it is masked", async () => {
  const { promise: outer, resolve: answer } = Promise.withResolvers<void>();
  const limits = new RegistrationLimits(() => outer);
  const order: string[] = [];
  const registrations = ["first", "second"].map(async (name) => {
    assertEquals(await limits.register(["same"]), true);
    order.push(name);
  });
  outer.then(() => order.push("masked"));
  answer();
  await Promise.all(registrations);
  assertEquals(order, ["masked", "first", "second"]);
});
